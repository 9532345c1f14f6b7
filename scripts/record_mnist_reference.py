"""Record the reference MLP GAN on MNIST for chapter 4: ``python scripts/record_mnist_reference.py``.

Three recipes: ``plain``, ``mended`` (another rule of play) and ``undropped`` (the same rule, D without dropout). Writes
book/recorded/mnist-reference.npz (no pickled objects): for each recipe its losses; the spread, the reach and the
class counts of its samples over the steps; frames of the first seeds, and 64 samples of each seed at the end; and, as JSON,
how each was made. One process a recipe, one thread a process. A run that was stopped goes on from its checkpoint, in the
folder for temporary files. ``--only undropped`` records that one and keeps the others as they are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recording import ROOT, columns, grey, provenance, record

import gan_utils as gu

OUT = ROOT / "book" / "recorded" / "mnist-reference.npz"
BATCH, MEASURED, EVERY = 64, 500, 50
SIZES = {"plain": (5, 2_000), "mended": (2, 4_000), "undropped": (3, 4_000)}  # seeds, steps
FRAMES, SHOWN, FILMED = 9, 16, {"plain": 2, "mended": 1, "undropped": 1}  # moments, samples in each, of how many seeds
LAST = 64  # samples of each seed at the end
CLASSES = [f"class{c}" for c in range(11)]  # the ten digits, then "no digit"


def recipe(name: str) -> gu.GAN:
    """Return the reference pair with its usual loss, or with a relativistic one and R1 and R2, with or without dropout."""
    G, D = gu.models.mnist_generator(), gu.models.mnist_discriminator()
    if name == "undropped":
        D = gu.models.mlp(784, 1024, 512, 256, 1, slope=0.2)
    if name == "plain":
        opt = gu.optim.adam(2e-4, betas=(0.5, 0.999))
        return gu.GAN(G, D, loss="nonsaturating", opt_g=opt, opt_d=opt)
    opt = gu.optim.adam(2e-4, betas=(0.5, 0.99))
    penalties = (gu.penalties.r1(10.0), gu.penalties.r2(10.0))
    return gu.GAN(G, D, loss="relativistic", penalties=penalties, opt_g=opt, opt_d=opt, ema=0.995)


def reach(x: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
    """Return the mean distance from data ``[m, d]`` to the nearest of n samples, ``[*members, n, d] -> [*members]``."""
    return torch.cdist(data, x).amin(dim=-1).mean(dim=-1)


def measure(step: int, run: gu.Run) -> dict[str, torch.Tensor]:
    """Return each member's spread and reach, relative to those of as many fresh images, and its class counts."""
    draw = gu.generator(99)
    held, fresh = run.source.sample(1_000, draw).flatten(1), run.source.sample(MEASURED, draw).flatten(1)
    images = run.sample(MEASURED)
    counts = torch.stack([gu.classifier.classifier().class_histogram(own) for own in images])
    x = images.flatten(2)
    return {
        "spread": gu.metrics.spread(x) / gu.metrics.spread(fresh),
        "reach": reach(x, held) / reach(fresh, held),
        **dict(zip(CLASSES, counts.T, strict=True)),
    }


def train(name: str, seeds: int, steps: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Train one recipe over several seeds; return its arrays, and what was trained and how fast."""
    torch.set_num_threads(1)
    checkpoint = Path(tempfile.gettempdir(), f"mnist-reference-{name}-{seeds}-{steps}.safetensors")
    run = gu.fit(
        recipe(name),
        gu.data.mnist(),
        steps=steps,
        seeds=seeds,
        batch=BATCH,
        device="cpu",
        log_every=10,
        callbacks=[measure],
        callback_every=EVERY,
        frames=FRAMES,
        frame_size=SHOWN,
        checkpoint=checkpoint,
    )
    arrays = {}
    kinds = {"logged": ("d_loss", "g_loss", "d_real", "d_fake"), "measured": ("spread", "reach", *CLASSES)}
    for moments, names in kinds.items():
        arrays[f"{name}/{moments}"], found = columns(run.history, names)
        arrays |= {f"{name}/{column}": values for column, values in found.items()}
    counts = [arrays.pop(f"{name}/{column}") for column in CLASSES]
    arrays[f"{name}/classes"] = np.stack(counts, axis=-1).astype(np.int16)  # [seeds, steps, 11]
    arrays[f"{name}/frames"] = grey(run.frames.samples[:, : FILMED[name]], 16)
    arrays[f"{name}/frame_steps"] = np.array(run.frames.steps, dtype=np.int32)
    arrays[f"{name}/last"] = grey(run.sample(LAST), 32)
    return arrays, {"seeds": list(run.seeds), "summary": run.summary().splitlines(), "recipe": run.describe()}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(SIZES), default=list(SIZES), metavar="RECIPE")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    begin = time.perf_counter()
    record(args.out, provenance(__file__, argv), {name: partial(train, name, *SIZES[name]) for name in args.only})
    print(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
