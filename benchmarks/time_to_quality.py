"""How long until a GAN on the ring is good: all eight modes, and 90 % of 2,500 samples within three standard deviations?

    python benchmarks/time_to_quality.py --json benchmarks/recorded/time_to_quality.json    # a quarter of an hour

Twenty seeds of the same recipe, networks and batch: the tutorial's loop, seed after seed, and the package, all seeds at
once; and the package with a moving average of G (EMA), which the tutorial does not keep. The time counted is that of
training, compiling included, and not of looking. "Half" is when half of the seeds have got there at some look, all of them
having been trained as far: for the loop, the seeds' steps one after the other. A dash: fewer than half within the budget.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from measuring import begin, head, options, row, write
from torch import Tensor
from tutorial_loops import points_loader, tutorial

import gan_utils as gu

RING = gu.data.ring(std=0.02)
WIDTH, BATCH, SAMPLES, GOOD = 64, 128, 2_500, 0.9


def networks() -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return G and D."""
    return gu.models.mlp(2, WIDTH, WIDTH, 2), gu.models.mlp(2, WIDTH, WIDTH, 1, slope=0.2)


def there(samples: Tensor) -> Tensor:
    """Return, for ``[*members, n, 2]``, who has all modes and enough good samples."""
    found = gu.metrics.mode_coverage(samples, RING)
    return (found.modes == RING.modes) & (found.good >= GOOD)


def loop(seeds: int, steps: int, every: int) -> tuple[list[int | None], float]:
    """Return the step at which each seed of the tutorial got there (None: never), and the seconds a step of all seeds."""
    first, spent, done = [], 0.0, 0
    for seed in range(seeds):
        torch.manual_seed(seed)
        G, D = networks()
        train, z = tutorial(G, D, points_loader(RING, BATCH), 2, 1e-3), torch.randn(SAMPLES, 2)
        first.append(None)
        for step in range(every, steps + 1, every):
            begun = time.perf_counter()
            train(every)
            spent, done = spent + time.perf_counter() - begun, done + every
            with torch.no_grad():
                if there(G(z)):
                    first[-1] = step
                    break
    return first, seeds * spent / done


def package(seeds: int, steps: int, every: int, ema: float, compiled: bool) -> tuple[list[int | None], float, float]:
    """Return the same of an ensemble, and the seconds of compiling."""
    first: list[int | None] = [None] * seeds

    def look(step: int, run: gu.Run) -> dict[str, Any]:
        for i, good in enumerate(there(run.sample(SAMPLES))):
            first[i] = step if good and first[i] is None else first[i]
        return {}

    how = {"callbacks": [look], "callback_every": every, "compile": compiled, "device": "cpu", "progress": False}
    run = gu.fit(gu.GAN(*networks(), ema=ema), RING, steps=steps, seeds=seeds, batch=BATCH, **how)
    return first, run.seconds / steps, run.compile_seconds


def result(name: str, first: list[int | None], step_s: float, compile_s: float = 0.0) -> dict[str, Any]:
    """Return a row: how many got there, and when half of them had."""
    reached = sorted(step for step in first if step is not None)
    need = (len(first) + 1) // 2
    steps = reached[need - 1] if len(reached) >= need else None
    seconds = None if steps is None else compile_s + steps * step_s
    rate = {"reached": len(reached), "seeds": len(first), "interval": gu.metrics.wilson(len(reached), len(first))}
    return {"name": name, **rate, "half_steps": steps, "half_s": seconds, "compile_s": compile_s, "first": first}


def main(argv: list[str] | None = None) -> None:
    """Print the table; with --json, also write it."""
    parser = options(__doc__, rounds=1)
    parser.add_argument("--steps", type=int, default=12_000, help="the budget of each seed (default 12,000)")
    parser.add_argument("--seeds", type=int, default=20, help="seeds (default 20)")
    arguments, made = begin(__file__, parser, argv)
    seeds, steps, every = (2, 10, 5) if arguments.quick else (arguments.seeds, arguments.steps, 250)
    print(head("what", "reached", "95 %", "steps until half", "s until half", "of it compiling"), flush=True)
    rows = []
    for name, ema in (("gan_utils", 0.0), ("gan_utils, EMA .99", 0.99), ("tutorial loop", None)):
        found = loop(seeds, steps, every) if ema is None else package(seeds, steps, every, ema, not arguments.quick)
        r = result(name, *found)
        rows.append(r)
        interval = "{:.2f}-{:.2f}".format(*r["interval"])
        times = ("-", "-") if r["half_s"] is None else (f"{r['half_steps']:,}", f"{r['half_s']:.1f}")
        print(row(name, f"{r['reached']} of {seeds}", interval, *times, f"{r['compile_s']:.1f}"), flush=True)
    write(arguments.json, made, rows=rows)


if __name__ == "__main__":
    main()
