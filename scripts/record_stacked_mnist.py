"""Record small pairs on stacked MNIST for chapter 10: ``python scripts/record_stacked_mnist.py``.

Three recipes: ``plain``, the pair of the unrolled protocol with the quarter-size discriminator; ``pac2``, the same, judging
two stacks at once; ``dcgan``, chapter 5's pair. Writes book/recorded/stacked-mnist.npz (no pickled objects): for
each recipe its losses; over the steps, what 1,000 stacks of each seed cover; at the end, how often each of the 1,000 triples
is found in 25,600 stacks, by arg-max and with "no digit" refused; stacks of seed 0 over the steps and of each seed at the
end; and, as JSON, how each was made. One process a recipe, one thread a process. A run that was stopped goes on from its
checkpoint, in the folder for temporary files. ``--only pac2`` records that one and keeps the rest. With ``--test-images``
and ``--test-labels`` it also records, as ``judge/confusion``, what the frozen classifier says of digits that it was not
trained on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from recording import ROOT, Made, columns, grey, provenance, read_idx, record

import gan_utils as gu

OUT = ROOT / "book" / "recorded" / "stacked-mnist.npz"
SEEDS = 3
STEPS = {"plain": 2_000, "pac2": 2_000, "dcgan": 2_000}
BATCH = {"plain": 64, "pac2": 64, "dcgan": 32}
# The protocol has 1e-4 and 2e-4, batches of 128, and 500,000 steps. In less than a hundredth of the steps we take ten times
# as large ones, to see something at all. Chapter 10 says what came of that.
LR_G, LR_D = 1e-3, 2e-3
EVERY, MEASURED, AT_LAST = 250, 1_000, 25_600  # steps between measurements; stacks in each; stacks at the end
AT_ONCE = 1_280  # of these: all at once would be a gigabyte
FILMED, SHOWN, LEVELS = 500, 12, 16  # steps between frames; stacks in each; levels of grey
NAMES = ("modes", "accepted", "reverse_kl", "spread", "none")


def recipe(name: str) -> gu.GAN:
    """Return the recipe of a name; packing widens the input of D's first layer, and nothing else."""
    if name == "dcgan":
        G, D = gu.models.DCGANGenerator(width=32, channels=3), gu.models.DCGANDiscriminator(width=16, channels=3)
        return gu.GAN(G, D, opt_g=gu.optim.adam(2e-3), opt_d=gu.optim.adam(1e-3))
    G, D = gu.models.StackedGenerator(), gu.models.StackedDiscriminator("quarter", channels=6 if name == "pac2" else 3)
    opt_g, opt_d = (gu.optim.adam(lr, betas=(0.5, 0.99)) for lr in (LR_G, LR_D))
    return gu.GAN(G, gu.critics.Pac(D, 2) if name == "pac2" else D, opt_g=opt_g, opt_d=opt_d)


def judged(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each channel's likeliest digit, int64 [n, 3], and whether it is a digit, bool [n, 3]."""
    said = gu.classifier.classifier().predict(images.reshape(-1, 1, 28, 28))
    return said.digit.view(-1, 3), said.is_digit.view(-1, 3)


def triples(digit: torch.Tensor, is_digit: torch.Tensor | None = None) -> torch.Tensor:
    """Return the labels, 0 to 999, int64 [n]; with ``is_digit``, -1 for stacks with a channel that is none."""
    label = (digit * torch.tensor([100, 10, 1])).sum(1)
    return label if is_digit is None else torch.where(is_digit.all(1), label, -1)


def measure(step: int, run: gu.Run) -> dict[str, torch.Tensor]:
    """Return what 1,000 stacks of each member cover, their spread relative to real ones, and the share of no digit.

    ``modes`` and ``reverse_kl`` go by arg-max, as published; ``accepted`` are the modes that are left when stacks with a
    channel that is no digit are refused; ``none`` is the share of such channels.
    """
    scale = gu.metrics.spread(run.source.sample(MEASURED, gu.generator(99)).flatten(1))
    rows = []
    for images in run.sample(MEASURED):
        digit, is_digit = judged(images)
        published, strict = (gu.metrics.label_coverage(triples(*said), 1_000) for said in ((digit,), (digit, is_digit)))
        spread, none = gu.metrics.spread(images.flatten(1)) / scale, 1 - is_digit.double().mean()
        rows.append((published.modes, strict.modes, published.reverse_kl, spread, none))
    return dict(zip(NAMES, torch.tensor(rows, dtype=torch.float64).T, strict=True))


def counts_at_last(run: gu.Run) -> np.ndarray:
    """Return how often each triple is found in 25,600 stacks, by arg-max and strictly, int16 [seeds, 2, 1000]."""
    counts = torch.zeros(len(run.seeds), 2, 1_000, dtype=torch.int64)
    for part in range(AT_LAST // AT_ONCE):
        for i, images in enumerate(run.sample(AT_ONCE, seed=1 + part)):
            digit, is_digit = judged(images)
            for j, label in enumerate((triples(digit), triples(digit, is_digit))):
                counts[i, j] += gu.metrics.label_coverage(label, 1_000).counts
    return counts.numpy().astype(np.int16)


def train(name: str) -> Made:
    """Train one recipe over the seeds; return its arrays, and what was trained and how fast."""
    torch.set_num_threads(1)
    checkpoint = Path(tempfile.gettempdir(), f"stacked-mnist-{name}-{SEEDS}-{STEPS[name]}.safetensors")
    run = gu.fit(
        recipe(name),
        gu.data.stacked_mnist(),
        steps=STEPS[name],
        seeds=SEEDS,
        batch=BATCH[name],
        device="cpu",
        compile=False,  # compiling these convolutions takes minutes, and makes a step slower
        log_every=10,
        callbacks=[measure],
        callback_every=EVERY,
        frames=STEPS[name] // FILMED + 1,
        frame_size=SHOWN,
        checkpoint=checkpoint,
    )
    arrays = {}
    for moments, names in (("logged", ("d_loss", "g_loss", "d_real", "d_fake")), ("measured", NAMES)):
        arrays[f"{name}/{moments}"], found = columns(run.history, names)
        arrays |= {f"{name}/{column}": values for column, values in found.items()}
    arrays[f"{name}/counts"] = counts_at_last(run)
    arrays[f"{name}/frames"] = grey(run.frames.samples[:, 0], LEVELS)
    arrays[f"{name}/frame_steps"] = np.array(run.frames.steps, dtype=np.int32)
    arrays[f"{name}/last"] = grey(run.sample(SHOWN), LEVELS)
    return arrays, {"seeds": list(run.seeds), "summary": run.summary().splitlines(), "recipe": run.describe()}


def confusion(images: Path, labels: Path) -> Made:
    """Return how often the frozen classifier calls a digit of one kind another: [10 true, 10 said, (refused, accepted)]."""
    x, true = read_idx(images)[:, None].float() / 127.5 - 1, read_idx(labels).long()
    said = gu.classifier.classifier().predict(x)
    place = (true * 10 + said.digit) * 2 + said.is_digit
    table = torch.bincount(place, minlength=200).view(10, 10, 2).numpy().astype(np.int16)
    return {"judge/confusion": table}, {"images": len(x)}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(STEPS), default=list(STEPS), metavar="RECIPE")
    parser.add_argument("--test-images", type=Path, help="IDX file, for measuring the classifier only")
    parser.add_argument("--test-labels", type=Path, help="IDX file")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    if (args.test_images is None) != (args.test_labels is None):
        parser.error("give both --test-images and --test-labels, or neither")
    begin, jobs = time.perf_counter(), {name: partial(train, name) for name in args.only}
    if args.test_images:
        jobs["judge"] = partial(confusion, args.test_images, args.test_labels)
    words = [Path(word).name if word.count("/") else word for word in argv]  # folders differ from machine to machine
    record(args.out, provenance(__file__, words), jobs)
    print(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
