"""What every pytest process and every notebook kernel that it starts shall see, and the examples in docstrings."""

import os

import pytest

# Two workers on two cores: more threads each would only fight. Set before torch is imported; kernels inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def doctest_namespace():
    """Return what the examples in gan_utils take as imported, drawing without a screen."""
    import matplotlib
    import torch

    import gan_utils

    matplotlib.use("Agg")
    yield {"gu": gan_utils, "torch": torch}
    matplotlib.pyplot.close("all")
