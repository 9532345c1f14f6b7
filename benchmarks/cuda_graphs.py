"""What a CUDA graph saves: a step of an ensemble eagerly, compiled, and replayed as one graph.

    python benchmarks/cuda_graphs.py --json benchmarks/recorded/cuda_graphs.json    # some minutes on a GPU

A step of small networks is hundreds of kernels that last microseconds each: the GPU waits for Python to launch them. A
graph launches them all at once. The step writes the new state over the old, so it can be captured as it is; what is needed
besides is one batch that stays in its place, into which each step's data and noise are copied.

Where there is no GPU the same steps are done, the graph being the step itself: that tries the code, and times no graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from limits import RING, draw, mnist_gan, ring_gan
from measuring import Steps, begin, head, in_turns, options, row, spread, write
from torch.utils._pytree import tree_map

import gan_utils as gu
from gan_utils.training import BLOCK, Advance

WARM_UP = 3  # runs before the capture: libraries set themselves up in the first ones
WAYS = ("eager", "compiled", "graph")


def captured(step: Callable[[gu.State, gu.Batch], object], state: gu.State, batch: gu.Batch) -> Callable[[], object]:
    """Return what does ``step(state, batch)``, on a GPU as a graph; ``state`` is left as it is."""
    call = partial(step, state, batch)
    if batch.x.device.type != "cuda":
        return call
    before = tree_map(torch.clone, state)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            call()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    tree_map(lambda now, then: now.copy_(then), state, before)
    return graph.replay


def way(name: str, gan: gu.GAN, source: gu.Source, seeds: int, batch: int, device: str) -> tuple[Steps, gu.Run]:
    """Return a function that does n steps in one of the ways, over and over on one block of data, and its run."""
    compiled = name == "compiled"
    how = {"seeds": seeds, "batch": batch, "device": device, "progress": False}
    run = gu.fit(gan, source, steps=BLOCK, compile=compiled, **how)
    advance = Advance(run)
    advance.to(BLOCK + 1)  # compiles, if it is to
    step = advance.step
    block = tree_map(lambda t: t.to(run.device), draw(run))
    place = tree_map(lambda t: t[0].clone(), block)
    again = captured(step, run.state, place) if name == "graph" else partial(step, run.state, place)

    def steps(n: int) -> None:
        for i in range(n):
            tree_map(lambda into, part, i=i: into.copy_(part[i % BLOCK]), place, block)
            again()
        if run.device.type == "cuda":
            torch.cuda.synchronize()  # the kernels are only queued until then

    return steps, run


def results(quick: bool, rounds: int, device: str) -> Iterator[dict[str, Any]]:
    """Time the three ways in turns, one row a task."""
    ring = ("ring, width 64", ring_gan(), RING, 128)
    tasks = [(*ring, seeds) for seeds in ((2,) if quick else (2, 8, 32, 128))]
    tasks += [] if quick else [("MNIST reference", mnist_gan(), gu.data.mnist(device=device), 64, 4)]
    for name, gan, source, batch, seeds in tasks:
        ways = WAYS[::2] if quick else WAYS
        works = {one: (way(one, gan, source, seeds, batch, device)[0], 2 if quick else 4 * BLOCK) for one in ways}
        for steps, _ in works.values():
            steps(1)
        took = in_turns(works, rounds)
        ratios = {one: spread(a / b for a, b in zip(took["eager"], took[one], strict=True)) for one in ways[1:]}
        ms = {one: spread(1e3 * t for t in times) for one, times in took.items()}
        yield {"name": name, "seeds": seeds, "ms": ms, "eager_over": ratios}


def line(r: dict[str, Any]) -> str:
    """Return a row of the table."""
    ms = [f"{r['ms'][one]:.3f}" if one in r["ms"] else "-" for one in WAYS]
    ratios = [f"{r['eager_over'][one]:.1f}" if one in r["eager_over"] else "-" for one in WAYS[1:]]
    return row(r["name"], r["seeds"], *ms, *ratios)


def main(argv: list[str] | None = None) -> None:
    """Print the table; with --json, also write it."""
    parser = options(__doc__)
    parser.add_argument("--device", default="auto", help="as for gu.fit (default auto)")
    arguments, made = begin(__file__, parser, argv)
    device = str(gu.device(arguments.device))
    made |= {"device": gu.benchmark.provenance([], device)["device"]}
    if gu.device(device).type != "cuda":
        print("No GPU: the steps are done, and no graph is timed.\n", flush=True)
    print(
        head("recipe", "seeds", *(f"{one}, ms a step" for one in WAYS), "eager / compiled", "eager / graph"), flush=True
    )
    rows = []
    for result in results(arguments.quick, made["rounds"], device):
        rows.append(result)
        print(line(result), flush=True)
    write(arguments.json, made, rows=rows)


if __name__ == "__main__":
    main()
