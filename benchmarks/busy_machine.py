"""What does a step cost on a machine that does something else as well, on all threads and on one?

    python benchmarks/busy_machine.py                # four minutes on two cores
    python benchmarks/busy_machine.py --rounds 9 --json benchmarks/recorded/busy_machine.json

The same step is compiled for one thread and for all that PyTorch takes. All take turns, round by round, alone and beside
another process that keeps one core busy. The ratio of a round is all threads' time over one thread's.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch
from measuring import Spread, Steps, begin, head, in_turns, options, package_steps, row, spread, write

import gan_utils as gu


@dataclass
class Row:
    """One recipe in one situation; times are milliseconds for a step of all its seeds."""

    name: str
    beside: str
    one_thread_ms: Spread
    all_threads_ms: Spread
    ratio: Spread


@contextmanager
def neighbour(busy: bool) -> Iterator[None]:
    """Keep one core busy in another process, if asked to."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        yield
    finally:
        if other:
            other.kill()
            other.wait()


def on(threads: int, steps: Steps, busy: bool) -> Steps:
    """Return ``steps``, done on so many threads, with or without a neighbour."""

    def work(n: int) -> None:
        torch.set_num_threads(threads)
        with neighbour(busy):
            steps(n)

    return work


def rows(threads: int, rounds: int, quick: bool) -> Iterator[Row]:
    """Measure the ring's ensemble and the MNIST pair, alone and beside a neighbour; ``quick`` stops after the first."""
    ring = gu.GAN(gu.models.mlp(2, 64, 64, 2), gu.models.mlp(2, 64, 64, 1, slope=0.2))
    usual = gu.optim.adam(2e-4)
    mnist = gu.GAN(gu.models.mnist_generator(), gu.models.mnist_discriminator(), opt_g=usual, opt_d=usual)
    recipes = [("ring, width 64, 8 seeds", ring, gu.data.ring(), 8, 128, 500)]
    recipes += [("MNIST reference, 1 seed", mnist, gu.data.mnist(), 1, 64, 100)]
    for name, gan, source, seeds, batch, n in recipes[: 1 if quick else None]:
        works = {}
        for count in (1, threads):
            torch.set_num_threads(count)
            steps, _ = package_steps(gan, source, seeds=seeds, batch=batch, compiled=not quick)
            works |= {(count, busy): (on(count, steps, busy), 50 if quick else n) for busy in (False, True)}
        times = in_turns(works, rounds)
        for busy, beside in enumerate(("nothing else", "one busy process")):
            one, many = times[1, bool(busy)], times[threads, bool(busy)]
            ms = [Spread(*(1e3 * t for t in spread(part))) for part in (one, many)]
            yield Row(name, beside, *ms, spread(b / a for a, b in zip(one, many, strict=True)))


def main(argv: list[str] | None = None) -> None:
    """Print the table; with --json, also write it with its provenance."""
    arguments, made = begin(__file__, options(__doc__), argv)
    if made["threads"] < 2 and not arguments.quick:
        raise SystemExit("This comparison needs two threads at least: unset OMP_NUM_THREADS, or give --threads 2.")
    print(head("recipe", "beside", "one thread, ms", f"{made['threads']} threads, ms", "all threads / one thread"))
    results = []
    for r in rows(made["threads"], made["rounds"], arguments.quick):
        results.append(r)
        print(row(r.name, r.beside, *(f"{t:.2f}" for t in (r.one_thread_ms, r.all_threads_ms, r.ratio))), flush=True)
    torch.set_num_threads(made["threads"])
    write(arguments.json, made, rows=[asdict(r) for r in results])


if __name__ == "__main__":
    main()
