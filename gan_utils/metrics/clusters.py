"""Clusters of points: k-means, and how many clusters there are, if any."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_utils import checks, runtime

__all__ = ["find_modes", "k_means", "nearest_centre"]

EXACT = "donot_use_mm_for_euclid_dist"  # by differences: equal points are at distance 0, wherever they lie
AT_ONCE = 2_000  # points that find_modes looks at
SPLITS = 3  # halvings that must agree: in one, cells that are merely drawn may fall in the same place
DIMENSIONS = 16  # that find_modes looks in
LEAST = 10  # points of each half that a mode must have on average


def k_means(x: Tensor, k: int, *, seed: int = 0) -> Tensor:
    """Return k centres ``[k, d]`` of points ``[n, d]``: Lloyd's algorithm from greedy k-means++ (Arthur & Vassilvitskii, 2007).

    ValueError for fewer different points than k.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [10.0], [12.0]])
        >>> sorted(gu.metrics.k_means(x, 2).flatten().tolist())
        [0.5, 11.0]
    """
    x, k = checks.rows("x", x), checks.integer("k", k)
    seeds = _far_apart(x, k, runtime.generator(seed))
    if len(seeds) < k:
        raise ValueError(f"x must hold at least k = {k} different points; got {len(seeds)}.")
    return _lloyd(x, seeds)


def find_modes(x: Tensor, *, most: int = 40, strength: float = 0.8, seed: int = 0) -> Tensor:
    """Return the centres ``[k, d]`` of the modes of ``[n, d]``; one centre, the mean, where no modes stand out.

    Prediction strength (Tibshirani & Walther, 2005): halve the points, find k clusters in either half, and ask how often
    two points that are together by their own half's clusters are so by the other's, in the worst cluster. Modes that are
    there are found twice; clusters that k-means merely draws are not. Takes the largest k <= ``most`` whose strength is at
    least ``strength`` (0.8 to 0.9 in the paper) in each of three halvings, and whose neighbours have a valley between them.
    Looks at 2,000 points, and at k up to a twentieth of them. Classes that overlap, as MNIST's do in pixels, are not found.

    Example:
        >>> len(gu.metrics.find_modes(gu.data.ring(modes=5).sample(500, gu.generator(0))))
        5
    """
    x, most = checks.rows("x", x), checks.integer("most", most)
    strength = checks.number("strength", strength, least=0, most=1)
    rng = runtime.generator(seed)
    x = x.cpu()[torch.randperm(len(x), generator=rng)[:AT_ONCE]]
    flat = _principal(x)
    most = min(most, len(x) // 2 // LEAST)
    if most < 2 or (x == x[0]).all():
        return x.mean(0, keepdim=True)
    splits = [_Split(flat, 2 * most, rng) for _ in range(SPLITS)]
    for k in range(most, 1, -1):
        if all(split.strength(k) >= strength for split in splits):
            centres = _lloyd(flat, splits[0].trees[0][k])
            if _apart(flat, centres):
                cell = nearest_centre(flat, centres)
                return torch.stack([x[cell == c].mean(0) for c in range(k)])
    return x.mean(0, keepdim=True)


def _principal(x: Tensor) -> Tensor:
    """Return x in the coordinates of its first DIMENSIONS principal axes: noise in many others would hide the modes."""
    x = x - x.mean(0)
    if x.shape[1] <= DIMENSIONS:
        return x
    return x @ torch.linalg.svd(x, full_matrices=False).Vh[:DIMENSIONS].T


def nearest_centre(x: Tensor, centres: Tensor) -> Tensor:
    """Return which centre of ``[k, d]`` each point of ``[n, d]`` is nearest to: int64 ``[n]``."""
    centres = checks.floats("centres", centres, None, None)
    if not isinstance(x, Tensor) or len(x):
        checks.floats("x", x, None, centres.shape[1])
    middle = centres.mean(0)  # far from the origin cdist would lose what sets centres apart
    return torch.cdist(x - middle, centres - middle).argmin(1)


def _far_apart(x: Tensor, k: int, rng: torch.Generator) -> Tensor:
    """Return up to k of the points, each far from those before; the first j of them serve for j clusters.

    The best of eight candidates is taken: with one, clusters are missed (of the ring's eight modes in 4 of 8 seeds).
    """
    centres = x[torch.randint(len(x), (1,), generator=rng).to(x.device)]
    far = (x - centres).square().sum(1)
    while len(centres) < k and (far > 0).any():
        tried = x[torch.multinomial(far.cpu(), 8, replacement=True, generator=rng).to(x.device)]
        left = torch.cdist(x, tried, compute_mode=EXACT).square().minimum(far[:, None])
        best = int(left.sum(0).argmin())
        centres, far = torch.cat([centres, tried[best, None]]), left[:, best]
    return centres


def _lloyd(x: Tensor, centres: Tensor, steps: int = 100) -> Tensor:
    for _ in range(steps):
        cell = nearest_centre(x, centres)
        count = torch.bincount(cell, minlength=len(centres))[:, None]
        moved = torch.where(count > 0, torch.zeros_like(centres).index_add_(0, cell, x) / count, centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres


def _merged(x: Tensor, k: int, rng: torch.Generator) -> dict[int, Tensor]:
    """Return centres of 1 to k clusters: k small ones, and the two whose union costs least made one, again and again.

    Ward's method (1963). Unlike k-means from scratch it does not miss a mode for an unlucky start.
    """
    centres = _lloyd(x, _far_apart(x, k, rng))
    size = torch.bincount(nearest_centre(x, centres), minlength=len(centres)).double()
    centres, size = centres[size > 0], size[size > 0]
    tree = {len(centres): centres}
    while len(centres) > 1:
        cost = torch.cdist(centres, centres, compute_mode=EXACT).square() / (1 / size[:, None] + 1 / size)
        i, j = divmod(int(cost.fill_diagonal_(torch.inf).argmin()), len(centres))
        middle = (size[i] * centres[i] + size[j] * centres[j]) / (size[i] + size[j])
        rest = [c for c in range(len(centres)) if c not in (i, j)]
        centres = torch.cat([centres[rest], middle[None]])
        size = torch.cat([size[rest], (size[i] + size[j])[None]])
        tree[len(centres)] = centres
    return tree


class _Split:
    """Two random halves of the points, each with its clusters of every number."""

    def __init__(self, x: Tensor, k: int, rng: torch.Generator) -> None:
        order = torch.randperm(len(x), generator=rng)
        self.halves = x[order[: len(x) // 2]], x[order[len(x) // 2 :]]
        self.trees = [_merged(half, k, rng) for half in self.halves]

    def strength(self, k: int) -> float:
        """Return how often points that are together by their own half's clusters are so by the other's."""
        if any(k not in tree for tree in self.trees):
            return 0.0  # too few different points for k clusters
        a, b = (_lloyd(half, tree[k]) for half, tree in zip(self.halves, self.trees, strict=True))
        return min(_agreement(self.halves[0], a, b), _agreement(self.halves[1], b, a))


def _apart(x: Tensor, centres: Tensor) -> bool:
    """Return whether each cluster and its nearest one hold fewer points half-way between them than a half of those beside
    their centres. (On a line, the halves of one cloud agree whatever is asked: the cut is always at its middle.)"""
    cell = nearest_centre(x, centres)
    nearest = torch.cdist(centres, centres).fill_diagonal_(torch.inf).argmin(1)
    for c, other in enumerate(nearest.tolist()):
        way = centres[other] - centres[c]
        along = (x[(cell == c) | (cell == other)] - centres[c]) @ way / way.square().sum()
        beside, between = ((along - at).abs() < 0.1 for at in (along.round(), 0.5))
        if between.sum() > beside.sum() / 4:  # beside counts the points at two centres
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
