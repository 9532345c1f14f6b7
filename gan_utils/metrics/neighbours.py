"""Samples against samples, by nearest neighbours: fidelity, diversity, copies of the training data, size of the support.

Points are rows of features ``[n, d]`` (images: the classifier's features, or ``x.flatten(1)``). All is computed in float64
and in bounded memory, block by block; points nearer than about 4e-7 of their distance from the middle count as equal.
Another d, too few rows, NaN, Inf and other types raise ValueError or TypeError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import nan
from typing import NamedTuple

import torch
from torch import Tensor

from gan_utils import checks

__all__ = ["PRDC", "Birthday", "Memorisation", "birthday", "memorisation", "prdc"]

CELLS = 2**21  # distances held at a time: 16 MiB in float64
SLACK = 1 + 1e-9  # radii are this much wider, so that rounding breaks no ties


class PRDC(NamedTuple):
    """Fidelity (precision, density) and diversity (recall, coverage) of fake points."""

    precision: float  #: share of fakes within the k-th-neighbour ball of some real point
    recall: float  #: share of real points within the k-th-neighbour ball of some fake
    density: float  #: the number of real balls a fake lies in, over k; 1 for real data on average, not bounded by it
    coverage: float  #: share of real points whose ball holds a fake


def prdc(real: checks.Samples, fake: checks.Samples, k: int = 5) -> PRDC:
    """Compare ``[n, d]`` with ``[m, d]``: precision, recall (Kynkäänniemi et al., 2019); the rest Naeem et al. (2020).

    A ball reaches from a point to its k-th nearest neighbour of its own kind, surface included (``<=``) as in the first
    paper. The second one's code has ``<``: there a ball of radius 0 is empty, and data that hold each point more than k
    times score 0 against themselves. The price: a set against its very copy has density (k + 1) / k.

    Even a perfect sampler scores below 1 (in 1,000 dimensions about a half in precision and recall), outliers raise both,
    and all four depend on n and m: ``real_against_real`` gives the scale. ValueError for fewer than k + 1 rows, and for
    real points that are all the same.

    Example:
        Data in two heaps, and a copy of one of them: every sample is near data, half of the data near no sample.

        >>> real = torch.cat([torch.randn(100, 2, generator=gu.generator(side)) + 100 * side for side in (0, 1)])
        >>> scores = gu.metrics.prdc(real, real[:100])
        >>> scores.precision, scores.recall, scores.coverage
        (1.0, 0.5, 0.5)
    """
    k = checks.integer("k", k)
    real = checks.rows("real", real, least=k + 1)
    fake = checks.rows("fake", fake, least=k + 1, dim=real.shape[1])
    if (real == real[0]).all():
        raise ValueError("real must hold different points; got the same one in every row.")
    real_ball, fake_ball = _ball(real, k), _ball(fake, k)
    precise, recalled, covered, pairs = torch.zeros(len(fake), dtype=torch.bool, device=fake.device), 0, 0, 0
    for part, square in _squares(real, fake):
        inside = square <= real_ball[part, None]
        precise |= inside.any(0)
        covered += int(inside.any(1).sum())
        pairs += int(inside.sum())
        recalled += int((square <= fake_ball).any(1).sum())
    n, m = len(real), len(fake)
    return PRDC(int(precise.sum()) / m, recalled / n, density=pairs / (k * m), coverage=covered / n)


class Memorisation(NamedTuple):
    """Are fakes nearer to the training data than other real data are? In brackets: a perfect sampler, exact copies."""

    ratio: float  #: the fakes' median distance to their nearest training point, over the held-out data's (1; 0)
    nearer: float  #: how often a fake is nearer than a held-out point, ties half (.5, sd ((n+m+1) / 12nm)^(1/2); 1)
    copied: float  #: share of fakes as near as the nearest 1 % of held-out data (.01; 1)


def memorisation(train: checks.Samples, held_out: checks.Samples, fake: checks.Samples) -> Memorisation:
    """Compare the distances of fakes and of held-out real data to their nearest training point, all ``[., d]``.

    ``nearer`` is the Mann-Whitney statistic of Meehan et al. (2020), over the whole space instead of cell by cell: what
    collapsed to where data are dense is nearer too, without copying. NaN, that is "cannot say", where half of held_out
    (for ``copied``: 1 %) lies in train itself.

    Example:
        >>> train, held_out = torch.randn(2, 500, 2, generator=gu.generator(0))
        >>> copies = gu.metrics.memorisation(train, held_out, fake=train[:100])
        >>> copies.ratio, copies.nearer, copies.copied
        (0.0, 1.0, 1.0)
    """
    train = checks.rows("train", train)
    held_out, fake = (checks.rows(*pair, dim=train.shape[1]) for pair in (("held_out", held_out), ("fake", fake)))
    ours, others = (_each(x, train, lambda square: square.amin(1)).sqrt() for x in (fake, held_out))
    near, middle = (float(others.quantile(q, interpolation="lower")) for q in (0.01, 0.5))
    others = others.sort().values
    below, upto = (torch.searchsorted(others, ours, right=right).double().mean() for right in (False, True))
    return Memorisation(
        ratio=float(ours.quantile(0.5, interpolation="lower")) / middle if middle > 0 else nan,
        nearer=1 - float(below + upto) / (2 * len(others)) if middle > 0 else nan,
        copied=float((ours <= near).double().mean()) if near > 0 else nan,
    )


class Birthday(NamedTuple):
    """How many different outputs there seem to be, from how often two of n samples are the same."""

    pairs: int  #: pairs of samples at most ``within`` apart
    support: float  #: n (n - 1) / (2 pairs), one over the chance that two samples agree; NaN (cannot say) without pairs
    at_least: float  #: the same for the upper 95 % limit of a Poisson number of pairs; given without pairs too


def birthday(samples: checks.Samples, within: float) -> Birthday:
    """Estimate the size of the support from ``[n, d]`` by the birthday paradox (Arora et al., 2018).

    Of N equally likely outputs, about N^(1/2) samples hold a pair. Where outputs are not equally likely, which is the
    assumption, frequent ones make the pairs and N is larger: support is then 1 / sum p^2. ``within`` is the distance at
    which two samples are the same to you, 0 for exact copies (the paper asks the eye). Too large a one finds pairs among
    real data too, so do the same to n of those.

    Example:
        Of four samples, which make six pairs, two are the same: there seem to be 6 / 1 outputs.

        >>> found = gu.metrics.birthday(torch.tensor([[0.0], [1.0], [2.0], [0.0]]), within=0)
        >>> found.pairs, found.support
        (1, 6.0)
    """
    within, samples = checks.number("within", within, least=0), checks.rows("samples", samples, least=2)
    n = len(samples)
    pairs = (sum(int((square <= within**2 * SLACK).sum()) for _, square in _squares(samples, samples)) - n) // 2
    c = pairs + 1  # Wilson and Hilferty's cube for the chi-square quantile that is the exact Poisson limit
    most = c * (1 - 1 / (9 * c) + 1.645 / (3 * c**0.5)) ** 3
    return Birthday(pairs, n * (n - 1) / (2 * pairs) if pairs else nan, n * (n - 1) / (2 * most))


def _ball(x: Tensor, k: int) -> Tensor:
    """Return the squared distance ``[n]`` of each row to its k-th nearest other; the nearest of all is the row itself."""
    return SLACK * _each(x, x, lambda square: square.topk(k + 1, largest=False).values[:, k])


def _each(x: Tensor, y: Tensor, take: Callable[[Tensor], Tensor]) -> Tensor:
    """Return ``take(squared distances to y)`` for each row of x, written in place: small tensors kept from block to block
    would lie between the blocks' memory and keep all of it from being used again (17 GB for 50,000 points)."""
    out = x.new_empty(len(x))
    for part, square in _squares(x, y):
        out[part] = take(square)
    return out


def _squares(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield blocks of rows of x with their squared distances to all of y: by the dot-product, which is fast."""
    centre = y.median(0).values  # not the mean, which one far outlier drags away, and with it everybody's precision
    x, y = x - centre, y - centre
    x_norm, y_norm = x.square().sum(1, keepdim=True), y.square().sum(1)
    step = max(1, CELLS // len(y))
    for part in (slice(first, first + step) for first in range(0, len(x), step)):
        scale = x_norm[part] + y_norm
        square = torch.addmm(scale, x[part], y.T, alpha=-2)
        yield part, square.masked_fill_(square <= scale.mul_(1e-13), 0.0)  # what rounding leaves of a zero
