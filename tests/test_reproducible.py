"""What is promised of two runs with the same seed: the same history, to the bit or to a stated tolerance.

Tested elsewhere: that a seed in an ensemble equals that seed alone, to rounding (``test_training.py``, every recipe in
``test_zoo.py``); that a resumed run is bitwise an undisturbed one (there too, and after a kill in ``test_survival.py``);
that noise is a function of seed and block alone (``test_training.py``). Here: whole histories, other processes, threads,
versions of PyTorch.

As a script this file prints the histories of :data:`CASES` with as many threads as it is told. That is how the files in
``histories`` were made, one for a version of PyTorch: ``python tests/test_reproducible.py 1 > tests/histories/torch-X.json``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

import gan_utils as gu

THREADS = [1, 2, 4]
PROJECT = Path(__file__).parents[1] / "pyproject.toml"
RECORDED = sorted((Path(__file__).parent / "histories").glob("torch-*.json"))
# The tolerances of test_handwritten_loop.py, where the order of sums is all that differs, too. Gradient descent keeps
# rounding small; Adam divides by the gradient's size and lets it grow.
CASES = {"sgd": (gu.optim.sgd(0.1), 2e-5), "adam": (gu.optim.adam(1e-3), 5e-3)}


def history(case: str, seeds: list[int] | None = None) -> pd.DataFrame:
    """Train on batches large enough (512 x 128 numbers) for torch to share them out among threads."""
    G, D = gu.models.mlp(2, 128, 128, 2), gu.models.mlp(2, 128, 128, 1, slope=0.2)
    gan = gu.GAN(G, D, opt_g=CASES[case][0], opt_d=CASES[case][0])
    more = {"device": "cpu", "compile": False, "progress": False, "log_every": 1}
    return gu.fit(gan, gu.data.ring(), steps=20, seeds=seeds or [3, 5], batch=512, **more).history


def apart(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Return the largest difference of two histories of the same steps."""
    one, other = (table.set_index(["seed", "step"]).astype(float) for table in (one, other))
    assert one.index.equals(other.index) and list(one) == list(other)
    return float((one - other).abs().to_numpy().max())


@pytest.fixture(scope="module")
def elsewhere() -> dict:
    """The histories that another process finds: {threads: {case: table}}."""
    root = str(Path(gu.__file__).parents[1])
    env = os.environ | {"PYTHONPATH": root + os.pathsep + os.environ.get("PYTHONPATH", ""), "PYTHONHASHSEED": "7"}
    env.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, __file__, *map(str, THREADS)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return {int(n): {case: pd.DataFrame(rows) for case, rows in found.items()} for n, found in said.items()}


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["r3gan", "unrolled", "minibatch-discrimination", "gdpp", "replay", "instance-noise"])
def test_the_same_seed_gives_the_same_history_bit_for_bit(name):
    ring = gu.data.ring()

    def run() -> pd.DataFrame:
        spread = [lambda step, run: {"spread": gu.metrics.spread(run.sample(50))}]
        more = {"device": "cpu", "compile": False, "progress": False, "log_every": 1, "callbacks": spread}
        return gu.fit(gu.zoo.build(name, ring), ring, steps=6, seeds=2, batch=16, **more).history

    torch.manual_seed(1)
    first = run()
    torch.manual_seed(2)  # what others draw must not matter
    pd.testing.assert_frame_equal(first, run(), check_exact=True)
    assert first["d_loss"].nunique() == len(first) and first["spread"].notna().any()


@pytest.mark.parametrize("case", CASES)
def test_another_process_finds_the_same_history_bit_for_bit(case, elsewhere, one_thread):
    pd.testing.assert_frame_equal(history(case), elsewhere[1][case], check_exact=True, check_dtype=False)


@pytest.mark.parametrize("threads", THREADS[1:])
@pytest.mark.parametrize("case", CASES)
def test_more_threads_find_it_within_the_stated_tolerance(case, threads, elsewhere):
    one, many = (elsewhere[n][case] for n in (1, threads))
    assert apart(one, many) <= CASES[case][1]
    moved = one.groupby("seed")["d_loss"].agg(lambda loss: loss.max() - loss.min())
    assert float(moved.min()) > 1e-2, "the losses must move for the comparison to mean anything"


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
@pytest.mark.parametrize("case", CASES)
def test_another_version_of_pytorch_finds_it_within_the_stated_tolerance(case, path, one_thread):
    recorded = pd.DataFrame(json.loads(path.read_text("utf-8"))["1"][case])
    assert apart(history(case), recorded) <= CASES[case][1]


def test_the_oldest_supported_pytorch_is_among_the_recorded():
    (least,) = re.findall(r'"torch>=([\d.]+)"', PROJECT.read_text("utf-8"))
    assert any(path.stem.startswith(f"torch-{least}.") for path in RECORDED)


@pytest.mark.parametrize("case", CASES)
def test_another_seed_is_farther_off_than_the_tolerance(case, elsewhere):
    both = elsewhere[1][case].pivot(index="step", columns="seed", values="d_loss")
    assert float((both[3] - both[5]).abs().max()) > 2 * CASES[case][1]


if __name__ == "__main__":
    found = {}
    for n in map(int, sys.argv[1:]):
        torch.set_num_threads(n)
        found[n] = {case: history(case).to_dict("records") for case in CASES}
    print(json.dumps(found))
