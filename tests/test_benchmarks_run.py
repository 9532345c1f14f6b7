"""The benchmarks run: each script's quick path, in this process; and our metrics have the values of others'."""

from __future__ import annotations

import importlib
import json
import re
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

import gan_utils as gu

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _beside_each_other(monkeypatch):
    """Scripts import what lies in their folder."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = torch.random.get_rng_state()
    yield
    torch.random.set_rng_state(before)


def load(name):
    return sys.modules.get(name) or importlib.import_module(name)


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("step_speed", {"rows": 1}),
        ("metrics_peers", {"rows": 3}),
        ("limits", {"limit": 1, "cost": 1}),
        ("pacgan_table1", {"rows": 4}),
        ("busy_machine", {"rows": 2}),
        ("cuda_graphs", {"rows": 1}),
        ("time_to_quality", {"rows": 3}),
        ("peers", {"rows": 8, "verdicts": 2}),
    ],
)
def test_the_quick_path_runs_and_is_recorded(name, tables, tmp_path, capsys):
    load(name).main(["--quick", "--json", str(tmp_path / "record.json")])
    record = json.loads((tmp_path / "record.json").read_text())
    made = record.pop("provenance")
    assert made["command"].startswith(f"python benchmarks/{name}.py --quick") and made["threads"] >= 1
    assert {"commit", "date", "versions", "device", "rounds"} <= made.keys()
    assert record.keys() == tables.keys()
    assert all(len(record[table]) >= count for table, count in tables.items()), "peers that are installed add rows"
    assert len(re.findall(r"^\| ", capsys.readouterr().out, re.MULTILINE)) >= max(tables.values())


def test_where_the_record_cannot_be_written_nothing_is_begun(tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SystemExit):
        load("step_speed").main(["--quick", "--json", str(tmp_path / "file" / "record.json")])
    said = capsys.readouterr()
    assert "--json: " in said.err and "record.json cannot be written" in said.err and "|" not in said.out


@pytest.mark.parametrize("name", ["definitions", "prdc", "torch-fidelity", "torch-fidelity, save_cpu_ram"])
@pytest.mark.parametrize(("n", "dim"), [(150, 2), (300, 16)])
def test_neighbours_as_others_count_them(name, n, dim):
    script = load("metrics_peers")
    module, work = script.GROUPS["neighbours"][name]
    pytest.importorskip(module, reason=f"{module} is not installed: pip install --no-deps {module}")
    real, fake = script.sets(n, dim)
    ours, theirs = script.ours_prdc(real, fake), work(real, fake)
    assert script.agree(name, theirs, ours, n), (theirs, ours)
    assert not script.agree(name, theirs, script.ours_prdc(real, fake + 1), n), "another set would be noticed"


@pytest.mark.parametrize("name", ["vendi-score", "vendi-score, dual"])
def test_vendi_as_others_compute_it(name):
    script = load("metrics_peers")
    module, work = script.GROUPS["vendi"][name]
    pytest.importorskip(module, reason=f"{module} is not installed: pip install --no-deps vendi-score")
    real, fake = script.sets(200, 8)
    assert work(real, fake)["vendi"] == pytest.approx(script.ours_vendi(real, fake)["vendi"], rel=1e-9)


def test_slopes_of_known_powers():
    slope = load("limits").slope
    assert slope([1, 2, 4], [3, 12, 48]) == pytest.approx(2) and slope([1, 10], [5, 5]) == pytest.approx(0)


def test_the_products_of_a_step_are_found_with_their_shapes():
    limits, batch = load("limits"), 8
    for seeds in (1, 3):
        run = gu.fit(limits.ring_gan(16), limits.RING, steps=1, seeds=seeds, batch=batch, compile=False, progress=False)
        with limits.Shapes() as shapes:
            limits.products(run)(1)
        counted = gu.benchmark.products(run.gan, limits.RING, batch) * seeds
        found = 0
        for (_, forms), count in shapes.seen.items():
            *members, rows, inner = forms[-2][0]
            found += count * (members[0] if members else 1) * 2 * rows * inner * forms[-1][0][-1]
        assert found == 2 * counted, "once when they are recorded, once when they are done again"


GRAPHED = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


@pytest.mark.parametrize("device", GRAPHED)
def test_a_graph_does_the_steps_that_the_pure_step_does(device):
    """On a CPU the graph is a call of the step: what is tried there is the batch that stays in its place."""
    graphs, limits = load("cuda_graphs"), load("limits")
    steps, run = graphs.way("graph", limits.ring_gan(8), limits.RING, seeds=2, batch=8, device=device)
    state = torch.utils._pytree.tree_map(torch.clone, run.state)
    block = torch.utils._pytree.tree_map(lambda part: part.to(run.device), limits.draw(run))
    n = 3
    for i in range(n):
        state, _ = torch.func.vmap(partial(gu.step, run.gan))(state, gu.Batch(*(part[i] for part in block)))
    steps(n)
    for ours, pure in zip(*map(torch.utils._pytree.tree_leaves, (run.state, state)), strict=True):
        torch.testing.assert_close(ours, pure)


def test_maxout_is_the_largest_piece_and_the_published_nets_have_the_published_sizes():
    script = load("pacgan_table1")
    layer = script.Maxout(1, 1, pieces=2)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        layer.linear.bias.zero_()
    assert layer(torch.tensor([[3.0], [-2.0]])).flatten().tolist() == [3.0, 2.0]  # |x|
    G, D = script.generator(), script.discriminator(2)
    sizes = [sum(p.numel() for p in net.parameters()) for net in (G, D)]
    assert sizes == [2 * 400 + 3 * 400**2 + 4 * 2 * 400 + 802, 5_000 + 2 * 201_000 + 201]
    assert (
        abs(D.D[1].linear.weight.std().item() - 0.02) < 1e-3 and script.recipe(2).describe()["play"] == "simultaneous"
    )


def test_time_until_half_of_the_seeds_are_there():
    result = load("time_to_quality").result
    half = result("x", [500, None, 250, 1_000], step_s=0.1, compile_s=5.0)
    assert (half["reached"], half["half_steps"], half["half_s"]) == (3, 500, 55.0)
    assert result("x", [None, None, 250, None], step_s=0.1)["half_s"] is None


def test_the_diagnosis_suite_is_recorded_whole_and_some_of_it_comes_again():
    """Of each condition two cases are judged anew, on data of two kinds."""
    script = load("diagnosis_suite")
    record = json.loads(script.OUT.read_text("utf-8"))
    recorded = {script.Case(*(row[part] for part in script.Case._fields)): row for row in record["cases"]}
    assert list(recorded) == script.cases(script.SEEDS) and record["confusion"] == script.confusion(record["cases"])
    for i, condition in enumerate(script.CONDITIONS):
        for kind in (script.KINDS[i % 4], script.KINDS[(i + 1) % 4]):
            case = script.Case(kind, condition, i % 3, script.FIRST_SEED + i % 4)
            assert script.verdict(case)["verdict"] == recorded[case]["verdict"], case
