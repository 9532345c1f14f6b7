"""Record chapter 20's patient and its cure on MNIST: ``python scripts/record_cure.py``.

Both have the zoo's small networks, the same 5,000 digits, and equal compute, counted in matrix products: ``patient``, the
non-saturating GAN; ``cure``, the recipe of chapter 18. Writes book/recorded/cure.npz (no pickled objects): for each, over
the steps and at the end, what the samples of each seed cover; sixteen samples of seed 0 over the steps and of every seed at
the end; and, as JSON, how each was made. One process a recipe, one thread a process. A run that was stopped goes on from
its checkpoint, in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from recording import ROOT, Made, grey, provenance, record

import gan_utils as gu

OUT = ROOT / "book" / "recorded" / "cure.npz"
SEEDS, STEPS, BATCH = 10, 4_000, 64  # steps of the patient; the cure gets fewer, for the same number of operations
LOOKS, MEASURED, AT_LAST = 16, 500, 2_500
SHOWN, LEVELS = 16, 16  # images of a frame; levels of grey
NAMES = ("modes", "fair", "good", "reverse_kl")


def recipe(name: str) -> gu.GAN:
    """Return the patient or the cure."""
    digits = gu.data.mnist()
    if name == "patient":
        return gu.zoo.build("non-saturating", digits)
    adam = gu.optim.adam(5e-4, betas=(0.5, 0.99))
    return gu.zoo.build("r3gan", digits, gamma=5.0, opt_g=adam, opt_d=adam, ema=0.995)


def steps(name: str) -> int:
    """Return how many steps a recipe gets: a multiple of the looks, for the compute of the patient's."""
    digits = gu.data.mnist()
    cost = gu.benchmark.products(recipe(name), digits, BATCH) / gu.benchmark.products(recipe("patient"), digits, BATCH)
    return LOOKS * round(STEPS / cost / LOOKS)


def covered(run: gu.Run, n: int) -> gu.metrics.Coverage:
    """Return what n samples of each member cover of the ten digits; what is no digit covers nothing."""
    said = map(gu.classifier.classifier().predict, run.sample(n).nan_to_num(0.0))
    return gu.metrics.label_coverage(torch.stack([torch.where(one.is_digit, one.digit, -1) for one in said]), 10)


def measure(step: int, run: gu.Run) -> dict[str, torch.Tensor]:
    """Return the columns of the history: what 500 samples cover."""
    found = covered(run, MEASURED)
    return {name: getattr(found, name) for name in NAMES}


def train(name: str, seeds: int = SEEDS) -> Made:
    """Train one recipe over the seeds; return its arrays, and what was trained and how fast."""
    torch.set_num_threads(1)
    count = steps(name)
    run = gu.fit(
        recipe(name),
        gu.data.mnist(),
        steps=count,
        seeds=seeds,
        batch=BATCH,
        device="cpu",
        callbacks=[measure],
        callback_every=count // LOOKS,
        frames=LOOKS + 1,
        frame_size=SHOWN,
        checkpoint=Path(tempfile.gettempdir(), f"cure-{name}-{seeds}-{count}.safetensors"),
        progress=False,
    )
    last = covered(run, AT_LAST)
    arrays = {"looked_at": np.array(list(run.metrics["fair"]), dtype=np.int32)}
    for column in NAMES:
        over_steps = torch.stack(list(run.metrics[column].values()), dim=1)
        arrays |= {f"looked/{column}": over_steps.numpy().astype(np.float32)}
        arrays |= {column: getattr(last, column).numpy().astype(np.float32)}
    arrays["counts"] = last.counts.numpy().astype(np.int16)
    arrays["frames"] = grey(run.frames.samples[:, 0], LEVELS)
    arrays["frame_steps"] = np.array(run.frames.steps, dtype=np.int32)
    arrays["last"] = grey(run.sample(SHOWN), LEVELS)
    made = {"seeds": list(run.seeds), "summary": run.summary().splitlines(), "recipe": run.describe()}
    return {f"{name}/{key}": array for key, array in arrays.items()}, made


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=["patient", "cure"], default=["patient", "cure"])
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    record(args.out, provenance(__file__, argv), {name: partial(train, name) for name in args.only})


if __name__ == "__main__":
    main(sys.argv[1:])
