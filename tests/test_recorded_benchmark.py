"""The shoot-out's record: it is of the recipes as they are now, and a slice made again agrees with it."""

from __future__ import annotations

import re

import numpy as np
import pytest

import gan_utils as gu
from gan_utils import benchmark as bench

SEEDS = {"ring": 20, "grid": 20, "mnist": 5, "stacked-mnist": 3}  # at least


SLICES = [("ring", "lsgan", 6, 8), ("grid", "ttur", 6, 8), ("mnist", "r3gan", 2, 5), ("stacked-mnist", "r1-r2", 2, 1)]


@pytest.fixture(scope="module", params=list(SEEDS))
def task(request):
    return request.param


@pytest.fixture(scope="module")
def record(task):
    return bench.read(gu.recorded(f"{task}.json"))


def test_every_recipe_is_recorded_with_enough_seeds(task, record):
    methods, wanted = (
        {run["method"] for run in record["runs"].values()},
        bench._methods("all", bench.TASKS[task].source()),
    )
    missing = " ".join(name for name in wanted if name not in methods)
    command = f"python -m gan_utils benchmark {task} --methods {missing} --out book/recorded/{task}.json"
    assert not missing, f"not recorded: {missing}. Commit the recipe, run `{command}`, and commit that."
    assert methods == set(wanted)
    assert min(len(run["seeds"]) for run in record["runs"].values()) >= SEEDS[task]


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
        assert re.fullmatch(r"[0-9a-f]{40}", made["commit"]), (
            f"{run['method']} was recorded with uncommitted changes: commit them, delete its entry in the record of {task}, "
            "and run the command again"
        )
        assert re.fullmatch(r"python -m gan_utils benchmark \S+( --\S+| [\w./-]+)*", made["command"])
        assert made["date"] and made["device"] and {"python", "torch", "numpy"} <= made["versions"].keys()


@pytest.mark.parametrize("method", ["non-saturating", "mixture", "pacgan", "minibatch-stddev"])
def test_the_patient_and_three_others_are_recorded_once_more_with_more_seeds(method):
    """Chapter 19 compares all recipes with the patient, and these with it on new seeds: the same plan, but for the seeds."""
    table, again = (bench.read(gu.recorded(f"{name}.json"))["runs"] for name in ("ring", "ring-patient"))
    assert len(again) == 4 and again[method]["seeds"] == list(range(50))
    plan = ("lr", "cost", "steps", "looks", "samples", "batch", "source", "recipe")
    assert all(again[method][key] == table[method][key] for key in plan)
    assert re.fullmatch(r"[0-9a-f]{40}", again[method]["made"]["commit"])


@pytest.mark.parametrize(("task", "method", "seeds", "looks"), SLICES)
def test_a_slice_made_again_agrees(task, method, seeds, looks, tmp_path):
    """The first looks of a recipe that learns fast, up to one at which there is something to be seen in every seed.

    So few that nothing is compiled, which would take as long as all the rest.
    Rounding parts the seeds in some hundred steps, so means over them are compared: four standard errors.
    """
    wanted, then = bench.TASKS[task], bench.read(gu.recorded(f"{task}.json"))["runs"][method]
    job = bench._Job(task, method, 1.0, tuple(range(seeds)), wanted.steps, "cpu")
    plan = job.plan()
    assert plan == {key: then[key] for key in plan} | {"seeds": plan["seeds"]}
    short = plan | {"steps": looks * plan["steps"] // plan["looks"], "looks": looks, "samples": [plan["samples"][0], 1]}
    _, name, outcome = job.run(short, tmp_path / "slice.safetensors", None)
    assert name == method
    again = outcome["looked"]
    for measure in ("fair", "good"):
        old, new = np.array(then["looked"][measure][looks - 1]), np.array(again[measure][looks - 1])
        error = old.std(ddof=1) * np.sqrt(1 / len(old) + 1 / seeds)
        if measure == "good":
            assert old.min() > 0 and new.min() > 0, "nothing learnt"
        assert abs(new.mean() - old.mean()) <= 4 * error, measure
