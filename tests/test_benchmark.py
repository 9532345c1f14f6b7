"""The benchmark: equal compute, a record that grows run by run, and the same outcome however it is run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gan_utils as gu
from gan_utils import benchmark as bench
from gan_utils.__main__ import main

quiet = partial(bench.run, "ring", seeds=2, steps=30, say=lambda line: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmark") / "ring.json"
    return path, quiet(["non-saturating", "r1-r2"], out=path)


def outcome(path):
    """Return a record without what differs from run to run: times and machines."""
    record = bench.read(path)
    for run in record["runs"].values():
        for name in ("ms", "seconds", "made"):
            run.pop(name)
    return record


def test_products_of_a_plain_step_are_those_counted_by_hand():
    ring, batch = gu.data.ring(), 16
    G, D = (2 * batch * (2 * 64 + 64 * 64 + 64 * out) for out in (2, 1))  # forward, 2-64-64-out
    first = 2 * batch * 2 * 64  # of either network: the gradient by its input is not needed where that is data or z
    step_d = G + 2 * (D + D + D - first)  # fakes; then real and fake: forward, weights, inputs
    step_g = G + D + D + G + (G - first)  # forward; through D, not by its weights; weights and inputs of G
    assert bench.products(gu.zoo.build("non-saturating", ring), ring, batch) == step_d + step_g


def test_every_recipe_gets_the_same_compute(made):
    runs = bench.read(made[0])["runs"]
    assert {name: run["steps"] for name, run in runs.items()} == {"non-saturating": 30, "r1-r2": 15}  # a step a look
    plans = [
        bench._Job("ring", name, 1.0, (0,), 10_000, "cpu").plan() for name in gu.zoo.names() if name != "diffaugment"
    ]
    assert all(abs(plan["steps"] * plan["cost"] / 10_000 - 1) < 0.03 for plan in plans)
    few = [bench._Job("ring", name, 1.0, (0,), 100, "cpu").plan() for name in gu.zoo.names() if name != "diffaugment"]
    assert all(2 / 3 <= plan["steps"] * plan["cost"] / 100 < 4 / 3 for plan in few)  # whole steps, as many a look


def test_the_first_look_does_not_count_for_the_time_of_a_step(tmp_path, monkeypatch):
    """It holds the compiling; and where a stopped run goes on, only a part of the steps before it."""
    clock = iter([0, 5, 5, 6, 6])  # five seconds to the first look, one to the second
    monkeypatch.setattr(bench.time, "process_time", lambda: float(next(clock)))
    monkeypatch.setitem(bench.TASKS, "ring", replace(bench.TASKS["ring"], looks=2))
    quiet("non-saturating", steps=4, out=tmp_path / "ring.json")
    assert (
        bench.read(tmp_path / "ring.json")["runs"]["non-saturating"]["ms"] == 1e3 / 2 / 2
    )  # two steps a look, two seeds


def test_the_table_has_a_row_for_each_seed(made):
    path, table = made
    assert table.equals(bench.table(bench.read(path)))
    assert list(zip(table.method, table.seed, strict=True)) == [
        (m, s) for m in ("non-saturating", "r1-r2") for s in (0, 1)
    ]
    run = gu.fit(
        gu.zoo.build("r1-r2", gu.data.ring(std=0.01)), gu.data.ring(std=0.01), steps=15, seeds=2, progress=False
    )
    covered = gu.metrics.mode_coverage(run.sample(2_500), run.source)
    mine = table[table.method == "r1-r2"]
    assert mine.modes.tolist() == covered.modes.tolist() and mine.fair.tolist() == covered.fair.tolist()
    np.testing.assert_allclose(mine.good, covered.good, rtol=1e-3)
    assert table.all_at.isna().all()  # nobody covers a ring in 30 steps


def test_the_first_time_that_all_modes_were_there():
    run = {"method": "r1", "lr": "x1", "seeds": [0, 1, 2], "cost": 1.5, "steps": 8, "ms": 1.0, "diverged": [False] * 3}
    run |= {name: [1, 1, None] for name in bench.MEASURES}
    run["looked"] = {"fair": [[7, 8, 0], [8, 7, 7], [8, 8, 3], [7, 8, 0]]}
    table = bench.table({"task": "ring", "runs": {"r1": run}})
    np.testing.assert_array_equal(table.all_at, [0.5, 0.25, np.nan])
    assert table.good.isna().tolist() == [False, False, True]


def test_what_is_recorded_is_not_run_again(made, tmp_path):
    path = tmp_path / "again.json"
    path.write_bytes(made[0].read_bytes())
    said = []
    quiet(["r1-r2", "non-saturating", "hinge"], out=path, say=said.append)
    assert said[0] == "ring: 1 runs to do, 2 done before" and said[1].startswith("1/1 hinge: all modes in 0 of 2 seeds")
    for less in ({"seeds": 1}, {"steps": 10}):
        with pytest.raises(ValueError, match=r"again\.json holds hinge with more seeds or steps: take another file"):
            quiet(["hinge"], out=path, **less)
    quiet(["hinge"], seeds=3, out=path, say=said.append)  # other seeds: another run in its place
    runs = bench.read(path)["runs"]
    assert runs["hinge"]["seeds"] == [0, 1, 2] and runs["r1-r2"] == bench.read(made[0])["runs"]["r1-r2"]


def test_stopped_it_keeps_what_is_done_and_goes_on_within_a_run(made, tmp_path, monkeypatch):
    path, fit, calls = tmp_path / "stopped.json", gu.fit, []

    def stopped(gan, source, **options):
        calls.append(options["checkpoint"])
        if len(calls) > 1:
            fit(gan, source, **(options | {"steps": 10, "callback_every": 1}))
            raise KeyboardInterrupt
        return fit(gan, source, **options)

    monkeypatch.setattr(bench, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        quiet(["non-saturating", "r1-r2"], out=path)
    assert list(bench.read(path)["runs"]) == ["non-saturating"] and calls[1].exists() and not calls[0].exists()
    monkeypatch.setattr(bench, "fit", fit)
    quiet(["r1-r2"], steps=5, out=path)  # another plan: it must not take the checkpoint of ten steps for its own
    quiet(["r1-r2"], steps=5, out=tmp_path / "afresh.json")
    assert outcome(path)["runs"]["r1-r2"] == outcome(tmp_path / "afresh.json")["runs"]["r1-r2"]
    begun = []
    monkeypatch.setattr(bench, "fit", lambda *a, **o: begun.append(o["checkpoint"].exists()) or fit(*a, **o))
    quiet(["non-saturating", "r1-r2"], out=path)
    assert begun == [True] and outcome(path) == outcome(made[0])
    assert not path.with_suffix(".parts").exists()


def test_a_disk_that_is_full_costs_no_work(made, tmp_path, monkeypatch):
    path, put, fit, begun = tmp_path / "full.json", os.replace, gu.fit, []

    def full(source, target):
        if Path(target) == path and begun:
            raise OSError(28, "No space left on device")
        put(source, target)

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(bench, "fit", lambda *a, **o: begun.append(o["checkpoint"].exists()) or fit(*a, **o))
    with pytest.raises(OSError, match=r"out: .*full\.json cannot be written .*No space left.* no work is lost"):
        quiet(["r1-r2"], out=path)
    assert begun == [False] and not bench.read(path)["runs"]
    monkeypatch.setattr(os, "replace", put)
    quiet(["r1-r2"], out=path)
    assert begun == [False, True], "the finished run is taken from its checkpoint"
    assert outcome(path)["runs"]["r1-r2"] == outcome(made[0])["runs"]["r1-r2"]


def test_where_nothing_can_be_written_nothing_is_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "fit", lambda *a, **o: pytest.fail("it began to train"))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"out: .*ring\.json cannot be written"):
        quiet(["r1"], out=tmp_path / "file" / "ring.json")


def test_where_nothing_is_to_do_nothing_is_written(made, monkeypatch):
    monkeypatch.setattr(bench, "_write", lambda path, record: pytest.fail("it wrote"))
    assert quiet(["r1-r2"], out=made[0]).equals(made[1])


def test_what_another_process_records_meanwhile_is_kept(made, tmp_path, monkeypatch):
    path, fit = tmp_path / "shared.json", bench.fit
    monkeypatch.setattr(bench, "fit", lambda *a, **o: path.write_bytes(made[0].read_bytes()) and fit(*a, **o))
    quiet(["hinge"], out=path)
    assert set(bench.read(path)["runs"]) == {"hinge", "non-saturating", "r1-r2"}
    monkeypatch.setattr(bench, "fit", lambda *a, **o: path.unlink() or fit(*a, **o))
    quiet(["r1"], out=path)  # taken away meanwhile: what this process knows is written anew
    assert set(bench.read(path)["runs"]) == {"hinge", "non-saturating", "r1-r2", "r1"}


def test_two_at_a_time_give_the_same(made, tmp_path):
    quiet(["non-saturating", "r1-r2"], out=tmp_path / "two.json", jobs=2)
    assert outcome(tmp_path / "two.json") == outcome(made[0])


def test_learning_rates_are_multiples_of_the_recipes_own(tmp_path):
    table = quiet(["wgan"], seeds=1, steps=2, times=(1, 3), out=tmp_path / "lr.json")
    runs = bench.read(tmp_path / "lr.json")["runs"]
    assert list(runs) == ["wgan", "wgan x3"] and table.lr.tolist() == [1.0, 3.0]
    assert "lr=5e-05" in runs["wgan"]["recipe"]["opt_g"] and "lr=0.00015" in runs["wgan x3"]["recipe"]["opt_g"]


@pytest.mark.parametrize("task", ["mnist", "grid"])
def test_the_other_tasks(task, tmp_path, monkeypatch):
    small = bench.TASKS[task].__class__(**(vars(bench.TASKS[task]) | {"samples": 50, "at_last": 50, "looks": 1}))
    monkeypatch.setitem(bench.TASKS, task, small)
    table = bench.run(task, ["hinge"], seeds=1, steps=1, out=tmp_path / "x.json", say=lambda line: None)
    assert 0 <= table.fair.item() <= table.modes.item() < small.modes


def test_digits_that_are_none_and_members_that_diverged_cover_nothing():
    class Diverged:
        def sample(self, n, seed=0):
            return torch.full((1, n, 1, 28, 28), torch.nan)

    covered = bench.TASKS["mnist"].cover(Diverged(), 5)
    assert (covered.modes.item(), covered.good.item()) == (0, 0.0) and covered.reverse_kl.isnan().item()


def test_a_record_says_how_it_was_made(made):
    run = bench.read(made[0])["runs"]["r1-r2"]
    assert run["made"]["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert {"command", "commit", "date", "versions", "device"} == run["made"].keys()
    assert run["made"]["device"].startswith(gu.device().type)
    assert run["recipe"]["loss"] == "nonsaturating" and run["source"].startswith("ring(")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda path: bench.run("rings", out=path), r"task='rings' is not known. Did you mean 'ring'\?"),
        (lambda path: quiet(["wgangp"], out=path), r"name='wgangp' is not known. Did you mean 'wgan-gp'\?"),
        (lambda path: quiet(["diffaugment"], out=path), "diffaugment is for images"),
        (lambda path: quiet(["r1"], out=path, seeds=0), "seeds must be at least 1"),
        (lambda path: quiet(["r1"], out=path, device="abacus"), "device='abacus' cannot be used"),
        (lambda path: quiet(["r1"], out=path, times=[0]), "times must be a finite number above 0"),
        (lambda path: bench.run("grid", ["r1"], out=path), "out must be a record of 'grid'; .* is one of 'ring'"),
        (lambda path: bench.read(path.parent / "none.json"), "none.json"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_lost(made, call, words):
    before = made[0].read_bytes()
    with pytest.raises((ValueError, OSError), match=words):
        call(made[0])
    assert made[0].read_bytes() == before


def test_what_is_no_record_is_left_alone(tmp_path):
    for text in ("{", '{"task": "ring"}', "[]"):
        path = tmp_path / "other.json"
        path.write_text(text)
        with pytest.raises(ValueError, match=r"other\.json is no record of a benchmark"):
            quiet(["r1"], out=path)
        assert path.read_text() == text


def test_the_command_line(tmp_path, capsys):
    out = tmp_path / "ring.json"
    call = ["benchmark", "ring", "--methods", "hinge", "--seeds", "1", "--steps", "2", "--out", str(out)]
    assert main(call) == 0
    assert "1/1 hinge: all modes in 0 of 1 seeds" in capsys.readouterr().out
    assert json.loads(out.read_text())["runs"]["hinge"]["made"]["command"].startswith(
        "python -m gan_utils benchmark ring"
    )
    assert main([*call[:3], "hinges", *call[4:]]) == 2
    assert "Did you mean 'hinge'?" in capsys.readouterr().err


def test_an_interrupt_at_the_command_line_ends_in_a_word_and_no_traceback(tmp_path, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "fit", interrupted)
    assert (
        main(["benchmark", "ring", "--methods", "hinge", "--steps", "4", "--out", str(tmp_path / "ring.json")]) == 130
    )
    assert capsys.readouterr().err == "gan_utils benchmark: stopped; the same command goes on where it was\n"


def test_with_dask_the_command_makes_the_client_that_joblib_asks_for(monkeypatch):
    """Tried by hand with a real cluster, whose address stood in DASK_SCHEDULER_ADDRESS."""
    done = []
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=lambda: done.append("client")))
    monkeypatch.setattr(bench, "run", lambda *args, backend, **options: done.append(backend))
    assert main(["benchmark", "ring", "--backend", "dask"]) == 0 and main(["benchmark", "ring"]) == 0
    assert done == ["client", "dask", None]


def test_a_record_says_when_code_was_not_committed_and_not_when_another_record_was(tmp_path, monkeypatch):
    def git(*words):
        who = ["-c", "user.name=reader", "-c", "user.email=reader@localhost"]
        subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True)

    code, record = tmp_path / "gan_utils" / "benchmark.py", tmp_path / "book" / "recorded" / "ring.json"
    for path in (code, record):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    git("init"), git("add", "."), git("commit", "-m", "all")
    monkeypatch.setattr(bench, "__file__", str(code))
    commit = bench.provenance(["x"])["commit"]
    assert re.fullmatch("[0-9a-f]{40}", commit)
    record.write_text("{1}")
    assert bench.provenance(["x"])["commit"] == commit
    code.write_text("{2}")
    assert bench.provenance(["x"])["commit"] == f"{commit} (with uncommitted changes)"
