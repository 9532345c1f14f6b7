"""What precision, recall, density and coverage cost: in blocks, and with whole distance matrices.

    python benchmarks/metrics_speed.py                  # 2,000 and 5,000 points in 64 dimensions: seconds
    python benchmarks/metrics_speed.py --sizes 50000    # minutes; the whole matrices would need 60 GB and are left out

Each row is a process of its own, so that its peak memory is its own: what the call added to the process with its data.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time

import torch
from torch import Tensor

from gan_utils.metrics import PRDC, prdc

LARGEST_WHOLE = 5_000  # points; three matrices in float64 and what comparing them takes are about 1 GB


def whole(real: Tensor, fake: Tensor, k: int = 5) -> PRDC:
    """Return the four numbers by their definitions, from three whole matrices."""
    real, fake = real.double(), fake.double()
    rr, ff, rf = torch.cdist(real, real), torch.cdist(fake, fake), torch.cdist(real, fake)
    r, f = (d.topk(k + 1, largest=False).values[:, k] for d in (rr, ff))
    inside = rf <= r[:, None]
    density = float(inside.sum()) / (k * len(fake))
    shares = (inside.any(0), (rf <= f).any(1), inside.any(1))
    precision, recall, coverage = (float(part.double().mean()) for part in shares)
    return PRDC(precision, recall, density, coverage)


def measure(name: str, n: int, dim: int) -> None:
    """Print one row of the table."""
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(n, dim, generator=rng), torch.randn(n, dim, generator=rng)
    work = {"blocks": prdc, "whole": whole}[name]
    work(real[:50], fake[:50])  # what is loaded at the first call is not the call's
    before, begin = peak(), time.perf_counter()
    result = work(real, fake)
    seconds, added = time.perf_counter() - begin, peak() - before
    numbers = ", ".join(f"{value:.3f}" for value in result)
    print(f"| {n:,} x {dim} | {name} | {seconds:.1f} | {added:,.0f} | {numbers} |", flush=True)


def peak() -> float:
    """Return the most memory that this process has held so far, in MiB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 5_000], help="numbers of points")
    parser.add_argument("--dim", type=int, default=64, help="dimensions (default 64)")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print("| size | method | s | MiB | precision, recall, density, coverage |\n|---|---|---|---|---|", flush=True)
    context = multiprocessing.get_context("spawn")
    for n in arguments.sizes:
        for name in ("blocks", "whole") if n <= LARGEST_WHOLE else ("blocks",):
            process = context.Process(target=measure, args=(name, n, arguments.dim))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
