"""The shoot-out's records: they are of the recipes as they are now, and a slice made again agrees with them."""

from __future__ import annotations

import re

import numpy as np
import pytest

import gan_utils as gu
from gan_utils import benchmark as bench

SEEDS = {"ring": 20, "grid": 20, "mnist": 5, "stacked-mnist": 3}  # at least
TASKS = [task for task in SEEDS]
SWEPT = 12  # recipes on the ring at three learning rates


@pytest.fixture(scope="module", params=TASKS)
def task(request):
    return request.param


@pytest.fixture(scope="module")
def record(task):
    return bench.read(gu.recorded(f"{task}.json"))


def test_all_recipes_are_there_with_enough_seeds(task, record):
    own = {run["method"] for run in record["runs"].values() if run["lr"] == "x1"}
    assert own == {name for name in gu.zoo.names() if bench._fits(name, bench.TASKS[task].source())}
    assert min(len(run["seeds"]) for run in record["runs"].values()) >= SEEDS[task]
    table = bench.table(record)
    rates = table.groupby("method").lr.nunique()
    assert set(rates) == ({1, 3} if task == "ring" else {1}) and (task != "ring" or (rates == 3).sum() == SWEPT)


def test_every_recipe_is_recorded_as_it_is_now(task, record):
    """A changed default makes a record stale; its run must then be made anew."""
    wanted, source = bench.TASKS[task], bench.TASKS[task].source()
    for run in record["runs"].values():
        job = bench._Job(task, run["method"], float(run["lr"][1:]), tuple(run["seeds"]), wanted.steps, "cpu")
        assert run["recipe"] == job.gan(source).describe(), job.name
        assert run["source"] == source.describe() and run["samples"] == [wanted.samples, wanted.at_last]
        assert run["steps"] % run["looks"] == 0
        one_look = run["looks"] * run["cost"] / wanted.steps  # what rounding to whole steps a look can do
        assert abs(run["steps"] * run["cost"] / wanted.steps - 1) <= max(0.01, one_look)


def test_the_record_says_how_it_was_made(task, record):
    for run in record["runs"].values():
        made = run["made"]
        assert re.fullmatch(r"[0-9a-f]{40}", made["commit"]), "recorded with uncommitted changes"
        assert re.fullmatch(r"python -m gan_utils benchmark \S+( --\S+| [\w./-]+)*", made["command"])
        assert made["date"] and made["device"] and {"python", "torch", "numpy"} <= made["versions"].keys()


@pytest.mark.parametrize(("task", "seeds"), [("ring", 6), ("grid", 4), ("mnist", 2)])
def test_a_slice_made_again_agrees(task, seeds, tmp_path):
    """Seeds go their own ways after some hundred steps, by rounding; so their mean is compared, four standard errors wide."""
    record = bench.read(gu.recorded(f"{task}.json"))
    again = bench.run(task, [bench.PLAIN], seeds=seeds, out=tmp_path / "slice.json", say=lambda line: None)
    table = bench.table(record)
    then = table[(table.method == bench.PLAIN) & (table.lr == 1)]
    assert again.steps[0] == then.steps.iloc[0] and again.cost[0] == then.cost.iloc[0]
    for measure in ("modes", "fair", "good"):
        deviation = max(then[measure].std(), 0.05 * then[measure].max())
        error = deviation * np.sqrt(1 / len(then) + 1 / seeds)
        assert abs(again[measure].mean() - then[measure].mean()) <= 4 * error, measure
