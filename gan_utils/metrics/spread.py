"""How far samples lie from one another, and data from the samples: distances alone, no classifier is asked."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_utils import checks

__all__ = ["reach", "spread"]


def spread(x: Tensor) -> Tensor:
    """Return the mean Euclidean distance between two different samples, ``[*members, n, d] -> [*members]``, n >= 2.

    Divide by the data's own: 0 means one and the same output whatever the latent, about 1 as varied as the data. It
    sees variety only; noise is varied too. ValueError for fewer than two samples.

    Example:
        Two points a distance of 5 apart; and one point for all latents, which is complete collapse:

        >>> gu.metrics.spread(torch.tensor([[0.0, 0.0], [3.0, 4.0]])).item()
        5.0
        >>> gu.metrics.spread(torch.ones(20, 2)).item()
        0.0
    """
    x = _rows(x, "x", least=2)
    n, x = x.shape[-2], x - x.flatten(0, -2).mean(0)  # far from the origin cdist would lose what sets samples apart
    return torch.cdist(x, x).sum(dim=(-2, -1)) / (n * (n - 1))


def reach(x: Tensor, data: Tensor) -> Tensor:
    """Return the mean distance from data ``[m, d]`` to the nearest of n samples, ``[*members, n, d] -> [*members]``.

    Divide by the same for as many fresh data: about 1 for samples as good as data, more where kinds of data are
    missing, and for noise. It falls with n, so compare equal n.

    Example:
        Half of the data lie 1 away from the only sample, the other half 3:

        >>> gu.metrics.reach(torch.zeros(1, 1), torch.tensor([[1.0], [3.0]])).item()
        2.0
    """
    x = _rows(x, "x")
    data = checks.floats("data", data, None, x.shape[-1]).to(torch.promote_types(x.dtype, data.dtype))
    x, middle = x.to(data.dtype), data.mean(0)
    return torch.cdist(data - middle, x - middle).amin(dim=-1).mean(dim=-1)


def _rows(x: Tensor, name: str, least: int = 1) -> Tensor:
    if not isinstance(x, Tensor) or x.ndim < 2 or x.shape[-2] < least or x.numel() == 0 or not x.is_floating_point():
        form = list(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"{name} must be floats [..., n, d] with n >= {least}; got {form}. Images: x.flatten(-3).")
    return x.to(torch.promote_types(x.dtype, torch.float32))  # sums of half precision soon overflow
