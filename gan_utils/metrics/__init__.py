"""Measures on samples and on outcomes: pure functions, one file a family."""

from gan_utils.metrics.modes import Coverage, label_coverage, mode_coverage, stacked_labels
from gan_utils.metrics.neighbours import PRDC, Birthday, Memorisation, birthday, memorisation, prdc
from gan_utils.metrics.rates import wilson
from gan_utils.metrics.spread import reach, spread

__all__ = [
    "PRDC",
    "Birthday",
    "Coverage",
    "Memorisation",
    "birthday",
    "label_coverage",
    "memorisation",
    "mode_coverage",
    "prdc",
    "reach",
    "spread",
    "stacked_labels",
    "wilson",
]
