"""Does ``gu.diagnose`` tell what is wrong? Samplers of known condition, its verdict on each, and the confusion matrix.

``python benchmarks/diagnosis_suite.py`` runs 8 conditions x 3 severities x 4 kinds of data (mixtures on the ring, on the grid
and in 64 dimensions, and MNIST in the classifier's features) x 4 seeds, and three times as many healthy cases. It prints, and
records in book/recorded/, how often each verdict came. Its seeds begin at 2,000: what was tuned, was tuned on
others. One process a core. ``--seeds 1 --record no`` is a quick look.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

import gan_utils as gu

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "book" / "recorded" / "diagnosis-suite.json"
FIRST_SEED, SEEDS = 2_000, 4
HEALTHY_SEEDS = 3  # times as many: a false alarm is what a tool is left for
CONDITIONS = tuple(gu.diagnosis.VERDICTS)
KINDS = ("ring", "grid", "64-D", "MNIST")


class Case(NamedTuple):
    """What the data are, what is wrong with the sampler, how much (0, 1 or 2), and the seed of everything."""

    kind: str
    condition: str
    severity: int
    seed: int


class Pool(NamedTuple):
    """Samples of one kind of data, of which every case is made; the labels are those of ``good``."""

    real: Tensor
    train: Tensor
    good: Tensor
    labels: Tensor
    classes: int
    jitter: Tensor  #: as ``good``: noise that is small beside the data's own variety
    astray: Tensor  #: as ``good``: what is no such sample at all
    alike: Callable[[int], Tensor]  #: severity to samples of every class that differ too little


def mixture_pool(mixture: gu.data.Mixture, rng: torch.Generator) -> Pool:
    """Draw 2,000 real, 2,000 training and 4,000 further points of a mixture."""
    real, train, good = (mixture.sample(n, rng) for n in (2_000, 2_000, 4_000))
    mode = mixture.nearest(good)[0]
    noise, far = torch.randn(good.shape, generator=rng), torch.randn(good.shape, generator=rng)
    middle, sd = mixture.means[mode], mixture.std[mode, None]
    return Pool(
        real,
        train,
        good,
        mode,
        mixture.modes,
        jitter=sd * noise,
        astray=real.mean(0) + 2 * real.std() * far,
        alike=lambda severity: middle + (0.5, 0.25, 0.0)[severity] * (good - middle),
    )


def mnist_pool(rng: torch.Generator) -> Pool:
    """Deal out the 5,000 embedded images: 1,500 real, 1,500 training and 2,000 further ones."""
    data, order = gu.data.mnist(), torch.randperm(5_000, generator=rng)
    images = data.all()
    real, train, rest = order.split([1_500, 1_500, 2_000])
    good, labels = images[rest], data.labels[rest]
    noise = torch.randn(good.shape, generator=rng)

    def alike(severity: int) -> Tensor:
        few = torch.cat([good[labels == c][: (5, 3, 1)[severity]] for c in range(10)])
        return (few[torch.randint(len(few), (len(good),), generator=rng)] + 0.05 * noise).clamp(-1, 1)

    return Pool(images[real], images[train], good, labels, 10, jitter=noise, astray=noise.clamp(-1, 1), alike=alike)


@lru_cache(maxsize=1)
def mixtures() -> dict[str, gu.data.Mixture]:
    """Return the mixtures by kind; the ten modes in 64 dimensions lie about 11 standard deviations apart."""
    centres = torch.randn(10, 64, generator=gu.generator(7))
    return {"ring": gu.data.ring(std=0.02), "grid": gu.data.grid(), "64-D": gu.data.Mixture(centres, 1.0, name="64-D")}


def kept(pool: Pool, share: Tensor, rng: torch.Generator) -> Tensor:
    """Return the good samples of each class with the given probability, relative to the highest."""
    return pool.good[torch.rand(len(pool.good), generator=rng) < (share / share.max())[pool.labels]]


def shares(condition: str, k: int, severity: int, rng: torch.Generator) -> Tensor:
    """Return what each of k classes gets of its due. Dropped: an eighth, half, all but one of them get nothing. Unequal: two
    thirds of them get 0.7, 0.6 or 0.5 of it, and the others the rest."""
    order = torch.randperm(k, generator=rng)
    if condition == "dropped modes":
        return torch.ones(k).index_fill(0, order[: (max(1, k // 8), k // 2, k - 1)[severity]], 0.0)
    low, rich = (0.7, 0.6, 0.5)[severity], order[: max(1, k // 3)]
    return torch.full((k,), low).index_fill(0, rich, (k - low * (k - len(rich))) / len(rich))


def fakes(case: Case, pool: Pool, rng: torch.Generator) -> Tensor:
    """Return the samples of the case's sampler."""
    good, jitter, severity = pool.good, pool.jitter, case.severity
    some = torch.rand(len(good), *[1] * (good.ndim - 1), generator=rng)
    copies = pool.train[torch.randint(len(pool.train), (len(good),), generator=rng)]
    return {
        "healthy": lambda: good[: (500, 1_000, 2_000)[severity]],
        "one output": lambda: good[:1] + (0.05, 0.02, 0.0)[severity] * jitter,
        "memorised": lambda: torch.where(
            some < (0.5, 1.0, 1.0)[severity], copies + (0.0, 0.02, 0.0)[severity] * jitter, good
        ),
        "within-mode collapse": lambda: pool.alike(severity),
        "dropped modes": lambda: kept(pool, shares("dropped modes", pool.classes, severity, rng), rng),
        "unequal modes": lambda: kept(pool, shares("unequal modes", pool.classes, severity, rng), rng),
        "low fidelity": lambda: torch.where(some < (0.3, 0.6, 1.0)[severity], pool.astray, good),
        "too few samples": lambda: good[: (45, 25, 10)[severity]],
    }[case.condition]()


def sets(case: Case) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return real, fake and training samples. In every other case nothing but the training data is at hand."""
    rng = gu.generator(case.seed, CONDITIONS.index(case.condition), case.severity)
    pool = mnist_pool(rng) if case.kind == "MNIST" else mixture_pool(mixtures()[case.kind], rng)
    fake = fakes(case, pool, rng)
    fake = fake.clamp(-1, 1) if case.kind == "MNIST" else fake
    return (pool.real, fake, pool.train) if case.seed % 2 else (pool.train, fake, None)


def verdict(case: Case) -> dict[str, Any]:
    """Return the case and what ``diagnose`` says of it."""
    torch.set_num_threads(1)
    real, fake, train = sets(case)
    features = gu.classifier.classifier().features if case.kind == "MNIST" else None
    found = gu.diagnose(real, fake, train=train, features=features)
    return case._asdict() | {"verdict": found.verdict, "confidence": found.confidence, "also": list(found.also)}


def cases(seeds: int) -> list[Case]:
    """Return all cases, ``seeds`` seeds each."""
    return [
        Case(kind, condition, severity, FIRST_SEED + seed)
        for kind in KINDS
        for condition in CONDITIONS
        for severity in range(3)
        for seed in range(seeds * (HEALTHY_SEEDS if condition == "healthy" else 1))
    ]


def confusion(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Return how often each verdict came, by condition."""
    table = {condition: dict.fromkeys(CONDITIONS, 0) for condition in CONDITIONS}
    for row in rows:
        table[row["condition"]][row["verdict"]] += 1
    return table


def report(rows: list[dict[str, Any]]) -> str:
    """Return the confusion matrix and the two rates, with intervals, as text."""
    table, short = confusion(rows), [name[:9] for name in CONDITIONS]
    lines = [" " * 21 + " ".join(f"{name:>9}" for name in short)]
    lines += [f"{name:21}" + " ".join(f"{count:9}" for count in counts.values()) for name, counts in table.items()]
    right, all_ = sum(table[name][name] for name in CONDITIONS), len(rows)
    healthy = [row["verdict"] for row in rows if row["condition"] == "healthy"]
    alarms = sum(said not in ("healthy", "too few samples") for said in healthy)
    for text, k, n in (("right", right, all_), ("false alarms", alarms, len(healthy))):
        low, high = gu.metrics.wilson(k, n)
        lines += [f"{text}: {k} of {n}, {k / n:.1%} (95 % interval {low:.1%} to {high:.1%})"]
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds of each case (default {SEEDS})")
    parser.add_argument("--record", choices=("yes", "no"), default="yes", help="write the file (default yes)")
    args = parser.parse_args(argv)
    made, rows = gu.benchmark.provenance(["python", "benchmarks/diagnosis_suite.py", *argv]), []
    made["device"] += ", 1 thread a case"
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for row in pool.map(verdict, cases(args.seeds)):
            rows.append(row)
            if row["verdict"] != row["condition"]:
                print("wrong:", row, flush=True)
    print(report(rows))
    if args.record == "yes":
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps({"provenance": made, "confusion": confusion(rows), "cases": rows}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
