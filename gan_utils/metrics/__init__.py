"""Measures on samples and on outcomes: pure functions, one file a family."""

from gan_utils.metrics.modes import Coverage, label_coverage, mode_coverage, stacked_labels
from gan_utils.metrics.rates import wilson
from gan_utils.metrics.spread import reach, spread

__all__ = ["Coverage", "label_coverage", "mode_coverage", "reach", "spread", "stacked_labels", "wilson"]
