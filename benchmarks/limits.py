"""How near to the machine's limit is a step, where does the rest of the time go, and how does the cost grow?

    python benchmarks/limits.py --json benchmarks/recorded/limits.json    # a compilation a row: many minutes
    python benchmarks/limits.py --only limit                              # the first table alone

First table: a compiled step's matrix products are recorded with their shapes and done again on their own, in the same
turns. That is the rate this machine has for those very shapes, and the share that a step reaches of it. Drawing the data
and noise, and the optimisers' updates (compiled on their own), are timed too; the rest is elementwise work and overhead.

Second table: milliseconds of a whole step against seeds, width, batch, K of unrolling and m of packing. The slope is that
of log time on log size; beside it stands that of the operations counted in the matrix products, which is what to expect
where these are all there is. K and m are fitted as 1 + 2K, the passes of a step, and m.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from measuring import Spread, begin, head, in_turns, options, package_steps, row, spread, write
from torch import Tensor
from torch.func import vmap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import flop_registry

import gan_utils as gu
from gan_utils.training import BLOCK, draw_block

RING = gu.data.ring()


class Shapes(TorchDispatchMode):
    """Counts the matrix products that pass, by operation and form of the arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[Any] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._overloadpacket in flop_registry:
            self.seen[func, tuple((tuple(a.shape), a.stride()) for a in args if isinstance(a, Tensor))] += 1
        return func(*args, **(kwargs or {}))


def ring_gan(width: int = 64, m: int = 1, k: int = 0) -> gu.GAN:
    """Return the ring's GAN; with m, PacGAN's; with k, unrolled."""
    D = gu.models.mlp(2 * m, width, width, 1, slope=0.2)
    play = {"play": gu.gan.unrolled(k)} if k else {}
    return gu.GAN(gu.models.mlp(2, width, width, 2), gu.critics.Pac(D, m) if m > 1 else D, **play)


def mnist_gan() -> gu.GAN:
    """Return the reference pair for MNIST."""
    adam = gu.optim.adam(2e-4)
    return gu.GAN(gu.models.mnist_generator(), gu.models.mnist_discriminator(), opt_g=adam, opt_d=adam)


def draw(run: gu.Run) -> gu.Batch:
    """Return a block of data and noise of all members, as training draws it."""
    blocks = [draw_block(run.gan, run.source, seed, 0, run.batch) for seed in run.seeds]
    return tree_map(lambda *b: torch.stack(b, dim=1), *blocks)


def like(shape: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Return random numbers that lie in memory as said; expanded dimensions, of stride 0, too."""
    span = 1 + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    return torch.randn(span).as_strided(shape, stride)


def products(run: gu.Run) -> Callable[[int], None]:
    """Return a function that does the matrix products of n steps and nothing else."""
    many = len(run.seeds) > 1
    noise = gu.Batch(*(part[0] if many else part[0, 0] for part in draw(run)))
    state = run.state if many else tree_map(lambda t: t[0], run.state)
    plain = partial(gu.step, run.gan)
    with Shapes() as shapes:
        (vmap(plain) if many else plain)(state, noise)
    calls = [(func, [like(*form) for form in forms], count) for (func, forms), count in shapes.seen.items()]

    def steps(n: int) -> None:
        for func, tensors, count in calls:
            for _ in range(n * count):
                func(*tensors)

    return steps


def updates(run: gu.Run, compiled: bool) -> Callable[[int], None]:
    """Return a function that does the optimisers' updates of n steps and nothing else."""

    def both(G: gu.Player, D: gu.Player) -> None:
        for player, optimizer in ((G, run.gan.opt_g), (D, run.gan.opt_d)):
            new = vmap(optimizer.update)(player.params, player.params, player.opt)
            tree_map(lambda old, value: old if old is value else old.copy_(value), (player.params, player.opt), new)

    move = torch.compile(both, fullgraph=True) if compiled else both
    players = tree_map(torch.clone, (run.state.G, run.state.D))
    move(*players)

    def steps(n: int) -> None:
        for _ in range(n):
            move(*players)

    return steps


def limit(name: str, goal: float, gan: gu.GAN, source: gu.Source, seeds: int, batch: int, how: dict[str, Any]) -> dict:
    """Return the share of the machine's rate that one recipe reaches, and what the other parts of a step take."""
    n, compiled = how["n"], how["compiled"]
    steps, run = package_steps(gan, source, seeds=seeds, batch=batch, compiled=compiled)
    works = {
        "step": (steps, n),
        "products": (products(run), n),
        "drawing": (lambda n: [draw(run) for _ in range(n // BLOCK)], n),
        "optimisers": (updates(run, compiled), n),
    }
    times = in_turns(works, how["rounds"])
    whole = times.pop("step")
    shares = {part: spread(a / b for a, b in zip(took, whole, strict=True)) for part, took in times.items()}
    operations = seeds * gu.benchmark.products(run.gan, source, batch)
    rates = {"gflops": whole, "gflops_of_shapes": times["products"]}
    return {"name": name, "goal": goal, "step_ms": spread(1e3 * t for t in whole), "shares": shares} | {
        key: spread(operations / t / 1e9 for t in took) for key, took in rates.items()
    }


def limits(quick: bool, rounds: int) -> Iterator[dict[str, Any]]:
    """Run the rows of the first table."""
    how = {"n": BLOCK if quick else 4 * BLOCK, "compiled": not quick, "rounds": rounds}
    for seeds in (2,) if quick else (1, 8, 32):
        yield limit(f"ring, width 64, {seeds} seed{'s' * (seeds > 1)}", 0.4, ring_gan(), RING, seeds, 128, how)
    if not quick:
        yield limit("MNIST reference, 1 seed", 0.6, mnist_gan(), gu.data.mnist(), 1, 64, how | {"n": BLOCK})


#: What the cost is measured against: sizes, and how each makes (gan, seeds, batch, x of the fit).
AXES: dict[str, tuple[tuple[int, ...], Callable[[int], tuple[gu.GAN, int, int, int]]]] = {
    "seeds": ((1, 2, 4, 8, 16, 32, 64, 128, 256), lambda v: (ring_gan(), v, 128, v)),
    "width": ((16, 32, 64, 128, 256), lambda v: (ring_gan(v), 8, 128, v)),
    "batch": ((32, 64, 128, 256, 512, 1024), lambda v: (ring_gan(), 8, v, v)),
    "K": ((1, 2, 5, 10), lambda v: (ring_gan(k=v), 8, 128, 1 + 2 * v)),
    "m": ((1, 2, 4, 8), lambda v: (ring_gan(m=v), 8, 128, v)),
}


def slope(x: list[float], y: list[float]) -> float:
    """Return the slope of log y on log x, by least squares."""
    a, b = (torch.tensor([math.log(v) for v in values], dtype=torch.float64) for values in (x, y))
    a = a - a.mean()
    return float((a * b).sum() / a.square().sum())


def cost(axis: str, quick: bool, rounds: int) -> dict[str, Any]:
    """Return the time of a step at every size of one axis, and the slopes."""
    sizes, make = AXES[axis]
    found: list[tuple[int, Spread, int]] = []
    for size in sizes[:2] if quick else sizes:
        gan, seeds, batch, x = make(size)
        steps, run = package_steps(gan, RING, seeds=seeds, batch=batch, compiled=not quick)
        took = in_turns({"step": (steps, BLOCK)}, rounds)["step"]
        found.append((x, spread(1e3 * t for t in took), seeds * gu.benchmark.products(run.gan, RING, batch)))
    x, times, operations = zip(*found, strict=True)
    fits = {"slope": slope(x, [t.median for t in times]), "of_operations": slope(x, operations)}
    return {"axis": axis, "sizes": sizes[: len(x)], "ms": times, **fits}


def limit_line(r: dict[str, Any]) -> str:
    """Return a row of the first table."""
    shares = {part: f"{share:.0%}" for part, share in r["shares"].items()}
    rates = f"{r['gflops']:.0f}", f"{r['gflops_of_shapes']:.0f}"
    return row(r["name"], f"{r['step_ms']:.3f}", *rates, f"{r['goal']:.0%}", *shares.values())


def main(argv: list[str] | None = None) -> None:
    """Print both tables; with --json, also write them."""
    parser = options(__doc__)
    parser.add_argument("--only", nargs="+", choices=("limit", *AXES), default=["limit", *AXES], help="default all")
    arguments, made = begin(__file__, parser, argv)
    rows: dict[str, list[dict[str, Any]]] = {"limit": [], "cost": []}
    if "limit" in arguments.only:
        names = (
            "ms a step",
            "GFLOP/s",
            "of those shapes alone",
            "goal",
            "% products = share",
            "% drawing",
            "% optimisers",
        )
        print(head("recipe", *names), flush=True)
        for found in limits(arguments.quick, made["rounds"]):
            rows["limit"].append(found)
            print(limit_line(found), flush=True)
    axes = [axis for axis in arguments.only if axis != "limit"]
    print("\n" + head("against", "sizes", "ms a step, medians", "slope", "of the operations"), flush=True)
    for axis in axes[:1] if arguments.quick else axes:
        found = cost(axis, arguments.quick, made["rounds"])
        rows["cost"].append(found)
        medians = ", ".join(f"{t.median:.3g}" for t in found["ms"])
        sizes = ", ".join(map(str, found["sizes"]))
        print(row(axis, sizes, medians, f"{found['slope']:.2f}", f"{found['of_operations']:.2f}"), flush=True)
        write(arguments.json, made, **rows)  # after each: there are many compilations
    write(arguments.json, made, **rows)


if __name__ == "__main__":
    main()
