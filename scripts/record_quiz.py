"""Record the patients of chapter 11's clinic: ``python scripts/record_quiz.py``, five minutes of one core.

Eight small GANs, A to H, each with one fault or none (:func:`patients`; whoever wants to guess should not read on), and two
ensembles, ``few`` and ``many``, that differ in nothing but the number of images they were trained on (B and E are the next
seed of each). Writes book/recorded/quiz.npz (no pickled objects): for each patient its losses, D's mean logits
and the norm of G's gradient; samples of the generator and of its average at the end; frames on fixed latents; and, as JSON,
how it was made.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from recording import ROOT, Arrays, columns, provenance
from torch import Tensor
from torch.utils._pytree import tree_map

import gan_utils as gu
from gan_utils.gan import g_objective

OUT = ROOT / "book" / "recorded" / "quiz.npz"
KEPT, SHOWN, LOOKS = 256, 64, 32  # samples at the end, and in a frame; looks at G's gradient, every fourth with a frame
NUMBERS = 16  # that a digit is told by: its leading principal components
FEW, MANY, HELD = 100, 2_500, 1_500  # images to learn from, and images that no run is shown
MEMORY_SEEDS, MEMORY_STEPS = 5, 12_000


def small_ring() -> gu.data.Mixture:
    """Return the ring of the chapter."""
    return gu.data.ring(std=0.05)


class Digits(NamedTuple):
    """MNIST as 16 numbers an image: ``basis [784, 16]``, ``mean [784]``, and the coordinates of all images in random order."""

    basis: Tensor
    mean: Tensor
    numbers: Tensor

    @classmethod
    def make(cls) -> Digits:
        """Compute the principal components; they are rounded as the file rounds them."""
        x = gu.data.mnist().all().flatten(1).double()
        _, vectors = torch.linalg.eigh((x - x.mean(0)).T @ (x - x.mean(0)))
        basis = vectors[:, -NUMBERS:].flip(1)
        basis = basis * ((x - x.mean(0)) @ basis).std()  # so that numbers are near 1
        return cls.of(basis.half(), x.mean(0).half())

    @classmethod
    def of(cls, basis: Tensor, mean: Tensor) -> Digits:
        """Compute the numbers of all images by a basis and a mean as the file holds them."""
        basis, mean = basis.double(), mean.double()
        order = torch.randperm(5_000, generator=gu.generator(42))
        numbers = (gu.data.mnist().all().flatten(1).double() - mean) @ basis / basis.square().sum(0)
        return cls(basis, mean, numbers[order].float())

    def source(self, n: int) -> gu.data.Points:
        """Return the first n images as a source."""
        return gu.data.Points(self.numbers[:n], name="digits")


def on_ring(*, hidden: tuple[int, ...] = (32, 32), slope: float = 0.2, **rule: Any) -> gu.GAN:
    """Return a recipe for the ring; its average is kept beside it."""
    G, D = gu.models.mlp(2, *hidden, 2), gu.models.mlp(2, 32, 32, 1, slope=slope)
    return gu.GAN(G, D, ema=0.99, **rule)


def on_digits() -> gu.GAN:
    """Return the recipe for the digits: chapter 4's cure, for 16 numbers instead of 784."""
    G, D = gu.models.mlp(NUMBERS, 128, 128, NUMBERS), gu.models.mlp(NUMBERS, 128, 128, 1, slope=0.2)
    adam = gu.optim.adam(2e-3, betas=(0.5, 0.99))
    penalties = (gu.penalties.r1(0.05), gu.penalties.r2(0.05))
    return gu.GAN(G, D, loss="relativistic", penalties=penalties, opt_g=adam, opt_d=adam, ema=0.995)


class Patient(NamedTuple):
    """A recipe, its data, and for how long which seed is trained."""

    gan: gu.GAN
    source: Any
    steps: int
    batch: int = 64
    seed: int = 0


def patients(digits: Digits) -> dict[str, Patient]:
    """Return the eight by letter."""
    adam, rmsprop, sgd = gu.optim.adam, gu.optim.rmsprop, gu.optim.sgd
    fast, calm = adam(1e-2, betas=(0.0, 0.999)), adam(5e-3, betas=(0.0, 0.999))
    slow = adam(1e-3, betas=(0.0, 0.999))
    pairs = {"loss": "relativistic", "penalties": (gu.penalties.r1(0.5),)}
    weak = pairs | {"penalties": (gu.penalties.r1(0.1),)}
    return {
        "A": Patient(on_ring(opt_g=fast, opt_d=fast), small_ring(), 800, seed=105),
        "B": Patient(on_digits(), digits.source(FEW), MEMORY_STEPS, seed=MEMORY_SEEDS),
        "C": Patient(on_ring(hidden=(3,), opt_g=calm, opt_d=calm), small_ring(), 1_500),
        "D": Patient(
            on_ring(loss="saturating", opt_g=sgd(3e-3), opt_d=adam(1e-2), d_steps=5), small_ring(), 150
        ),
        "E": Patient(on_digits(), digits.source(MANY), MEMORY_STEPS, seed=MEMORY_SEEDS),
        "F": Patient(on_ring(opt_g=slow, opt_d=slow, **pairs), small_ring(), 300),
        "G": Patient(on_ring(slope=0.0, opt_g=rmsprop(4e-3), opt_d=rmsprop(5e-4)), small_ring(), 400, batch=32),
        "H": Patient(on_ring(opt_g=calm, opt_d=calm, **weak), small_ring(), 1_500),
    }  # fmt: skip


def gradient_norm(run: gu.Run) -> Tensor:
    """Return the norm of the gradient that each member's G would receive from 256 latents, ``[seeds]``."""
    z = torch.randn(256, run.gan.latent, generator=gu.generator(1))
    x, norms = run.source.sample(256, gu.generator(2)), []
    for i in range(len(run.seeds)):
        s = tree_map(lambda t, i=i: t[i], run.state)

        def loss(params: dict, s: gu.State = s) -> Tensor:
            return g_objective(params, run.gan, s.G.buffers, s.D, x, z, torch.tensor(0))[0]

        norms.append(torch.stack([g.norm() for g in torch.func.grad(loss)(s.G.params).values()]).norm())
    return torch.stack(norms)


def train(patient: Patient, seeds: list[int], *, steps: int | None = None) -> tuple[Arrays, dict[str, Any]]:
    """Train a patient; return arrays ``[seeds, ...]``, and what was trained and how fast. ``steps``: stop there."""
    options = {"seeds": seeds, "batch": patient.batch, "device": "cpu", "progress": False}
    every = max(1, patient.steps // LOOKS)
    film = {1: gu.fit(patient.gan, patient.source, steps=1, compile=False, **options).sample(SHOWN, ema=False)}

    def look(step: int, run: gu.Run) -> dict[str, Tensor]:
        if step // every % 4 == 0:
            film[step] = run.sample(SHOWN, ema=False)
        return {"grad_g": gradient_norm(run)}

    run = gu.fit(
        patient.gan,
        patient.source,
        steps=patient.steps if steps is None else steps,
        compile=steps is None and patient.steps > 2_000,
        log_every=max(1, patient.steps // 120),
        callbacks=[look],
        callback_every=every,
        **options,
    )
    logged, arrays = columns(run.history, ("d_loss", "g_loss", "d_real", "d_fake"))
    measured, gradients = columns(run.history, ("grad_g",))
    arrays |= gradients | {"logged": logged, "measured": measured}
    arrays["samples"] = run.sample(KEPT, ema=False).half().numpy()
    arrays["averaged"] = run.sample(KEPT, ema=True).half().numpy()
    arrays["frames"] = torch.stack(list(film.values()), 1).half().numpy()  # [seeds, moments, SHOWN, d]
    arrays["frame_steps"] = np.array(list(film), dtype=np.int32)
    count = [sum(p.numel() for p in net.draw()[0].values()) for net in (patient.gan.G, patient.gan.D)]
    made = {"summary": run.summary().splitlines(), "recipe": run.describe()}
    return arrays, made | {"seeds": list(run.seeds), "steps": patient.steps, "parameters of G and D": count}


def record() -> tuple[Arrays, dict[str, Any]]:
    """Train them all, one after the other; return the file's arrays and how each was made."""
    digits = Digits.make()
    arrays: Arrays = {"digits/basis": digits.basis.half().numpy(), "digits/mean": digits.mean.half().numpy()}
    facts = {}
    for name, patient in patients(digits).items():
        ensemble = {FEW: "few", MANY: "many"}.get(len(getattr(patient.source, "points", ())))
        seeds = [*range(MEMORY_SEEDS), patient.seed] if ensemble else [patient.seed]
        own, made = train(patient, seeds)
        arrays |= {f"{name}/{what}": a if a.ndim == 1 else a[-1] for what, a in own.items()}
        facts[name] = made | {"seeds": [patient.seed]}
        if ensemble:
            arrays[f"{ensemble}/samples"] = own["averaged"][:MEMORY_SEEDS]
            facts[ensemble] = made | {"seeds": seeds[:-1]}
        print(name, *made["summary"][::2], sep="; ", flush=True)
    return arrays, facts


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    how, begin = provenance(__file__, argv), time.perf_counter()
    arrays, facts = record()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    facts = {name: how | made for name, made in facts.items()}
    np.savez_compressed(args.out, provenance=json.dumps(facts, indent=1), **arrays)
    print(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
