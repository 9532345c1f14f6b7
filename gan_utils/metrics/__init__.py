"""Measures on samples and on outcomes: pure functions, one file a family."""

from gan_utils.metrics.rates import wilson
from gan_utils.metrics.spread import reach, spread

__all__ = ["reach", "spread", "wilson"]
