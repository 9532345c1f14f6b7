"""Chapter 19's ring in many dimensions and the code that made it agree: the first losses, made again, are those in the file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import record_ring_in_space as script
import torch

import gan_utils as gu

ROOT = Path(__file__).parents[1]

RUNS = json.loads(script.OUT.read_text("utf-8"))
TOLERANCE = 2e-3  # as for chapter 4's recording: see tests/test_recorded_mnist_reference.py


@pytest.mark.parametrize("name", ["pacgan in 2", "non-saturating in 128", "r1-r2 in 784", "r1 in 784, rate x0.2"])
def test_the_first_steps_are_those_in_the_file(name):
    one = RUNS[name]
    options = {"batch": script.BATCH, "device": "cpu", "log_every": 10, "compile": False, "progress": False}
    gan, source = script.build(one["name"], one["dim"], one.get("times", 1.0)), script.ring(one["dim"])
    run = gu.fit(gan, source, steps=20, seeds=[0], **options)
    first = one["first_losses"]
    assert first["step"][:3] == [1, 10, 20]
    np.testing.assert_allclose(run.history["d_loss"], first["d_loss"][0][:3], atol=TOLERANCE, rtol=0)
    # another seed would be noticed
    assert np.abs(np.subtract(first["d_loss"][1][:3], first["d_loss"][0][:3])).max() > 2 * TOLERANCE


@pytest.mark.parametrize("dim", [2, 8, 784])
def test_the_plane_alone_is_counted_apart_from_what_stands_off_it(dim):
    source, times = script.ring(dim), 3.0  # a perfect sampler, and one that errs off the plane alone
    x = source.sample(2_500, gu.generator(1))
    flat = x @ script.plane(dim) @ script.plane(dim).T
    seen = script.in_plane(torch.stack([x, flat + times * (x - flat)]))
    assert seen["plane_fair"] == [8.0, 8.0]
    np.testing.assert_allclose(seen["plane_good"], 1 - np.exp(-4.5), atol=0.01)
    np.testing.assert_allclose(seen["off"], [1.0, times] if dim > 2 else [0.0, 0.0], rtol=0.05)


def test_every_recipe_is_recorded_in_every_dimension():
    assert {script.key(name, dim) for name in script.NAMES for dim in script.DIMS} <= set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_of_the_script_as_it_is_now(name):
    one = RUNS[name]
    dim, recipe = one["dim"], dict(one["recipe"])
    assert name == script.key(one["name"], dim, one.get("times", 1.0))
    assert one["seeds"] == list(range(script.SEEDS)) == json.loads(recipe.pop("seeds"))
    assert (recipe.pop("batch"), recipe.pop("source")) == (str(script.BATCH), script.ring(dim).describe())
    assert recipe == script.build(one["name"], dim, one.get("times", 1.0)).describe()
    cost, steps = script.steps_of(one["name"], dim)
    assert one["steps"] == steps and abs(steps * cost / script.STEPS - 1) < 0.01
    assert one["within"] == pytest.approx(script.reach(dim), rel=1e-12) and not any(one["diverged"])
    looks = one["looks"]
    assert looks["step"][-1] == steps and all(len(rows) == script.LOOKS for rows in looks.values())
    measured = ("fair", "good", "at_fakes", "plane_fair", "plane_good", "off")
    assert all(len(row) == script.SEEDS for what in measured for row in looks[what])


@pytest.mark.parametrize("name", RUNS)
def test_the_file_says_how_a_run_was_made(name):
    how = RUNS[name]["made"]
    assert re.fullmatch(r"python scripts/record_ring_in_space\.py( --(dims|only|times)( [\w.-]+)+)*", how["command"])
    assert re.fullmatch(r"[0-9a-f]{40}", how["commit"]), "recorded with uncommitted changes"
    assert how["versions"].keys() >= {"python", "torch", "numpy"} and how["date"] and how["device"]


@pytest.mark.parametrize("dim", script.DIMS)
def test_the_ring_is_only_turned_and_a_perfect_sampler_is_as_good_as_in_the_plane(dim):
    flat, turned = gu.data.ring().means, script.ring(dim).means
    torch.testing.assert_close(torch.cdist(turned, turned), torch.cdist(flat, flat), rtol=1e-4, atol=1e-4)
    sample = script.ring(dim).sample(4_000, gu.generator(0))
    good = gu.metrics.mode_coverage(sample, script.ring(dim), within=script.reach(dim)).good
    assert abs(float(good) - 0.98889) < 5 * (0.98889 * 0.01111 / 4_000) ** 0.5
