"""What the benchmarks of speed share: options, turns, the machine's own rate, and the record."""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

import gan_utils as gu
from gan_utils.training import BLOCK, Advance

Steps = Callable[[int], None]  # does so many steps


class Spread(NamedTuple):
    """The median of several rounds, and their range."""

    median: float
    low: float
    high: float

    def __format__(self, form: str) -> str:
        return f"{self.median:{form}} ({self.low:{form}}-{self.high:{form}})"


def spread(values: Iterable[float]) -> Spread:
    """Return the median and the range."""
    values = list(values)
    return Spread(statistics.median(values), min(values), max(values))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that ``work`` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def in_turns(works: Mapping[Any, tuple[Steps, int]], rounds: int) -> dict[Any, list[float]]:
    """Return the seconds a step of each, round by round: they take turns, so that a slow moment of the machine hits all."""
    times: dict[Any, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, (steps, n) in works.items():
            times[name].append(timed(lambda steps=steps, n=n: steps(n)) / n)
    return times


def package_steps(
    gan: gu.GAN, source: gu.Source, *, seeds: int, batch: int, compiled: bool = True, replay: bool = False
) -> tuple[Steps, gu.Run]:
    """Return a function that does n steps (a multiple of 50) of an ensemble, and its run.

    Compiling, or listing what is replayed, is done before.
    """
    run = gu.fit(gan, source, steps=BLOCK, seeds=seeds, batch=batch, compile=compiled, device="cpu", progress=False)
    if compiled and not run.compiled:
        raise SystemExit("This benchmark needs a C++ compiler: torch.compile failed." + run.note)
    advance = Advance(run, replay=replay)
    if compiled or replay:
        advance.to(run.step + 1)
        advance.to(2 * BLOCK)
        gc.collect()  # what compiling leaves behind; else one of the rounds would be charged with it

    def steps(n: int) -> None:
        for _ in range(n // BLOCK):
            advance.to(run.step + BLOCK)

    return steps, run


def matmul_rate(size: int = 1024, repeats: int = 8) -> float:
    """Return the machine's rate for a square float32 matrix product, in operations a second (best of ``repeats``)."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / min(timed(lambda: a @ b) for _ in range(repeats))


def options(doc: str, rounds: int = 5) -> argparse.ArgumentParser:
    """Return a parser of what every one of these scripts takes."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"turns of each comparison (default {rounds})")
    parser.add_argument("--threads", type=int, help="threads of PyTorch (default: as many as it takes)")
    parser.add_argument("--quick", action="store_true", help="little of everything, not compiled: does it run at all?")
    parser.add_argument("--json", type=Path, help="write the rows and how they were made to this file")
    return parser


def begin(script: str, parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> tuple[Any, dict[str, Any]]:
    """Return the arguments, and what is needed to run the same again: asked for now, since the folder may move on."""
    argv = sys.argv[1:] if argv is None else list(argv)
    arguments = parser.parse_args(argv)
    if arguments.json:  # if it cannot be written, say so before the work and not after it
        try:
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
            arguments.json.open("a").close()
        except OSError as error:
            parser.error(f"--json: {arguments.json} cannot be written: {error}")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    made = gu.benchmark.provenance(["python", f"benchmarks/{Path(script).name}", *argv])
    made |= {"threads": torch.get_num_threads(), "rounds": 1 if arguments.quick else arguments.rounds}
    print(
        f"torch {torch.__version__}, {made['threads']} threads, {made['rounds']} rounds: medians (range)\n", flush=True
    )
    return arguments, made


def write(path: Path | None, made: Mapping[str, Any], **tables: Any) -> None:
    """Write a record, if a file is asked for: its provenance, and tables of rows."""
    if path is None:
        return
    path.write_text(json.dumps({"provenance": made, **tables}, indent=1, default=_plain) + "\n", "utf-8")


def _plain(value: object) -> object:
    return value.__dict__ if hasattr(value, "__dict__") else str(value)


def row(*cells: object) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def head(*names: str) -> str:
    """Return the first two rows of a Markdown table."""
    return row(*names) + "\n" + "|---" * len(names) + "|"
