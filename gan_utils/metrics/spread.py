"""How far samples lie from one another: distances alone, no classifier is asked."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_utils import checks

__all__ = ["spread"]


def spread(x: checks.Samples) -> Tensor:
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
    x = checks.tensor(x)
    if not isinstance(x, Tensor) or x.ndim < 2 or x.shape[-2] < 2 or x.numel() == 0 or not x.is_floating_point():
        raise ValueError(f"x must be floats [..., n, d] with n >= 2; got {checks.form(x)}. Images: x.flatten(-3).")
    x = x.to(torch.promote_types(x.dtype, torch.float32))  # sums of half precision soon overflow
    n, x = x.shape[-2], x - x.mean(-2, keepdim=True)  # far from the origin cdist would lose what sets samples apart
    return torch.cdist(x, x).sum(dim=(-2, -1)) / (n * (n - 1))
