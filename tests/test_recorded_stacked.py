"""Chapter 10's recording and the code that made it agree: the first step, made again, is that in the file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import record_stacked_mnist as script
import torch

import gan_utils as gu

ROOT = Path(__file__).parents[1]

FILE = ROOT / "book" / "recorded" / "stacked-mnist.npz"
NAMES = list(script.STEPS)
TOLERANCE = 2e-4  # of losses near 1


def in_file(recorded, name, seed):
    return np.array([recorded[f"{name}/{column}"][seed, :1] for column in ("d_loss", "g_loss", "d_real", "d_fake")])


@pytest.mark.parametrize("name", NAMES)
def test_the_first_step_is_that_in_the_file(recorded, name):
    """No more than one: a bias before BatchNorm has no gradient but rounding, which Adam makes a full step of.

    On two processors the losses of step 1 (G's comes after D's move) agree to 1e-6, those of step 10 to 0.02.
    """
    options = {"batch": script.BATCH[name], "device": "cpu", "log_every": 10, "compile": False, "progress": False}
    run = gu.fit(script.recipe(name), gu.data.stacked_mnist(), steps=1, seeds=[0], **options)
    again = run.history[["d_loss", "g_loss", "d_real", "d_fake"]].to_numpy().T
    assert recorded[f"{name}/logged"][0] == 1
    np.testing.assert_allclose(again, in_file(recorded, name, 0), atol=TOLERANCE, rtol=0)
    # another seed would be noticed
    assert np.abs(in_file(recorded, name, 1) - in_file(recorded, name, 0)).max() > 4 * TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_in_the_file_is_the_recipe_in_the_script(made, name):
    recipe = dict(made[name]["recipe"])
    assert made[name]["seeds"] == list(range(script.SEEDS)) == json.loads(recipe.pop("seeds"))
    assert (recipe.pop("batch"), recipe.pop("source")) == (str(script.BATCH[name]), gu.data.stacked_mnist().describe())
    assert recipe == script.recipe(name).describe()
    assert made[name]["summary"][0].split()[:4] == [str(script.SEEDS), "GANs", "x", f"{script.STEPS[name]:,}"]


@pytest.mark.parametrize("name", [*NAMES, "judge"])
def test_the_file_says_how_each_was_made(made, name):
    how = made[name]
    assert re.fullmatch(r"python scripts/record_stacked_mnist\.py( --\S+| [\w.-]+)*", how["command"])
    assert re.fullmatch(r"[0-9a-f]{40}", how["commit"]), "recorded with uncommitted changes"
    assert how["versions"].keys() == {"python", "torch", "numpy"} and how["date"] and how["device"]


def test_the_file_has_what_the_chapter_reads(recorded):
    for name in NAMES:
        moments = len(recorded[f"{name}/measured"])
        assert recorded[f"{name}/measured"][-1] == recorded[f"{name}/frame_steps"][-1] == script.STEPS[name]
        for column in script.NAMES:
            values = recorded[f"{name}/{column}"]
            assert values.shape == (script.SEEDS, moments) and np.isfinite(values).all()
        assert (recorded[f"{name}/accepted"] <= recorded[f"{name}/modes"]).all()
        counts = recorded[f"{name}/counts"]
        assert counts.shape == (script.SEEDS, 2, 1_000)
        assert (counts[:, 0].sum(-1) == script.AT_LAST).all() and (counts[:, 1] <= counts[:, 0]).all()
        assert recorded[f"{name}/frames"].shape == (len(recorded[f"{name}/frame_steps"]), script.SHOWN, 3, 28, 28)
        assert recorded[f"{name}/last"].shape == (script.SEEDS, script.SHOWN, 3, 28, 28)
        assert recorded[f"{name}/last"].max() < script.LEVELS
    assert FILE.stat().st_size < 300_000


def test_the_judge_in_the_file_is_the_one_that_is_shipped(recorded):
    """Its record, written when it was trained, names the same shares of the same 10,000 images."""
    confusion = recorded["judge/confusion"].astype(int)  # [true, said, (refused, accepted)]
    figures = json.loads((ROOT / "gan_utils" / "weights" / "mnist_classifier.json").read_text("utf-8"))
    shares = figures["figures in per cent"]["test digits"]
    right = confusion[np.arange(10), np.arange(10)]
    found = {
        "accuracy": right.sum(),
        "accepted and right": right[:, 1].sum(),
        "accepted but wrong": confusion[:, :, 1].sum() - right[:, 1].sum(),
        "rejected": confusion[:, :, 0].sum(),
    }
    assert confusion.sum() == 10_000
    assert {name: count / 100 for name, count in found.items()} == pytest.approx(shares)


def test_labels_are_those_of_the_package():
    x = gu.data.stacked_mnist().sample(20, gu.generator(0))
    x[:5] = torch.rand(5, 3, 28, 28, generator=gu.generator(1)) * 2 - 1
    digit, is_digit = script.judged(x)
    assert torch.equal(script.triples(digit), gu.metrics.stacked_labels(x))
    assert torch.equal(script.triples(digit, is_digit), gu.metrics.stacked_labels(x, reject=True))
    assert (script.triples(digit, is_digit)[:5] == -1).all()


def test_counts_at_the_end_count_every_stack(monkeypatch):
    monkeypatch.setattr(script, "AT_LAST", 64)
    monkeypatch.setattr(script, "AT_ONCE", 32)

    class Copies:  # a generator that has learnt eight stacks by heart
        seeds = (0, 1)

        def sample(self, n, seed):
            return (
                gu.data.stacked_mnist().sample(8, gu.generator(seed)).repeat(2, n // 8, 1, 1, 1).view(2, n, 3, 28, 28)
            )

    counts = torch.from_numpy(script.counts_at_last(Copies()))
    assert (counts[:, 0].sum(-1) == 64).all() and torch.equal(counts[0], counts[1])
    own = [gu.metrics.stacked_labels(gu.data.stacked_mnist().sample(8, gu.generator(seed))) for seed in (1, 2)]
    assert torch.equal(counts[0, 0].long(), torch.bincount(torch.cat(own), minlength=1_000) * 4)
