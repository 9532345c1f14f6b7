"""How fast is a GAN-step beside the usual tutorial loop, and how near to the machine's limit?

    python benchmarks/step_speed.py                # one to five minutes on two cores, as busy as they are
    python benchmarks/step_speed.py --rounds 9 --json benchmarks/recorded/step_speed.json

Tutorial and package take turns, round by round, in one process with the same number of threads, so that a slow moment of
the machine hits both. Each row prints the median of the rounds' ratios and their range. Compiling, or listing the
operations of a step that is replayed, is done before and is shown apart. One GAN-step is one step of one seed; the
tutorial trains one seed at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from measuring import Steps, begin, head, in_turns, matmul_rate, options, package_steps, row, spread, write
from tutorial_loops import mnist_loop, ring_loop, wgan_gp_loop

import gan_utils as gu


@dataclass
class Row:
    """One comparison; times are milliseconds for one GAN-step."""

    name: str
    goal: float | None
    tutorial_ms: float
    package_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float
    compile_s: float
    gflops: float
    share_of_matmul: float


def compare(
    name: str,
    goal: float | None,
    tutorial: Steps,
    gan: gu.GAN,
    source: gu.Source,
    *,
    seeds: int,
    batch: int,
    rounds: int,
    n: int,
    compiled: bool = True,
    replay: bool = False,
) -> Row:
    """Time ``n`` steps of each in turn, ``rounds`` times."""
    steps, run = package_steps(gan, source, seeds=seeds, batch=batch, compiled=compiled, replay=replay)
    tutorial(min(n, 10))
    rates = []
    times = in_turns(
        {"theirs": (tutorial, n), "ours": (steps, n), "rate": (lambda n: rates.append(matmul_rate()), 1)}, rounds
    )
    theirs, ours = times["theirs"], [seconds / seeds for seconds in times["ours"]]
    ratio = spread(a / b for a, b in zip(theirs, ours, strict=True))
    flops = gu.benchmark.products(gan, source, batch)
    return Row(
        name,
        goal,
        1e3 * spread(theirs).median,
        1e3 * spread(ours).median,
        *ratio,
        run.compile_seconds,
        flops / spread(ours).median / 1e9,
        spread(flops / seconds / rate for seconds, rate in zip(ours, rates, strict=True)).median,
    )


def rows(rounds: int, quick: bool = False) -> Iterator[Row]:
    """Run the comparisons of the table, compiled and replayed, one by one; ``quick`` stops after the first."""
    ring, mnist = gu.data.ring(), gu.data.mnist()
    G, D = gu.models.mlp(2, 64, 64, 2), gu.models.mlp(2, 64, 64, 1, slope=0.2)
    plain = gu.GAN(G, D)
    slow = gu.optim.adam(1e-4, betas=(0.5, 0.9))
    gp = gu.GAN(G, D, loss="wasserstein", penalties=gu.penalties.wgan_gp(10.0), d_steps=5, opt_g=slow, opt_d=slow)
    usual = gu.optim.adam(2e-4)
    reference = gu.GAN(gu.models.mnist_generator(), gu.models.mnist_discriminator(), opt_g=usual, opt_d=usual)
    theirs, n = ring_loop(64, 128), 50 if quick else 200
    name = "ring, width 64, 8 seeds"
    yield compare(name, 8, theirs, plain, ring, seeds=8, batch=128, rounds=rounds, n=n, compiled=not quick)
    if quick:
        return
    theirs = wgan_gp_loop(64, 128)
    yield compare("WGAN-GP ring, 8 seeds", 6, theirs, gp, ring, seeds=8, batch=128, rounds=rounds, n=50)
    theirs = mnist_loop(64)
    yield compare("MNIST reference, 1 seed", 3, theirs, reference, mnist, seeds=1, batch=64, rounds=rounds, n=50)
    theirs, reused = mnist_loop(64), replace(reference, play="reusing")  # the tutorial makes new fakes for G's turn
    yield compare("the same, fakes reused", 3, theirs, reused, mnist, seeds=1, batch=64, rounds=rounds, n=50)
    listed = {"rounds": rounds, "compiled": False, "replay": True}
    yield compare("ring, replayed", None, ring_loop(64, 128), plain, ring, seeds=8, batch=128, n=200, **listed)
    yield compare("WGAN-GP ring, replayed", None, wgan_gp_loop(64, 128), gp, ring, seeds=8, batch=128, n=50, **listed)
    yield compare("MNIST, replayed", None, mnist_loop(64), reference, mnist, seeds=1, batch=64, n=50, **listed)


HEAD = head(
    "comparison",
    "goal",
    "tutorial, ms",
    "package, ms",
    "ratio (range)",
    "compiling, s",
    "GFLOP/s",
    "share of matmul rate",
)


def line(r: Row) -> str:
    """Return a row of the Markdown table."""
    ratio = f"**{r.ratio:.1f}x** ({r.ratio_low:.1f}-{r.ratio_high:.1f})"
    times = f"{r.tutorial_ms:.2f}", f"{r.package_ms:.3f}", ratio, f"{r.compile_s:.0f}"
    return row(r.name, f"{r.goal:g}x" if r.goal else "-", *times, f"{r.gflops:.0f}", f"{r.share_of_matmul:.0%}")


def main(argv: list[str] | None = None) -> None:
    """Print the table; with --json, also write it with its provenance."""
    arguments, made = begin(__file__, options(__doc__), argv)
    print(HEAD)
    results = []
    for result in rows(made["rounds"], arguments.quick):
        results.append(result)
        print(line(result), flush=True)
    write(arguments.json, made, rows=[asdict(result) for result in results])


if __name__ == "__main__":
    main()
