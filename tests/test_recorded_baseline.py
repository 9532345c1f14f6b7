"""Chapter 18's recording and the code that made it agree: the first losses, made again, are those in the file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import record_baseline as script
import torch

import gan_utils as gu

ROOT = Path(__file__).parents[1]

FILE = script.OUT
TOLERANCE = 2e-3  # as for chapter 4's recording: see tests/test_recorded_mnist_reference.py


@pytest.fixture(scope="module")
def recorded():
    return json.loads(FILE.read_text("utf-8"))


@pytest.mark.parametrize("name", ["plain", "relativistic + R1 + R2"])
def test_the_first_steps_are_those_in_the_file(recorded, name):
    options = {"batch": script.BATCH, "device": "cpu", "log_every": 10, "compile": False, "progress": False}
    run = gu.fit(script.recipe(name), gu.data.mnist(), steps=20, seeds=[0], **options)
    first = recorded[name]["first_losses"]
    assert first["step"][:3] == [1, 10, 20]
    np.testing.assert_allclose(run.history["d_loss"], first["d_loss"][0][:3], atol=TOLERANCE, rtol=0)
    # another seed would be noticed
    assert np.abs(np.subtract(first["d_loss"][1][:3], first["d_loss"][0][:3])).max() > 4 * TOLERANCE


@pytest.mark.parametrize("name", script.NAMES)
def test_the_recipe_in_the_file_is_the_recipe_in_the_script(recorded, name):
    recipe = dict(recorded[name]["recipe"])
    assert recorded[name]["seeds"] == list(range(script.SEEDS)) == json.loads(recipe.pop("seeds"))
    assert (recipe.pop("batch"), recipe.pop("source")) == (str(script.BATCH), gu.data.mnist().describe())
    assert recipe == script.recipe(name).describe()


@pytest.mark.parametrize("name", script.NAMES)
def test_every_recipe_had_the_same_compute(recorded, name):
    cost, steps = script.steps_of(name)
    assert recorded[name]["steps"] == steps and recorded[name]["cost"] == pytest.approx(cost, rel=5e-3)
    assert steps * cost == pytest.approx(script.STEPS, rel=5e-3)


@pytest.mark.parametrize("name", script.NAMES)
def test_the_file_says_how_each_was_made(recorded, name):
    how = recorded[name]["made"]
    assert re.fullmatch(r"python scripts/record_baseline\.py( --only [\w +]+)?", how["command"])
    assert re.fullmatch(r"[0-9a-f]{40}", how["commit"]), "recorded with uncommitted changes"
    assert how["versions"].keys() >= {"python", "torch", "numpy"} and how["date"] and how["device"]


def test_the_files_hold_what_the_chapter_reads(recorded):
    assert set(recorded) == set(script.NAMES)
    for run in recorded.values():
        assert run["looks"]["step"][-1] == run["steps"] and len(run["looks"]["step"]) == script.LOOKS
        for kind in ("averaged", "last"):
            assert all(len(values) == script.SEEDS for values in run[kind].values())
            assert all(0 <= share <= 1 for share in run[kind]["good"])
        assert min(run["slope"]["at_data"] + run["slope"]["at_fakes"]) > 0
    with np.load(FILE.with_suffix(".npz"), allow_pickle=False) as file:
        assert set(file) == set(script.NAMES)
        for samples in file.values():
            assert samples.shape == (script.SHOWN, 28, 28) and samples.max() < script.LEVELS
    assert FILE.stat().st_size + FILE.with_suffix(".npz").stat().st_size < 120_000


def test_what_is_no_digit_counts_for_none():
    real = gu.data.mnist().sample(60, gu.generator(0))
    noise = torch.rand(60, 1, 28, 28, generator=gu.generator(1)) * 2 - 1
    found = script.covered(torch.stack([real, noise, torch.full_like(real, torch.nan)]))
    assert found["good"][0] > 0.9 and found["good"][1:] == [0.0, 0.0]
    assert found["modes"] == [10, 0, 0] and found["reverse_kl"][1:] == [None, None]
