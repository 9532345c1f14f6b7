"""Measures on samples and on outcomes: pure functions, one file a family. Samples are tensors or NumPy arrays."""

from gan_utils.metrics.clusters import find_modes, k_means, nearest_centre
from gan_utils.metrics.distributions import NDB, frechet_distance, mode_width, ndb, vendi
from gan_utils.metrics.intervals import Interval, bootstrap, real_against_real, report, wilson
from gan_utils.metrics.modes import Coverage, label_coverage, mode_coverage, stacked_labels
from gan_utils.metrics.neighbours import PRDC, Birthday, Memorisation, birthday, memorisation, prdc
from gan_utils.metrics.spread import spread

__all__ = [
    "NDB", "PRDC", "Birthday", "Coverage", "Interval", "Memorisation", "birthday", "bootstrap",
    "find_modes", "frechet_distance", "k_means", "label_coverage", "memorisation", "mode_coverage", "mode_width",
    "ndb", "nearest_centre", "prdc", "real_against_real", "report", "spread", "stacked_labels", "vendi",
    "wilson",
]  # fmt: skip
