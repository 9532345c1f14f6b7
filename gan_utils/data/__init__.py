"""Sources of training data: anything with ``shape``, ``sample(n, generator) -> [n, *shape]`` and ``describe()``."""

from gan_utils.data.mixtures import Mixture, Points, gaussians_1d, grid, offsets, ring
from gan_utils.data.mnist import Images, Stacks, mnist, stacked_mnist

__all__ = [
    "Images", "Mixture", "Points", "Stacks", "gaussians_1d", "grid", "mnist", "offsets", "ring", "stacked_mnist",
]  # fmt: skip
