"""Settings of every unit test."""

import matplotlib
import torch

matplotlib.use("Agg")  # tests draw without a screen
# PyTorch gives most of its warnings once a process; then an error made of one would depend on the order of the tests.
torch.set_warn_always(True)
