"""Record chapter 19's ring in many dimensions: ``python scripts/record_ring_in_space.py``.

The ring of eight in a space of d dimensions, its plane turned at random, the same noise in every direction. Six recipes of the
zoo, with their networks for points (only the outermost layers grow with d) and equal compute: each gets the steps that
the matrix products of 5,000 steps of the plain GAN pay for in that dimension. Writes book/recorded/ring_in_space.json (over
the steps, what the samples of each seed cover, in the whole space and in the ring's plane alone, how far they stand off that
plane, and how steep D is at data and fakes; the first losses; how it was made)
after every run: what is in it is not made again. Two runs at a time, one thread each. ``--dims 2 784`` and
``--only r1 r1-r2`` record these; ``--times 0.2`` multiplies the learning rate of both players.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from recording import ROOT, first_losses, provenance, rounded, slopes, write

import gan_utils as gu
from gan_utils import benchmark

OUT = ROOT / "book" / "recorded" / "ring_in_space.json"
DIMS = [2, 8, 32, 128, 784]
NAMES = ["non-saturating", "pacgan", "instance-noise", "dragan", "r1", "r1-r2"]
SEEDS = 10
STEPS, BATCH = 5_000, 128  # steps of the plain GAN
LOOKS, SAMPLES, SLOPES = 10, 2_500, 250  # measurements; samples in each; samples at which D's slope is taken


FLAT = gu.data.ring()


def plane(dim: int) -> torch.Tensor:
    """Return two unit vectors ``[dim, 2]`` that span a plane for which no coordinate is special."""
    return torch.linalg.qr(torch.randn(dim, dim, generator=gu.generator(0, dim)).double()).Q[:, :2].float()


def ring(dim: int) -> gu.data.Mixture:
    """Return the ring in a space of ``dim`` dimensions, in that plane."""
    return gu.data.Mixture(FLAT.means @ plane(dim).T, FLAT.std[0].item(), name="ring_in_space")


def in_plane(x: torch.Tensor) -> dict[str, list[float]]:
    """Return what samples ``[seeds, n, dim]`` cover if only the plane counts, at three standard deviations.

    Beside it how far they stand ``off`` the plane: root mean square of each direction, over the data's (0 in two dimensions).
    """
    dim = x.shape[-1]
    flat = x @ plane(dim)
    rest = (x - flat @ plane(dim).T).square().sum((1, 2)) / (x.shape[1] * max(dim - 2, 1))
    found = gu.metrics.mode_coverage(flat, FLAT)
    off = rest.sqrt() / FLAT.std[0] if dim > 2 else torch.zeros(len(x))
    return {name: rounded(v) for name, v in (("plane_fair", found.fair), ("plane_good", found.good), ("off", off))}


def reach(dim: int) -> float:
    """Return within how many standard deviations of a mode a sample is good: a perfect sampler has 98.89 % there.

    In two dimensions that is three. The quantile of the chi distribution, found by halving.
    """
    low, high = torch.zeros((), dtype=torch.float64), torch.tensor(3.0 + dim, dtype=torch.float64)
    for _ in range(100):
        middle = (low + high) / 2
        inside = torch.special.gammainc(torch.tensor(dim / 2, dtype=torch.float64), middle.square() / 2)
        low, high = (middle, high) if inside < 1 - math.exp(-4.5) else (low, middle)
    return low.item()


def steps_of(name: str, dim: int) -> tuple[float, int]:
    """Return what a step costs in steps of the plain GAN, and how many steps the compute pays for."""
    source = ring(dim)
    cost, unit = (benchmark.products(gu.zoo.build(n, source), source, BATCH) for n in (name, NAMES[0]))
    return cost / unit, LOOKS * round(STEPS * unit / cost / LOOKS)


def key(name: str, dim: int, times: float = 1.0) -> str:
    """Return what a run is called in the record."""
    return f"{name} in {dim}" + (f", rate x{times:g}" if times != 1 else "")


def build(name: str, dim: int, times: float = 1.0) -> gu.GAN:
    """Return the recipe of the zoo on its networks for points, with a multiple of their learning rate."""
    return gu.zoo.build(name, ring(dim), lr=times * gu.zoo.Networks((dim,)).lr)


def train(name: str, dim: int, times: float = 1.0) -> dict[str, Any]:
    """Train one recipe in one dimension and return the outcome, each list a look of all seeds."""
    torch.set_num_threads(1)
    source, (cost, steps), begin = ring(dim), steps_of(name, dim), time.process_time()
    looks: dict[str, list[Any]] = defaultdict(list)

    def look(step: int, run: gu.Run) -> dict[str, torch.Tensor]:
        x = run.sample(SAMPLES)
        found = gu.metrics.mode_coverage(x, source, within=reach(dim))
        seen = {field: rounded(getattr(found, field)) for field in ("modes", "fair", "good")} | in_plane(x)
        for what, values in ({"step": step} | seen | slopes(run, SLOPES)).items():
            looks[what].append(values)
        return {}

    run = gu.fit(
        build(name, dim, times),
        source,
        steps=steps,
        seeds=SEEDS,
        batch=BATCH,
        device="cpu",
        log_every=10,
        callbacks=[look],
        callback_every=steps // LOOKS,
        progress=False,
    )
    return {
        "name": name,
        "dim": dim,
        "times": times,
        "seeds": list(run.seeds),
        "steps": steps,
        "cost": float(f"{cost:.3g}"),
        "within": reach(dim),
        "looks": looks,
        "diverged": run.diverged.tolist(),
        "first_losses": first_losses(run),
        "cpu_seconds": round(time.process_time() - begin),
        "recipe": run.describe(),
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dims", nargs="*", type=int, default=DIMS)
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES, metavar="RECIPE")
    parser.add_argument("--times", nargs="*", type=float, default=[1.0], metavar="FACTOR")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    made = provenance(__file__, [Path(word).name if word.count("/") else word for word in argv])
    record = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
    every = [(name, dim, times) for times in args.times for dim in args.dims for name in args.only]
    todo = [one for one in every if key(*one) not in record]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(train, *one) for one in todo]):
            run = done.result()
            name = key(run["name"], run["dim"], run["times"])
            record[name] = run | {"made": made}
            write(args.out, record)
            last = {what: run["looks"][what][-1] for what in ("fair", "good", "at_fakes")}
            print(f"{name}: {last}, {run['cpu_seconds']} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
