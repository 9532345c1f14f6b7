"""Settings of every unit test."""

import json

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import settings

matplotlib.use("Agg")  # tests draw without a screen
# PyTorch gives most of its warnings once a process; then an error made of one would depend on the order of the tests.
torch.set_warn_always(True)

# The same examples each time, and no time limit for one of them: a red run must mean that the code is wrong.
settings.register_profile("repeatable", deadline=None, database=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _no_figure_left_open():
    """Close what a test drew: figures left open are seen by whichever test the same worker runs next."""
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def recorded(request):
    """Return the arrays of the recorded runs that a module names as its FILE."""
    with np.load(request.module.FILE, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def made(recorded):
    """Return how each recipe of that file was made."""
    return json.loads(str(recorded["provenance"]))
