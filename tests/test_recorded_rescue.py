"""Chapter 20's "cure, restart, or go on": the record and the script agree, and its patients begin as the file says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import record_rescue as script
import torch

import gan_utils as gu

ROOT = Path(__file__).parents[1]

RUNS = json.loads(script.OUT.read_text("utf-8"))
TOLERANCE = 2e-3  # as for chapter 4's recording: see tests/test_recorded_mnist_reference.py
ENSEMBLE = {"seeds", "batch", "source"}


def test_every_case_is_recorded_in_every_way():
    assert set(RUNS) == set(script.CASES)
    assert all(tuple(one["ways"]) == script.CASES[name].ways for name, one in RUNS.items())


@pytest.mark.parametrize("name", script.CASES)
def test_the_patients_begin_as_in_the_file(name):
    case, first = script.CASES[name], RUNS[name]["first_losses"]
    options = {"batch": case.batch, "device": "cpu", "log_every": 10, "compile": False, "progress": False}
    run = gu.fit(case.recipe("patient"), case.source(), steps=10, seeds=[0], **options)
    assert first["step"][:2] == [1, 10]
    np.testing.assert_allclose(run.history["d_loss"], first["d_loss"][0][:2], atol=TOLERANCE, rtol=0)
    assert np.abs(np.subtract(first["d_loss"][1][:2], first["d_loss"][0][:2])).max() > 2 * TOLERANCE  # another seed


@pytest.mark.parametrize("name", script.CASES)
def test_a_case_is_of_the_script_as_it_is_now(name):
    case, one = script.CASES[name], RUNS[name]
    assert one["seeds"] == list(range(case.seeds)) and one["steps"] == case.ill
    recipe = {key: said for key, said in one["recipe"].items() if key not in ENSEMBLE}
    assert recipe == case.recipe("patient").describe()
    for way in case.ways:
        found, changed = one["ways"][way], script.WAYS[way][1]
        assert found["recipe"] == case.recipe("cure" if changed else "patient").describe()
        assert found["steps"] == script.steps_of(case, "cure" if changed else "patient") == found["step"][-1]
        assert len(found["step"]) == script.LOOKS
        for key, ill in one["ill"].items():
            assert len(ill) == case.seeds and [len(row) for row in found[key]] == [case.seeds] * script.LOOKS


def test_a_way_keeps_the_networks_it_names_and_draws_the_others():
    case = script.CASES["ring"]
    ill = gu.fit(case.recipe("patient"), case.source(), steps=3, batch=8, device="cpu", progress=False).networks()
    held = {role: dict(network.named_parameters()) for role, network in zip("GD", ill, strict=True)}
    for way, (kept, changed) in script.WAYS.items():
        gan = script.start(case, way, ill)
        assert gan.describe()["opt_d"] == case.recipe("cure" if changed else "patient").opt_d.name
        for role, player in zip("GD", gan.init(1_000)[:2], strict=True):
            same = all(torch.equal(weight, held[role][name]) for name, weight in player.params.items())
            assert same == (role in kept), (way, role)


@pytest.mark.parametrize("name", RUNS)
def test_the_file_says_how_a_case_was_made(name):
    how = RUNS[name]["made"]
    assert re.fullmatch(r"python scripts/record_rescue\.py( --(only|out)( [\w.-]+)+)*", how["command"])
    assert re.fullmatch(r"[0-9a-f]{40}", how["commit"]), "recorded with uncommitted changes"
    assert how["versions"].keys() >= {"python", "torch", "numpy"} and how["date"] and how["device"]
