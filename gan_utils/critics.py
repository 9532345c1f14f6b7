"""Discriminator tricks as modules that wrap a module, so that they compose: ``Pac(mlp(...), 2)``."""

from __future__ import annotations

from torch import Tensor, nn

from gan_utils import checks

__all__ = ["Pac"]


class Pac(nn.Module):
    """PacGAN, Lin et al. (2018): the discriminator judges m samples of one kind at once.

    ``[B, c, *] -> [B / m, m * c, *]`` goes into ``D``, which gives ``B / m`` logits; so its first layer takes m times the
    features (or channels). Raises ValueError when m does not divide the batch.
    """

    def __init__(self, D: nn.Module, m: int) -> None:
        super().__init__()
        self.D = D
        self.m = checks.integer("m", m)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] % self.m:
            raise ValueError(f"batch={x.shape[0]} is not divisible by m={self.m}: PacGAN packs m samples at a time.")
        return self.D(x.reshape(x.shape[0] // self.m, self.m * x.shape[1], *x.shape[2:]))

    def extra_repr(self) -> str:
        return f"m={self.m}"
