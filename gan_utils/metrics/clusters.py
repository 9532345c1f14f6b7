"""Clusters of points: k-means, and how many clusters there are, if any."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from gan_utils import checks, runtime

__all__ = ["find_modes", "k_means", "nearest_centre"]

EXACT = "donot_use_mm_for_euclid_dist"  # by differences: equal points are at distance 0, wherever they lie
AT_ONCE = 2_000  # points that find_modes looks at
SPLITS = 3  # halvings that must agree: in one, cells that are merely drawn may fall in the same place
DIMENSIONS = 16  # that find_modes looks in
LEAST = 10  # points of each half that a mode must have on average


def k_means(x: checks.Samples, k: int, *, seed: int = 0) -> Tensor:
    """Return k centres ``[k, d]`` of points ``[n, d]``: scikit-learn's, by Lloyd's algorithm.

    It starts once from greedy k-means++ (Arthur & Vassilvitskii, 2007). ValueError for fewer different points than k.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [10.0], [12.0]])
        >>> sorted(gu.metrics.k_means(x, 2).flatten().tolist())
        [0.5, 11.0]
    """
    x, k = checks.rows("x", x), checks.integer("k", k)
    different = len(x.unique(dim=0))
    if different < k:
        raise ValueError(f"x must hold at least k = {k} different points; got {different}.")
    return _fitted(x, k, random_state=int(torch.randint(2**31, (), generator=runtime.generator(seed))))


def find_modes(x: checks.Samples, *, least: int = 2, most: int = 40, strength: float = 0.8, seed: int = 0) -> Tensor:
    """Return the centres ``[k, d]`` of the modes of ``[n, d]``; one centre, the mean, where no modes stand out.

    Prediction strength (Tibshirani & Walther, 2005): halve the points, find k clusters in either half, and ask how often
    two points that are together by their own half's clusters are so by the other's, in the worst cluster. Modes that are
    there are found twice; clusters that are merely drawn are not. (Ward's method draws them here; k-means refines the last.)
    Takes the largest k from ``least`` to ``most`` whose strength is at least ``strength`` (0.8 to 0.9 in the paper) in each of
    three halvings, and whose neighbours have a valley between them. Looks at 2,000 points, and at k up to a twentieth of them.
    Classes that overlap, as MNIST's do in pixels, are not found.

    Example:
        >>> len(gu.metrics.find_modes(gu.data.ring(modes=5).sample(500, gu.generator(0))))
        5
    """
    x, least, most = checks.rows("x", x), checks.integer("least", least, least=2), checks.integer("most", most)
    strength = checks.number("strength", strength, least=0, most=1)
    rng = runtime.generator(seed)
    where, x = x.device, x.cpu()[torch.randperm(len(x), generator=rng)[:AT_ONCE]]
    flat = _principal(x)
    most = min(most, len(x) // 2 // LEAST)
    if most < least or (x == x[0]).all():
        return x.mean(0, keepdim=True).to(where)
    splits = [_Split(flat, rng) for _ in range(SPLITS)]
    for k in range(most, least - 1, -1):
        if all(split.strength(k) >= strength for split in splits):
            centres = _fitted(flat, k, init=splits[0].centres(0, k).numpy())
            if _apart(flat, centres):
                cell = nearest_centre(flat, centres)
                return torch.stack([x[cell == c].mean(0) for c in range(k)]).to(where)
    return x.mean(0, keepdim=True).to(where)


def _principal(x: Tensor) -> Tensor:
    """Return x in the coordinates of its first DIMENSIONS principal axes: noise in many others would hide the modes."""
    x = x - x.mean(0)
    if x.shape[1] <= DIMENSIONS:
        return x
    return x @ torch.linalg.svd(x, full_matrices=False).Vh[:DIMENSIONS].T


def nearest_centre(x: checks.Samples, centres: checks.Samples) -> Tensor:
    """Return which centre of ``[k, d]`` each point of ``[n, d]`` is nearest to: int64 ``[n]``."""
    x, centres = checks.tensor(x), checks.floats("centres", centres, None, None).double()
    if not isinstance(x, Tensor) or len(x):
        x = checks.floats("x", x, None, centres.shape[1])
    middle = centres.mean(0)  # far from the origin cdist would lose what sets centres apart
    return torch.cdist(x.double() - middle, centres - middle).argmin(1)


def _fitted(x: Tensor, k: int, **start: Any) -> Tensor:
    from sklearn.cluster import KMeans  # here, since importing it takes a while, as scipy.cluster does

    return torch.from_numpy(KMeans(k, n_init=1, **start).fit(x.cpu().numpy()).cluster_centers_).to(x.device)


class _Split:
    """Two random halves of the points, each with its clusters of every number.

    By Ward's method (1963), which merges from single points on: unlike k-means it does not miss a mode for an unlucky start.
    """

    def __init__(self, x: Tensor, rng: torch.Generator) -> None:
        from scipy.cluster.hierarchy import fcluster, ward

        order = torch.randperm(len(x), generator=rng)
        self.halves = x[order[: len(x) // 2]], x[order[len(x) // 2 :]]
        self.cuts = [partial(fcluster, ward(half.numpy()), criterion="maxclust") for half in self.halves]

    def centres(self, i: int, k: int) -> Tensor:
        """Return the middles of the i-th half's k clusters; of fewer, where it has fewer different points."""
        cell, half = torch.from_numpy(self.cuts[i](t=k)).long() - 1, self.halves[i]
        size = torch.bincount(cell)[:, None]
        return half.new_zeros(len(size), half.shape[1]).index_add_(0, cell, half) / size

    def strength(self, k: int) -> float:
        """Return how often points that are together by their own half's clusters are so by the other's."""
        a, b = self.centres(0, k), self.centres(1, k)
        if len(a) < k or len(b) < k:
            return 0.0
        return min(_agreement(self.halves[0], a, b), _agreement(self.halves[1], b, a))


def _apart(x: Tensor, centres: Tensor) -> bool:
    """Return whether each cluster and its nearest one hold fewer points half-way between them than a half of those at either
    centre. (On a line, the halves of one cloud agree whatever is asked: the cut is always at its middle.)"""
    cell = nearest_centre(x, centres)
    nearest = torch.cdist(centres, centres).fill_diagonal_(torch.inf).argmin(1)
    for c, other in enumerate(nearest.tolist()):
        way = centres[other] - centres[c]
        along = (x[(cell == c) | (cell == other)] - centres[c]) @ way / way.square().sum()
        own, between, others = (((along - at).abs() < 0.1).sum() for at in (0, 0.5, 1))
        if between > min(own, others) / 2:  # the lesser of the two: a tail that only falls has no valley
            return False
    return True


def _agreement(x: Tensor, own: Tensor, other: Tensor) -> float:
    """Return the least share, over the own clusters of x, of pairs that share a cluster of the other's too."""
    k = len(own)
    pair = nearest_centre(x, own) * k + nearest_centre(x, other)
    both = torch.bincount(pair, minlength=k * k).view(k, k).double()
    size = both.sum(1)
    together = (both * (both - 1)).sum(1) / (size * (size - 1))  # 0 / 0 for one point, or none: no pairs, no say
    return float(together.nan_to_num(nan=1.0).min())
