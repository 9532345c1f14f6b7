"""Our metrics beside those of others: equal values, seconds, and memory.

    pip install --no-deps prdc torch-fidelity vendi-score
    python benchmarks/metrics_peers.py --json benchmarks/recorded/metrics_peers.json    # minutes
    python benchmarks/metrics_peers.py --sizes 50000 --ours                             # where whole matrices need 60 GB

Precision, recall, density and coverage against prdc and torch-fidelity (as shipped, and with its ``save_cpu_ram``), and,
as what all of them compute, the definitions with whole matrices; the Vendi score against vendi-score. prdc's balls are
open (``<``) and ours are closed, which differs only where a distance equals a radius: not in these random points.
torch-fidelity computes in float32, which may move a point over a radius; its values may therefore differ by a few points.

Each row is a process of its own, so that its peak memory is its own: what the call added to the process with its data.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import multiprocessing
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measuring import begin, head, options, row, spread, timed, write
from torch import Tensor

from gan_utils import metrics

K = 5
LARGEST_WHOLE = 10_000  # points; beyond, others' whole matrices are left out
FEW = 3  # points by which float32 may differ
Values = dict[str, float]


def ours_prdc(real: Tensor, fake: Tensor) -> Values:
    """Return the package's four numbers."""
    return metrics.prdc(real, fake, K)._asdict()


def whole_prdc(real: Tensor, fake: Tensor) -> Values:
    """Return the four numbers by their definitions, from three whole matrices."""
    real, fake = real.double(), fake.double()
    rr, ff, rf = torch.cdist(real, real), torch.cdist(fake, fake), torch.cdist(real, fake)
    r, f = (d.topk(K + 1, largest=False).values[:, K] for d in (rr, ff))
    inside = rf <= r[:, None]
    shares = {"precision": inside.any(0), "recall": (rf <= f).any(1), "coverage": inside.any(1)}
    return {name: float(part.double().mean()) for name, part in shares.items()} | {
        "density": float(inside.sum()) / (K * len(fake))
    }


def peer_prdc(real: Tensor, fake: Tensor) -> Values:
    """Return those of the package prdc, which prints."""
    from prdc import compute_prdc

    with contextlib.redirect_stdout(io.StringIO()):
        return {name: float(v) for name, v in compute_prdc(real.numpy(), fake.numpy(), nearest_k=K).items()}


def peer_fidelity(real: Tensor, fake: Tensor, save: bool = False) -> Values:
    """Return precision and recall of torch-fidelity, its features first those of the fakes."""
    from torch_fidelity.metric_prc import prc_features_to_metric

    found = prc_features_to_metric(fake, real, prc_neighborhood=K, save_cpu_ram=save, verbose=False)
    return {name: found[name] for name in ("precision", "recall")}


def ours_vendi(real: Tensor, fake: Tensor) -> Values:
    """Return the package's Vendi score, cosine kernel."""
    return {"vendi": metrics.vendi(fake)}


def peer_vendi(real: Tensor, fake: Tensor, dual: bool = False) -> Values:
    """Return vendi-score's, of n x n or (dual) d x d similarities."""
    from vendi_score import vendi

    with warnings.catch_warnings():  # it looks for a name of SciPy's that is going away
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        return {"vendi": float((vendi.score_dual if dual else vendi.score_X)(fake.double().numpy()))}


Metric = Callable[[Tensor, Tensor], Values]
#: What is compared: the module it needs, and the function. The first of a group is ours, the reference of the others.
GROUPS: dict[str, dict[str, tuple[str, Metric]]] = {
    "neighbours": {
        "gan_utils": ("gan_utils", ours_prdc),
        "definitions": ("gan_utils", whole_prdc),
        "prdc": ("prdc", peer_prdc),
        "torch-fidelity": ("torch_fidelity", peer_fidelity),
        "torch-fidelity, save_cpu_ram": ("torch_fidelity", partial(peer_fidelity, save=True)),
    },
    "vendi": {
        "gan_utils": ("gan_utils", ours_vendi),
        "vendi-score": ("vendi_score", peer_vendi),
        "vendi-score, dual": ("vendi_score", partial(peer_vendi, dual=True)),
    },
}


def sets(n: int, dim: int) -> tuple[Tensor, Tensor]:
    """Return real and fake points in float32, as features are: normal, the fakes narrower and moved."""
    rng = torch.Generator().manual_seed(0)
    return torch.randn(n, dim, generator=rng), 0.9 * torch.randn(n, dim, generator=rng) + 0.2


def tolerance(name: str, n: int) -> float:
    """Return by how much a peer's values may differ from ours."""
    return FEW / n if "fidelity" in name else 1e-6


def agree(name: str, values: Values, ours: Values, n: int) -> bool:
    """Return whether a peer's values are ours: relative for what exceeds 1."""
    return all(abs(v - ours[key]) <= tolerance(name, n) * max(1.0, ours[key]) for key, v in values.items())


def measure(group: str, name: str, n: int, dim: int, rounds: int) -> dict[str, Any]:
    """Return one row: values, seconds a call, and the MiB by which its peak exceeded what was held before."""
    real, fake = sets(n, dim)
    work = GROUPS[group][name][1]
    work(real[:50], fake[:50])  # what is loaded at the first call is not the call's
    before, values = memory("VmRSS", reset=True), {}
    seconds = [timed(lambda: values.update(work(real, fake)))]
    added = memory("VmHWM") - before
    seconds += [timed(lambda: work(real, fake)) for _ in range(rounds - 1)]
    return {"group": group, "name": name, "n": n, "dim": dim, "s": spread(seconds), "mib": added, "values": values}


def memory(field: str, reset: bool = False) -> float:
    """Return a field of this process's memory in MiB (Linux: VmRSS now, VmHWM the peak since it was reset)."""
    if reset:
        with contextlib.suppress(OSError):  # where that is not allowed, the peak is that of the whole process
            Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field)), float("nan"))


def apart(*arguments: Any) -> dict[str, Any]:
    """Return :func:`measure`'s row, taken in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pool.apply(measure, arguments)


def line(r: dict[str, Any], ours: dict[str, Any]) -> str:
    """Return a row of the Markdown table."""
    same = "-" if r is ours else "equal" if agree(r["name"], r["values"], ours["values"], r["n"]) else "**differ**"
    numbers = ", ".join(f"{key} {value:.4f}" for key, value in r["values"].items())
    return row(f"{r['n']:,} x {r['dim']}", r["name"], f"{r['s']:.2f}", f"{r['mib']:,.0f}", numbers, same)


def main(argv: list[str] | None = None) -> None:
    """Print the table; with --json, also write it."""
    parser = options(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 5_000, 10_000], help="numbers of points")
    parser.add_argument("--dim", type=int, default=64, help="dimensions (default 64)")
    parser.add_argument("--ours", action="store_true", help="ours only")
    arguments, made = begin(__file__, parser, argv)
    how, sizes = (measure, [200]) if arguments.quick else (apart, arguments.sizes)
    print(head("size", "method", "s", "MiB", "values", "with ours"), flush=True)
    rows, ours = [], {}
    for n in sizes:
        for group, methods in GROUPS.items():
            here = [name for name, (module, _) in methods.items() if importlib.util.find_spec(module)]
            if arguments.ours or n > LARGEST_WHOLE:
                here = ["gan_utils"]
            for name in here:
                found = how(group, name, n, arguments.dim, made["rounds"])
                ours = found if name == "gan_utils" else ours
                rows.append(found | {"equal": agree(name, found["values"], ours["values"], n)})
                print(line(found, ours), flush=True)
    write(arguments.json, made, rows=rows)


if __name__ == "__main__":
    main()
