"""How fast is a GAN-step beside the usual tutorial loop, and how near to the machine's limit?

    python benchmarks/step_speed.py                # one to five minutes on two cores, as busy as they are
    python benchmarks/step_speed.py --rounds 9 --json benchmarks/recorded/step_speed.json

Tutorial and package take turns, round by round, in one process with the same number of threads, so that a slow moment of
the machine hits both. Each row prints the median of the rounds' ratios and their range. Compiling is done before and is
shown apart. One GAN-step is one step of one seed; the tutorial trains one seed at a time.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from tutorial_loops import Steps, mnist_loop, ring_loop, wgan_gp_loop

import gan_utils as gu
from gan_utils.training import BLOCK, Advance


@dataclass
class Row:
    """One comparison; times are milliseconds for one GAN-step."""

    name: str
    goal: float
    tutorial_ms: float
    package_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float
    compile_s: float
    gflops: float
    share_of_matmul: float


def package_steps(gan: gu.GAN, source: gu.Source, *, seeds: int, batch: int) -> tuple[Steps, gu.Run, float]:
    """Return a function that does n steps (a multiple of 50) of the compiled ensemble, its run, and the compile time in s."""
    run = gu.fit(gan, source, steps=BLOCK, seeds=seeds, batch=batch, compile=True, progress=False)
    if not run.compiled:
        raise SystemExit("This benchmark needs a C++ compiler: torch.compile failed." + run.note)
    advance = Advance(run)
    advance.to(run.step + 1)
    advance.to(2 * BLOCK)

    def steps(n: int) -> None:
        for _ in range(n // BLOCK):
            advance.to(run.step + BLOCK)

    return steps, run, run.compile_seconds


class Count(TorchDispatchMode):
    """Adds up the operations of every matrix product (torch's FlopCounterMode fails inside nested ``torch.func.grad``)."""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.total += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def flops_per_gan_step(run: gu.Run) -> float:
    """Count the multiply-adds of one member's step as two operations each, matrix products only."""
    state = run.gan.init(0)
    block = gu.draw_block(run.gan, run.source, 0, 0, run.batch)
    with Count() as counter:
        gu.step(run.gan, state, gu.Batch(*(part[0] for part in block)))
    return float(counter.total)


def matmul_rate(size: int = 1024, repeats: int = 8) -> float:
    """Return the machine's rate for a square float32 matrix product, in operations a second (best of ``repeats``)."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / min(timed(lambda: a @ b) for _ in range(repeats))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that ``work`` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def compare(
    name: str,
    goal: float,
    tutorial: Steps,
    gan: gu.GAN,
    source: gu.Source,
    *,
    seeds: int,
    batch: int,
    rounds: int,
    n: int,
) -> Row:
    """Time ``n`` steps of each in turn, ``rounds`` times."""
    steps, run, compile_s = package_steps(gan, source, seeds=seeds, batch=batch)
    tutorial(10)
    theirs, ours, rates = [], [], []
    for _ in range(rounds):
        theirs.append(timed(lambda: tutorial(n)) / n)
        ours.append(timed(lambda: steps(n)) / n / seeds)
        rates.append(matmul_rate())
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    flops = flops_per_gan_step(run)
    shares = [flops / b / rate for b, rate in zip(ours, rates, strict=True)]
    median = statistics.median
    return Row(
        name,
        goal,
        1e3 * median(theirs),
        1e3 * median(ours),
        median(ratios),
        min(ratios),
        max(ratios),
        compile_s,
        flops / median(ours) / 1e9,
        median(shares),
    )


def rows(rounds: int) -> Iterator[Row]:
    """Run the three comparisons of the table, one after the other."""
    ring, mnist = gu.data.ring(), gu.data.mnist()
    G, D = gu.models.mlp(2, 64, 64, 2), gu.models.mlp(2, 64, 64, 1, slope=0.2)
    plain = gu.GAN(G, D)
    slow = gu.optim.adam(1e-4, betas=(0.5, 0.9))
    gp = gu.GAN(G, D, loss="wasserstein", penalties=gu.penalties.wgan_gp(10.0), d_steps=5, opt_g=slow, opt_d=slow)
    usual = gu.optim.adam(2e-4)
    reference = gu.GAN(gu.models.mnist_generator(), gu.models.mnist_discriminator(), opt_g=usual, opt_d=usual)
    yield compare(
        "ring, width 64, 8 seeds", 8, ring_loop(64, 128), plain, ring, seeds=8, batch=128, rounds=rounds, n=200
    )
    theirs = wgan_gp_loop(64, 128)
    yield compare("WGAN-GP ring, 8 seeds", 6, theirs, gp, ring, seeds=8, batch=128, rounds=rounds, n=50)
    theirs = mnist_loop(64)
    yield compare("MNIST reference, 1 seed", 3, theirs, reference, mnist, seeds=1, batch=64, rounds=rounds, n=50)


HEAD = """\
| comparison | goal | tutorial, ms | package, ms | ratio (range) | compiling, s | GFLOP/s | share of matmul rate |
|---|---|---|---|---|---|---|---|"""


def line(r: Row) -> str:
    """Return a row of the Markdown table."""
    return (
        f"| {r.name} | {r.goal:g}x | {r.tutorial_ms:.2f} | {r.package_ms:.3f} | **{r.ratio:.1f}x** "
        f"({r.ratio_low:.1f}-{r.ratio_high:.1f}) | {r.compile_s:.0f} | {r.gflops:.0f} | {r.share_of_matmul:.0%} |"
    )


def provenance(rounds: int) -> dict[str, str | int]:
    """Return what is needed to run the same again."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "command": f"python benchmarks/step_speed.py --rounds {rounds}",
        "commit": commit or "unknown",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "rounds": rounds,
    }


def main() -> None:
    """Print the table; with --json, also write it with its provenance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each comparison (default 5)")
    parser.add_argument("--json", type=Path, help="write the rows and their provenance to this file")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.rounds} rounds, medians\n")
    print(HEAD)
    results = []
    for row in rows(arguments.rounds):
        results.append(row)
        print(line(row), flush=True)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        record = {"provenance": provenance(arguments.rounds), "rows": [asdict(row) for row in results]}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
