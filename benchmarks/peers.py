"""How many samples a second does the package train on, beside popular loops and libraries?

    pip install --no-deps torchgan                                       # optional; the others are written out here
    python benchmarks/peers.py --json benchmarks/recorded/peers.json     # some minutes on two cores

The same networks, batch, dtype, threads and Adam, one step of D to one of G. Every loop runs twice: with the data path it
ships with (a DataLoader), and with ours (batches drawn from a tensor in memory). All take turns, round by round. A loop
trains its seeds one after the other, so 32 seeds take 32 times as long; the package trains them together. On several
cores small networks may go faster as several processes: ``--threads 1`` gives what one of them does.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from measuring import begin, head, in_turns, options, package_steps, row, spread, write
from torch import Tensor, nn
from tutorial_loops import LOOPS, mnist_loader, points_loader, resident

import gan_utils as gu

MANY = 32
PATHS = ("as shipped", "resident")


@dataclass(frozen=True)
class Task:
    """Networks, data, and how long a turn is."""

    name: str
    source: gu.Source
    batch: int
    lr: float
    n: int  #: steps a turn
    width: int = 0  #: of the MLPs for points; 0 for MNIST's reference pair
    seeds: tuple[int, ...] = (1, MANY)
    goal: float | None = None  #: of many seeds, against the tutorial as shipped

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Return G and D."""
        if not self.width:
            return gu.models.mnist_generator(), gu.models.mnist_discriminator()
        return gu.models.mlp(2, *[self.width] * 2, 2), gu.models.mlp(2, *[self.width] * 2, 1, slope=0.2)

    def gan(self) -> gu.GAN:
        """Return the recipe that the loops train too."""
        adam = gu.optim.adam(self.lr)
        return gu.GAN(*self.networks(), opt_g=adam, opt_d=adam)

    def batches(self, path: str) -> Iterator[Tensor]:
        """Return the data, by either path."""
        if path == "resident":
            return resident(self.source, self.batch)
        return points_loader(self.source, self.batch) if self.width else mnist_loader(self.batch)


def tasks() -> dict[str, Task]:
    """Return the tasks by name."""
    ring = partial(Task, source=gu.data.ring(), batch=128, lr=1e-3)
    mnist = Task("mnist", gu.data.mnist(), 64, 2e-4, 50, seeds=(1,))
    every = (ring("ring-32", n=200, width=32, goal=20), ring("ring-128", n=100, width=128, goal=5), mnist)
    return {task.name: task for task in every}


def compare(task: Task, rounds: int, quick: bool = False) -> list[dict[str, Any]]:
    """Return a row for each loop and data path, and one for each size of our ensemble."""
    works: dict[Any, Any] = {}
    for name, loop in LOOPS.items():
        for path in PATHS:
            G, D = task.networks()
            steps = loop(G, D, task.batches(path), 2 if task.width else 100, task.lr)
            steps(1)  # what is set up at the first step is not the step's
            works[name, path] = steps, 2 if quick else task.n
    runs = {}
    for seeds in (1, 2) if quick else task.seeds:
        steps, runs[seeds] = package_steps(task.gan(), task.source, seeds=seeds, batch=task.batch, compiled=not quick)
        works["gan_utils", seeds] = steps, 50 if quick else task.n
    times = in_turns(works, rounds)
    ours = {seeds: [t / seeds for t in times["gan_utils", seeds]] for seeds in runs}
    rows = []
    for seeds, run in runs.items():
        rate = spread(task.batch / t for t in ours[seeds])
        rows.append({"task": task.name, "loop": "gan_utils", "seeds": seeds, "samples_per_s": rate})
        rows[-1] |= {"compile_s": round(run.compile_seconds, 1)}
    for name, path in (key for key in works if key[0] != "gan_utils"):
        theirs = times[name, path]
        rows.append({"task": task.name, "loop": name, "data": path})
        rows[-1]["samples_per_s"] = spread(task.batch / t for t in theirs)
        rows[-1]["ours_over_theirs"] = {
            seeds: spread(a / b for a, b in zip(theirs, mine, strict=True)) for seeds, mine in ours.items()
        }
    return rows


def line(r: dict[str, Any]) -> str:
    """Return a row of the Markdown table."""
    if r["loop"] == "gan_utils":
        return row(r["task"], f"gan_utils, {r['seeds']} at once", "resident", f"{r['samples_per_s']:,.0f}", "", "")
    ratios = [f"{ratio:.1f}x" for ratio in r["ours_over_theirs"].values()]
    return row(r["task"], r["loop"], r["data"], f"{r['samples_per_s']:,.0f}", *ratios, *[""] * (2 - len(ratios)))


def verdicts(task: Task, rows: list[dict[str, Any]]) -> Iterator[str]:
    """Say whether the goals are reached, and what compiling took."""
    theirs = [r for r in rows if r["loop"] != "gan_utils"]
    worst = min(theirs, key=lambda r: r["ours_over_theirs"][1].median)
    yield f"{task.name}: one seed, the fastest peer ({worst['loop']}, {worst['data']}): {worst['ours_over_theirs'][1]:.2f}x"
    if task.goal and MANY in theirs[0]["ours_over_theirs"]:
        yield f"{task.name}: {MANY} seeds, the tutorial: {theirs[0]['ours_over_theirs'][MANY]:.1f}x; goal {task.goal:g}x"
    yield f"{task.name}: compiling took " + ", ".join(
        f"{r['compile_s']} s ({r['seeds']})" for r in rows if r["loop"] == "gan_utils"
    )


def main(argv: list[str] | None = None) -> None:
    """Print the table; with --json, also write it."""
    parser, known = options(__doc__), tasks()
    parser.add_argument("--only", nargs="+", choices=known, default=list(known), help="tasks (default all)")
    arguments, made = begin(__file__, parser, argv)
    if not importlib.util.find_spec("torchgan"):
        print("torchgan is not installed and is left out.\n")
    print(head("task", "loop", "data", "samples/s", "ours, one seed", "ours, many seeds"), flush=True)
    kept, said = [], []
    for task in [known["ring-32"]] if arguments.quick else [known[name] for name in arguments.only]:
        rows = compare(task, made["rounds"], arguments.quick)
        print(*map(line, rows), sep="\n", flush=True)
        kept, said = kept + rows, [*said, *verdicts(task, rows)]
    print("", *said, sep="\n")
    write(arguments.json, made, rows=kept, verdicts=said)


if __name__ == "__main__":
    main()
