"""gan_utils: train many small GANs at once, see them collapse, measure it, and mend it. ``import gan_utils as gu``."""

from gan_utils import (  # noqa: I001 - a line a name would be half of this file
    benchmark, classifier, critics, data, diagnosis, exercises, losses, memory, metrics, models, monitor, optim,
    penalties, plots, terms, zoo,
)  # fmt: skip
from gan_utils.checkpoint import CheckpointError
from gan_utils.diagnosis import Diagnosis, diagnose
from gan_utils.gan import GAN, Batch, Logs, Player, State, consensus, step, unrolled
from gan_utils.listing import listed
from gan_utils.monitor import CollapseMonitor, CollapseWarning
from gan_utils.recordings import recorded
from gan_utils.run import Frames, Run, Source
from gan_utils.runtime import budget, device, generator, mode
from gan_utils.training import draw_block, fit

__all__ = [
    "GAN", "Batch", "CheckpointError", "CollapseMonitor", "CollapseWarning", "Diagnosis", "Frames", "Logs", "Player",
    "Run", "Source", "State", "benchmark", "budget", "classifier", "consensus", "critics", "data", "device",
    "diagnose", "diagnosis", "draw_block", "exercises", "fit", "generator", "listed", "losses", "memory", "metrics",
    "mode", "models", "monitor", "optim", "penalties", "plots", "recorded", "step", "terms", "unrolled", "zoo",
]  # fmt: skip
