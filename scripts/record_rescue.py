"""Record chapter 20's "cure, restart, or go on": ``python scripts/record_rescue.py``.

A patient is trained until it is ill; then its recipe is changed. Is it better to keep its two networks, one of them, or none?
Three patients (:data:`CASES`): ``ring``, chapter 6's with a slow D; ``digits``, chapter 20's small pair; ``reference``,
chapter 4's pair. For every seed five ways to go on (:data:`WAYS`), each with the same compute, counted in matrix products.
A fourth case, ``lasting``, is the second with four times the compute, for two of the ways.
Writes book/recorded/rescue.json (over the steps, what the samples of each seed cover and how they spread; how it was made)
after every case: what is in it is not made again. Two cases at a time, one thread each.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import record_cure
import record_mnist_reference
import torch
from recording import ROOT, first_losses, provenance, rounded, write
from torch import nn

import gan_utils as gu
from gan_utils import benchmark

OUT = ROOT / "book" / "recorded" / "rescue.json"
LOOKS, SAMPLES = 10, 1_000  # measurements, and samples in each
#: What is kept of the ill pair, and whether the recipe is changed.
WAYS = {
    "as before": ("GD", False),
    "cure, both kept": ("GD", True),
    "cure, G kept": ("G", True),
    "cure, D kept": ("D", True),
    "cure, from scratch": ("", True),
}


@dataclass(frozen=True)
class Case:
    """A patient: data, recipes, seeds, how long it is ill, and the compute after that, in steps of the patient."""

    source: Callable[[], Any]
    recipe: Callable[[str], gu.GAN]  # of "patient" or "cure"
    seeds: int
    ill: int
    more: int
    batch: int
    ways: tuple[str, ...] = tuple(WAYS)


def ring_recipe(name: str) -> gu.GAN:
    """Return chapter 6's recipe with D an eighth as quick as G, or twice as quick."""
    G, D = gu.models.mlp(2, 32, 32, 2), gu.models.mlp(2, 32, 32, 1)
    return gu.GAN(
        G, D, opt_g=gu.optim.rmsprop(2e-3), opt_d=gu.optim.rmsprop(2e-3 * {"patient": 1 / 8, "cure": 2}[name])
    )


def reference_recipe(name: str) -> gu.GAN:
    """Return chapter 4's patient, or the same pair under its other rule."""
    return record_mnist_reference.recipe({"patient": "plain", "cure": "mended"}[name])


CASES = {
    "ring": Case(partial(gu.data.ring, std=0.05), ring_recipe, 30, 1_500, 1_500, 32),
    "digits": Case(gu.data.mnist, record_cure.recipe, 10, 4_000, 4_000, 64),
    "lasting": Case(
        gu.data.mnist, record_cure.recipe, 10, 4_000, 16_000, 64, ("cure, both kept", "cure, from scratch")
    ),
    "reference": Case(gu.data.mnist, reference_recipe, 3, 1_000, 2_000, 64),
}


def steps_of(case: Case, name: str) -> int:
    """Return the steps that the compute pays for: a multiple of the looks."""
    source = case.source()
    cost, unit = (benchmark.products(case.recipe(n), source, case.batch) for n in (name, "patient"))
    return LOOKS * round(case.more * unit / cost / LOOKS)


def measured(run: gu.Run) -> dict[str, torch.Tensor]:
    """Return what 1,000 samples of each member cover, and their spread over the data's."""
    x, data = run.sample(SAMPLES).nan_to_num(0.0), run.source.sample(SAMPLES, gu.generator(99)).flatten(1)
    points = isinstance(run.source, gu.data.Mixture)
    found = gu.metrics.mode_coverage(x, run.source) if points else record_cure.covered(run, SAMPLES)
    spread = gu.metrics.spread(x.flatten(2)) / gu.metrics.spread(data)
    return {"modes": found.modes, "fair": found.fair, "good": found.good, "spread": spread}


def start(case: Case, way: str, ill: tuple[nn.Module, nn.Module]) -> gu.GAN:
    """Return the recipe of one way to go on, with the networks that it keeps."""
    kept, changed = WAYS[way]
    taken = {role: partial(copy.deepcopy, network) for role, network in zip("GD", ill, strict=True) if role in kept}
    return replace(case.recipe("cure" if changed else "patient"), **taken)


def train(name: str) -> tuple[str, dict[str, Any]]:
    """Train a case and return the outcome: for each way, each measure, a list a look of all seeds."""
    torch.set_num_threads(1)
    case, begin = CASES[name], time.process_time()
    source, more = case.source(), {"batch": case.batch, "device": "cpu", "progress": False}
    patient = gu.fit(case.recipe("patient"), source, steps=case.ill, seeds=case.seeds, log_every=10, **more)
    ill = {key: rounded(values) for key, values in measured(patient).items()}
    found: dict[str, Any] = {}
    for way in case.ways:
        steps = steps_of(case, "cure" if WAYS[way][1] else "patient")
        seen: list[dict[int, dict[str, torch.Tensor]]] = []
        for seed in patient.seeds:
            looks: dict[int, dict[str, torch.Tensor]] = {}

            def look(step: int, run: gu.Run, looks: dict = looks) -> None:
                looks[step] = measured(run)

            gan = start(case, way, patient.networks(seed))
            # Another seed than the patient's: its batches and latents must not come again.
            gu.fit(
                gan, source, steps=steps, seeds=[1_000 + seed], callbacks=[look], callback_every=steps // LOOKS, **more
            )
            seen.append(looks)
        found[way] = {"steps": steps, "recipe": gan.describe(), "step": list(seen[0])}
        for key in ill:
            found[way][key] = [rounded(torch.cat([looks[step][key] for looks in seen])) for step in seen[0]]
        print(name, way, {key: found[way][key][-1] for key in ("fair", "good", "spread")}, flush=True)
    return name, {
        "seeds": list(patient.seeds),
        "steps": case.ill,
        "recipe": patient.describe(),
        "ill": ill,
        "ways": found,
        "first_losses": first_losses(patient),
        "cpu_seconds": round(time.process_time() - begin),
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES), metavar="CASE")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    made = provenance(__file__, [Path(word).name if word.count("/") else word for word in argv])
    record = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(train, name) for name in args.only if name not in record]
        for done in as_completed(jobs):
            name, outcome = done.result()
            record[name] = outcome | {"made": made}
            write(args.out, record)


if __name__ == "__main__":
    main(sys.argv[1:])
