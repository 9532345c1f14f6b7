"""Intervals: how sure a measure is of its number, or a rate over few seeds, and what a perfect sampler would have scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gan_utils import checks, runtime
from gan_utils.checks import Samples

__all__ = ["Interval", "bootstrap", "real_against_real", "report", "wilson"]


Metric = Callable[..., float | Tensor]  # of one set of samples, or of two


class Interval(NamedTuple):
    """A number and where it may lie."""

    value: float  #: from all the rows; the median, of real_against_real
    low: float  #: lower end; the least
    high: float  #: upper end; the greatest


def bootstrap(statistic: Metric, *samples: Samples, repeats: int = 200, seed: int = 0, level: float = 0.95) -> Interval:
    """Return ``statistic(*samples)`` with its percentile bootstrap interval (Efron, 1979).

    The rows ``[n, ...]`` of each set are drawn anew with replacement, independently of the other sets. Good for means and
    shares. What looks at neighbours or pairs (prdc, birthday) or is biased by few rows (frechet_distance) is misled by the
    duplicates: use :func:`real_against_real`, as in ``real_against_real(lambda a, b: prdc(a, b).recall, real)``. Where the
    statistic is ever NaN, so is the interval. ValueError or TypeError for no samples, fewer than two rows, bad numbers, or
    a statistic of several numbers. (NumPy arrays reach the statistic as tensors.)

    Example:
        How well do a hundred samples, of which half are good, determine the share of good ones?

        >>> good = torch.tensor([0.0, 1.0]).repeat(50)
        >>> share = gu.metrics.bootstrap(torch.mean, good)
        >>> share.value, 0.35 < share.low < 0.45, 0.55 < share.high < 0.65
        (0.5, True, True)
    """
    level = checks.number("level", level, above=0, most=1)
    samples = _several("samples", samples, 2)
    value, draws = _one("statistic", checks.kind("statistic", statistic, Callable)(*samples)), []
    for i in range(checks.integer("repeats", repeats, least=2)):
        rng = runtime.generator(seed, i)
        drawn = (x[torch.randint(len(x), (len(x),), generator=rng).to(x.device)] for x in samples)
        draws.append(float(statistic(*drawn)))
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def real_against_real(metric: Metric, real: Samples, *, repeats: int = 20, seed: int = 0) -> Interval:
    """Return the median, least and greatest ``metric(half, other half)`` over random halvings of real data ``[n, ...]``.

    So a perfect sampler would score: compare with the metric of n // 2 real and n // 2 fake rows. The halvings share their
    rows, so the range is a little too narrow. ValueError or TypeError for fewer than four rows, bad numbers, or a metric of
    several numbers.

    Example:
        Two sets of 100 points of one distribution are never at Fréchet distance 0:

        >>> real = torch.randn(200, 2, generator=gu.generator(0))
        >>> gu.metrics.real_against_real(gu.metrics.frechet_distance, real).low > 0
        True
    """
    (real,) = _several("real", (real,), 4)
    half, scores = len(real) // 2, []
    checks.kind("metric", metric, Callable)
    for i in range(checks.integer("repeats", repeats)):
        order = torch.randperm(len(real), generator=runtime.generator(seed, i)).to(real.device)
        scores.append(_one("metric", metric(real[order[:half]], real[order[half : 2 * half]])))
    return Interval(*(float(take(scores)) for take in (np.median, np.min, np.max)))


def report(measured: Mapping[str, Samples], perfect: Mapping[str, Samples], *, level: float = 0.95) -> pd.DataFrame:
    """Return a table of what the seeds of a recipe scored beside what perfect samplers score, a row for each measure.

    Args:
        measured: the measures by name, each with one value for every seed, ``[seeds]``.
        perfect: the same measures of perfect samplers, ``[repeats]``, each from as many samples as a seed gave.
        level: of both ranges.

    Columns: ``mean`` over the seeds and its :func:`bootstrap` interval, ``low`` to ``high``; the median of the ``perfect``
    samplers and their middle ``level``, ``perfect_low`` to ``perfect_high``; how many seeds lie ``inside`` that range (its
    ends included), of how many ``seeds``; and how many are ``valued``. A seed whose value is NaN is not: it counts as
    outside, and is left out of the mean, which then flatters. Below two values there is no interval (NaN). ValueError or
    TypeError for other names on the two sides, or what is no tensor or array ``[n]``.
    """
    if set(checks.kind("measured", measured, Mapping)) != set(checks.kind("perfect", perfect, Mapping)):
        raise ValueError(f"perfect must hold the measures of measured, {list(measured)}; got {list(perfect)}.")
    tail, rows = (1 - checks.number("level", level, above=0, most=1)) / 2, {}
    for name in measured:
        seeds = checks.shaped(f"measured[{name!r}]", checks.tensor(measured[name]), None).double()
        ideal = checks.shaped(f"perfect[{name!r}]", checks.tensor(perfect[name]), None).double()
        middle, low, high = np.quantile(ideal.cpu(), [0.5, tail, 1 - tail])
        known = seeds[~seeds.isnan()]
        mean = Interval(float(known.mean()), np.nan, np.nan)
        mean = bootstrap(torch.mean, known, repeats=2_000, level=level) if len(known) > 1 else mean
        inside = int(((known >= low) & (known <= high)).sum())
        rows[name] = [*mean, middle, low, high, inside, len(seeds), len(known)]
    columns = ["mean", "low", "high", "perfect", "perfect_low", "perfect_high", "inside", "seeds", "valued"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _one(name: str, given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"{name} must return one number; got {checks.form(given)}: take one field or entry of it."
        ) from None


def _several(name: str, samples: tuple[Samples, ...], least: int) -> tuple[Tensor, ...]:
    sets = tuple(map(checks.tensor, samples))
    if sets and all(isinstance(x, Tensor) and x.ndim > 0 and len(x) >= least for x in sets):
        return sets
    given = ", ".join(map(checks.form, sets)) or "none"
    raise ValueError(f"{name} must be tensors or arrays of at least {least} rows; got {given}.")


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
