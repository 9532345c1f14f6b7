"""Rates over seeds, with the interval that few seeds deserve."""

from __future__ import annotations

import math

from gan_utils import checks

__all__ = ["wilson"]


def wilson(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's (1927) interval for a rate of which k of n trials are known; z = 1.96 gives 95 %.

    Unlike ``rate +- z * standard error`` it stays within [0, 1] and keeps a width where k is 0 or n. ValueError for
    k > n.

    Example:
        Collapse in none of ten seeds: it may still happen in more than a quarter of all.

        >>> low, high = gu.metrics.wilson(0, 10)
        >>> round(low, 3), round(high, 3)
        (0.0, 0.278)
    """
    n = checks.integer("n", n)
    k = checks.integer("k", k, least=0)
    if k > n:
        raise ValueError(f"k must be at most n = {n}; got {k}.")
    z = checks.number("z", z, above=0)
    rate, shrink = k / n, 1 + z * z / n
    middle = (rate + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
