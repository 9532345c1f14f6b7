"""Whole distributions: Fréchet distance, proportions of bins, effective number of samples, width within modes.

Points are rows of features ``[n, d]``. Another d, too few rows, NaN, Inf and other types raise ValueError or TypeError.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gan_utils import checks
from gan_utils.data.mixtures import Mixture
from gan_utils.metrics.clusters import EXACT, k_means, nearest_centre

__all__ = ["NDB", "frechet_distance", "mode_width", "ndb", "vendi"]


def frechet_distance(real: checks.Samples, fake: checks.Samples) -> float:
    """Return the squared Fréchet distance of the Gaussians with the moments of ``[n, d]`` and ``[m, d]``, n, m >= 2.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``, in squared units of the features. Of Inception features it is the FID
    (Heusel et al., 2017), of others it is not, and says so. It mixes quality with diversity, sees two moments only, and is
    too large for few samples: a perfect sampler is above 0 too (``real_against_real``).

    Example:
        The same points moved by (3, 4) keep their covariance, so only the squared shift, 25, is left:

        >>> real = torch.randn(100, 2, generator=gu.generator(0))
        >>> round(gu.metrics.frechet_distance(real, real + torch.tensor([3.0, 4.0])), 2)
        25.0
    """
    real = checks.rows("real", real, least=2)
    fake = checks.rows("fake", fake, least=2, dim=real.shape[1])
    (m1, c1), (m2, c2) = ((x.mean(0), x.T.cov().reshape(x.shape[1], -1)) for x in (real, fake))
    value, vector = torch.linalg.eigh(c1)
    root = vector * value.clamp(min=0).sqrt()  # C1 C2 has the eigenvalues of the symmetric root^T C2 root
    product = torch.linalg.eigvalsh(root.T @ c2 @ root).clamp(min=0)
    return max(0.0, float((m1 - m2).square().sum() + c1.trace() + c2.trace() - 2 * product.sqrt().sum()))


class NDB(NamedTuple):
    """How differently two sets fall into bins."""

    share: float  #: NDB / K, the share of bins that differ; a perfect sampler gets about ``level``, not 0
    js: float  #: nats, the Jensen-Shannon divergence of the two histograms, at most log 2
    real: Tensor  #: int64 ``[K]``, real points in each bin
    fake: Tensor  #: int64 ``[K]``, fake points in each bin


def ndb(real: checks.Samples, fake: checks.Samples, bins: int = 100, *, level: float = 0.05, seed: int = 0) -> NDB:
    """Count the statistically different bins (Richardson & Weiss, 2018) of ``[n, d]`` and ``[m, d]``.

    The bins are the k-means cells of the real points (seeded; no whitening), the test is that of two proportions at
    ``level``. It finds whatever differs at all once n and m are large: compare equal sizes only. ValueError for fewer than
    10 rows a bin (the test takes counts as normal), or fewer different real points than ``bins``.

    Example:
        >>> real = gu.data.ring().sample(800, gu.generator(0))
        >>> gu.metrics.ndb(real, real, bins=8).share
        0.0
        >>> gu.metrics.ndb(real, real[:1].repeat(800, 1), bins=8).share
        1.0
    """
    bins = checks.integer("bins", bins, least=2)
    z = torch.special.ndtri(torch.tensor(1 - checks.number("level", level, above=0, most=1) / 2, dtype=torch.float64))
    real = checks.rows("real", real, least=10 * bins)
    fake = checks.rows("fake", fake, least=10 * bins, dim=real.shape[1])
    seed = checks.integer("seed", seed, least=0)
    middle = real.median(0).values  # as the origin: a far one would cost the distances their precision
    real, fake = real - middle, fake - middle
    try:
        centres = k_means(real, bins, seed=seed)
    except ValueError as error:
        raise ValueError(f"real needs at least bins = {bins} different points; {str(error).split('; ')[1]}") from None
    counts = [torch.bincount(nearest_centre(x, centres), minlength=bins) for x in (real, fake)]
    p, q = (count / count.sum(dtype=torch.float64) for count in counts)
    pooled = (counts[0] + counts[1]) / (len(real) + len(fake))
    deviation = (pooled * (1 - pooled) * (1 / len(real) + 1 / len(fake))).sqrt()
    js = sum(float(torch.special.xlogy(a, 2 * a / (p + q)).nansum()) for a in (p, q)) / 2
    return NDB(float(((p - q).abs() > z * deviation).double().mean()), max(0.0, js), *counts)


def vendi(x: checks.Samples, kernel: str = "cosine", *, bandwidth: float | None = None) -> float:
    """Return the Vendi score of ``[n, d]`` (Friedman & Dieng, 2023): the effective number of different samples, 1 to n.

    It is exp of the entropy of the eigenvalues of K / n. ``"cosine"`` sees directions only and never exceeds d (memory
    min(n, d)^2); ``"gaussian"`` is exp(-distance^2 / 2 bandwidth^2) (memory n^2): samples much nearer than ``bandwidth``,
    which you must give, are one. No kernel asks for quality: noise scores high. Compare with as many real data. ValueError
    for a row of zeros (cosine: no direction).

    Example:
        A hundred samples in three directions at right angles, equally often, count as three:

        >>> round(gu.metrics.vendi(torch.eye(3).repeat(100, 1)), 4)
        3.0
    """
    x = checks.rows("x", x)
    if checks.choice("kernel", kernel, ("cosine", "gaussian")) == "gaussian":
        width = checks.number("bandwidth", bandwidth, above=0)
        gram = (torch.cdist(x, x, compute_mode=EXACT) / width).square().div(-2).exp()
    else:
        norm = x.norm(dim=1, keepdim=True)
        if (norm == 0).any():
            raise ValueError(f"x holds {int((norm == 0).sum())} rows of zeros, which have no direction; remove them.")
        unit = x / norm
        gram = unit.T @ unit if len(x) > x.shape[1] else unit @ unit.T  # the same eigenvalues but for zeros
    share = torch.linalg.eigvalsh(gram / len(x)).clamp(min=0)
    return float(torch.special.entr(share).sum().exp())


def mode_width(samples: checks.Samples, mixture: Mixture, *, within: float = 3.0) -> Tensor:
    """Return, for each mode, the variance of the good samples ``[n, d]`` about their mean over the mixture's: float64 [K].

    1 for a perfect sampler (the cut at ``within`` sd is allowed for, see ``mode_coverage``), 0 for a point per mode: the
    collapse that counting modes cannot see. NaN for a mode with fewer than two good samples.

    Example:
        Two samples at the first mode's very mean, two at a standard deviation to either side of the second one's in every
        direction (a variance of 2, from two samples), and none of the third. The cut is so far out that it plays no part:

        >>> mixture = gu.data.Mixture(100 * torch.eye(3, 50), std=1.0)
        >>> fake = torch.cat([mixture.means[[0, 0]], mixture.means[1] + torch.tensor([[1.0], [-1.0]])])
        >>> [round(width, 2) for width in gu.metrics.mode_width(fake, mixture, within=20).tolist()]
        [0.0, 2.0, nan]
    """
    x = checks.rows("samples", samples, dim=checks.kind("mixture", mixture, Mixture).shape[0])
    within = checks.number("within", within, above=0)
    mode, distance = mixture.nearest(x)
    half, cut = torch.tensor([x.shape[1] / 2, within**2 / 2], dtype=torch.float64)
    kept = torch.special.gammainc(half + 1, cut) / torch.special.gammainc(half, cut)  # of the variance, by the cut
    x, mode = x[distance < within], mode[distance < within]
    count = torch.bincount(mode, minlength=mixture.modes).double()
    mean = x.new_zeros(mixture.modes, *mixture.shape).index_add_(0, mode, x) / count[:, None]
    square = x.new_zeros(mixture.modes).index_add_(0, mode, (x - mean[mode]).square().sum(1))
    width = square / torch.where(count > 1, count - 1, torch.nan)
    return width / (2 * half * kept * mixture.std.to(x).square())
