"""Record chapter 18's eight GANs on MNIST: ``python scripts/record_baseline.py``.

Two losses, with and without R1 and R2, on the small MLPs of the zoo, with equal compute: each gets the steps that the
matrix products of 2,000 steps of the plain GAN pay for. Everything else is the same for all. Writes, beside the chapter,
book/recorded/baseline_mnist.json (over the steps and at the end, what the samples of each seed cover, from the averaged
generator and from the last one; how steep D is at data and fakes; the first losses; how it was made) and
book/recorded/baseline_mnist.npz (a few samples of the first seed of each). One recipe after the other, one thread. Both files
are written after every recipe: what is in them is not made again, and a recipe that was stopped goes on from its checkpoint
in the folder for temporary files. ``--only r1 r2`` records these.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recording import ROOT, first_losses, grey, provenance, rounded, slopes

import gan_utils as gu
from gan_utils import benchmark

OUT = ROOT / "book" / "recorded" / "baseline_mnist.json"
SEEDS = 5
STEPS, BATCH = 2_000, 64  # steps of the plain GAN
LOOKS, LOOKED, AT_LAST = 4, 250, 1_000  # measurements on the way; samples in each; samples at the end
LR, BETAS, EMA, GAMMA = 5e-4, (0.5, 0.99), 0.995, 5.0
SHOWN, LEVELS = 24, 16  # samples kept of the first seed; levels of grey
NAMES = [
    "plain",
    "relativistic + R1 + R2",
    "R1 + R2",
    "relativistic",
    "R1",
    "relativistic + R1",
    "R2",
    "relativistic + R2",
]


def recipe(name: str) -> gu.GAN:
    """Return the GAN of a name: which loss, and which penalties."""
    words = [word for word in name.split(" + ") if word != "plain"]
    penalties = tuple(gu.penalties.PENALTIES[word.lower()](GAMMA) for word in words if word != "relativistic")
    adam = gu.optim.adam(LR, betas=BETAS)
    plain = gu.zoo.build("non-saturating", gu.data.mnist(), opt_g=adam, opt_d=adam, ema=EMA)
    return gu.GAN(
        plain.G,
        plain.D,
        loss="relativistic" if "relativistic" in words else "nonsaturating",
        penalties=penalties,
        opt_g=adam,
        opt_d=adam,
        ema=EMA,
    )


def steps_of(name: str) -> tuple[float, int]:
    """Return what a step costs in steps of the plain GAN, and how many steps the compute pays for."""
    source = gu.data.mnist()
    cost, unit = (benchmark.products(recipe(n), source, BATCH) for n in (name, "plain"))
    return cost / unit, LOOKS * round(STEPS * unit / cost / LOOKS)


def covered(images: torch.Tensor) -> dict[str, list[float | None]]:
    """Return what samples [seeds, n, 1, 28, 28] cover of the ten digits; grey where a member has diverged."""
    labels = []
    for own in images.nan_to_num(0.0):
        said = gu.classifier.classifier().predict(own)
        labels.append(torch.where(said.is_digit, said.digit, -1))
    found = gu.metrics.label_coverage(torch.stack(labels), 10)
    return {field: rounded(getattr(found, field)) for field in ("modes", "fair", "good", "reverse_kl")}


def train(name: str, seeds: int | list[int] = SEEDS) -> tuple[dict[str, Any], np.ndarray]:
    """Train one recipe; return the outcome, and a few samples of the first seed as bytes."""
    torch.set_num_threads(1)
    (cost, steps), begin = steps_of(name), time.process_time()

    def look(step: int, run: gu.Run) -> dict[str, torch.Tensor]:
        found = covered(run.sample(LOOKED))
        return {key: torch.tensor([math.nan if v is None else v for v in found[key]]) for key in ("good", "reverse_kl")}

    mark = name.replace(" ", "")
    run = gu.fit(
        recipe(name),
        gu.data.mnist(),
        steps=steps,
        seeds=seeds,
        batch=BATCH,
        device="cpu",
        compile=True,
        log_every=10,
        callbacks=[look],
        callback_every=steps // LOOKS,
        checkpoint=Path(tempfile.gettempdir(), f"baseline-mnist-{mark}-{seeds}-{steps}.safetensors"),
    )
    looks = {key: [rounded(row) for row in run.metrics[key].values()] for key in ("good", "reverse_kl")}
    outcome = {
        "seeds": list(run.seeds),
        "steps": steps,
        "cost": float(f"{cost:.3g}"),
        "looks": {"step": list(run.metrics["good"])} | looks,
        "averaged": covered(run.sample(AT_LAST)),
        "last": covered(run.sample(AT_LAST, ema=False)),
        "slope": slopes(run, LOOKED),
        "diverged": run.diverged.tolist(),
        "first_losses": first_losses(run),
        "cpu_seconds": round(time.process_time() - begin),
        "recipe": run.describe(),
    }
    return outcome, grey(run.sample(SHOWN)[0, :, 0], LEVELS)


def write(path: Path, record: dict[str, Any], samples: dict[str, np.ndarray]) -> None:
    """Write both files: the record, a line a recipe, and the samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(record[name])}" for name in NAMES if name in record)
    path.write_text(f"{{\n{lines}\n}}\n", "utf-8")
    np.savez_compressed(path.with_suffix(".npz"), **samples)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES, metavar="RECIPE")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    words = [Path(word).name if word.count("/") else word for word in argv]  # folders differ from machine to machine
    made, record, samples = provenance(__file__, words), {}, {}
    if args.out.exists():
        record = json.loads(args.out.read_text("utf-8"))
        with np.load(args.out.with_suffix(".npz"), allow_pickle=False) as file:
            samples = dict(file)
    for name in args.only:
        if name in record:
            continue
        outcome, samples[name] = train(name)
        record[name] = outcome | {"made": made}
        write(args.out, record, samples)
        print(f"{name}: good {outcome['averaged']['good']}, {outcome['cpu_seconds']} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
