"""The clinic's patients: the recording and the script agree, and what the quiz's check says of each is to be seen in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import record_quiz as script
import torch

import gan_utils as gu
from gan_utils.exercises import chapter11 as quiz
from gan_utils.metrics import spread

ROOT = Path(__file__).parents[1]

FILE = ROOT / "book" / "recorded" / "quiz.npz"
TOLERANCE = 2e-3  # as for chapter 4's recording: see tests/test_recorded_mnist_reference.py
RING = gu.data.ring(std=0.05)


@pytest.fixture(scope="module")
def digits(recorded):
    return script.Digits.of(*(torch.from_numpy(recorded[f"digits/{part}"]) for part in ("basis", "mean")))


def data(name, digits):
    """Return held-out real samples, and the training data where they are a fixed set."""
    if name not in "BE":
        return RING.sample(1_000, gu.generator(2)), None
    return digits.numbers[-script.HELD :], digits.numbers[: script.FEW if name == "B" else script.MANY]


def seen(name, recorded, digits):
    """Measure what chapter 11's check says of a patient."""
    x, average, frames = (torch.from_numpy(recorded[f"{name}/{k}"]).float() for k in ("samples", "averaged", "frames"))
    real, train = data(name, digits)

    def problems(samples):
        found = [f for f in gu.diagnose(real, samples, train=train).findings if f.status == "problem"]
        return {f.name for f in found if f.name != "missing" or f.value > 0.1}  # less may be luck with so few samples

    last = problems(x)
    scale, own = spread(real[:256]), torch.stack([spread(frame) for frame in frames])
    jumps = (frames.mean(1)[1:] - frames.mean(1)[:-1]).norm(dim=1) / own[1:]
    near = torch.stack([torch.cdist(frame, real).amin(1).mean() for frame in frames])[-4:]
    gradient = recorded[f"{name}/grad_g"]
    return {
        "alike": spread(x) < scale / 4,
        "moves": jumps[-4:].median() > 1,
        "still": (frames[-1] - frames[0]).norm(dim=1).mean() < scale / 10,
        "starved": gradient[-5:].max() < gradient[0] / 100,
        "missing": "missing" in last,
        "healed": "missing" in last and "missing" not in problems(average),
        "narrow": bool({"width", "distinct"} & last),
        "copied": "copied" in last,
        "small": sum(p.numel() for p in script.patients(digits)[name].gan.G.draw()[0].values()) < 100,
        "rising": bool((near.diff() < 0).all() and near[0] - near[-1] > scale / 20),
        "astray": "astray" in last,
    }


@pytest.mark.parametrize("name", quiz.SEEN)
def test_what_the_check_says_is_in_the_recording(name, recorded, digits):
    assert {fact for fact, true in seen(name, recorded, digits).items() if true} == quiz.SEEN[name]


@cache
def verdicts(name):
    return [verdict for verdict in quiz.CHOICES if quiz.objection(name, verdict) is None]


@pytest.mark.parametrize("name", quiz.SEEN)
def test_the_evidence_leaves_one_verdict(name):
    assert len(verdicts(name)) == 1


def test_the_verdicts_are_the_faults_of_the_recipes(digits):
    """As the recipes were meant: what is known of each without looking at a sample."""
    patients = script.patients(digits)
    only = {verdicts(name)[0]: patient for name, patient in patients.items()}
    assert only["memorised"].gan.describe() == only["healthy"].gan.describe()
    assert len(only["memorised"].source.points) == script.FEW < len(only["healthy"].source.points) / 10
    assert only["vanishing gradient"].gan.loss is gu.losses.saturating
    assert "0.01" in only["oscillation"].gan.opt_g.name and "0.005" in only["within-mode collapse"].gan.opt_g.name
    assert (
        "0.004" in only["collapse that hops"].gan.opt_g.name and "0.0005" in only["collapse that hops"].gan.opt_d.name
    )
    steps = {verdict: patient.steps for verdict, patient in only.items() if patient.source.shape == (2,)}
    assert steps["stopped too early"] < steps["within-mode collapse"] / 4


@pytest.mark.parametrize("name", ["A", "D"])
def test_the_first_steps_are_those_in_the_file(name, recorded, digits):
    patient = script.patients(digits)[name]
    arrays, _ = script.train(patient, [patient.seed], steps=16)
    rows = len(arrays["logged"])
    assert rows >= 2 and recorded[f"{name}/logged"][:rows].tolist() == arrays["logged"].tolist()
    for column in ("d_loss", "g_loss", "d_real", "d_fake"):
        np.testing.assert_allclose(arrays[column][0], recorded[f"{name}/{column}"][:rows], atol=TOLERANCE, rtol=0)


def test_the_digits_are_told_by_the_leading_principal_components(digits):
    """The basis of another machine may point the other way; what it spans is the same."""
    x = gu.data.mnist().all().flatten(1).double()
    vectors = torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[: script.NUMBERS].T
    cosines = (digits.basis * vectors).sum(0) / digits.basis.norm(dim=0)
    assert cosines.abs().min() > 0.999
    np.testing.assert_allclose(digits.mean, x.mean(0), atol=1e-3)
    rest = x[torch.randperm(5_000, generator=gu.generator(42))] - digits.mean - digits.numbers.double() @ digits.basis.T
    assert (rest @ vectors).abs().max() < 0.05  # nothing that the sixteen could tell is left


def test_the_file_says_how_each_was_made_and_is_small(recorded, made, digits):
    assert made.keys() == {*script.patients(digits), "few", "many"}
    for name, how in made.items():
        assert re.fullmatch(r"python scripts/record_quiz\.py", how["command"])
        assert re.fullmatch(r"[0-9a-f]{40}", how["commit"]), "recorded with uncommitted changes"
        assert how["versions"].keys() == {"python", "torch", "numpy"} and how["date"] and how["device"]
        if name in quiz.SEEN:
            recipe = script.patients(digits)[name].gan.describe()
            assert {key: how["recipe"][key] for key in recipe} == recipe
            assert recorded[f"{name}/samples"].shape[0] == recorded[f"{name}/averaged"].shape[0] == script.KEPT
    for name in ("few", "many"):
        assert recorded[f"{name}/samples"].shape == (script.MEMORY_SEEDS, script.KEPT, script.NUMBERS)
    assert FILE.stat().st_size < 250_000
