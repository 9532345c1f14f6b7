"""Gaussian mixtures whose modes and density are known exactly, and fixed point sets, as sources of data.

A source has a ``shape``, a method ``sample(n, generator) -> [n, *shape]`` that draws from the given CPU generator
alone, and ``describe()``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gan_utils import checks

__all__ = ["Mixture", "Points", "gaussians_1d", "grid", "offsets", "ring"]

Each = float | Sequence[float] | checks.Samples  # a number for all modes, or one for each


class Mixture:
    """A mixture of K isotropic Gaussians in d dimensions.

    Args:
        means: the modes, ``[K, d]``.
        std: standard deviation in every direction: one number, or one for each mode, ``[K]``.
        weights: the modes' shares, ``[K]``, positive; equal by default. They are scaled to sum to one.
        name: what :meth:`describe` says.

    Raises:
        ValueError: wrong shapes, NaN or Inf, a standard deviation or weight that is not positive.

    Example:
        The density of N(0, 1) at its peak is 1 over the root of 2 pi:

        >>> normal = gu.data.Mixture(torch.zeros(1, 1), std=1.0)
        >>> round(normal.log_prob(torch.zeros(1, 1)).exp().item(), 4)
        0.3989

        The nearest mode of a point, and the distance in that mode's standard deviations:

        >>> pair = gu.data.Mixture(torch.tensor([[0.0], [10.0]]), std=[1.0, 2.0])
        >>> mode, distance = pair.nearest(torch.tensor([[1.0], [6.0]]))
        >>> mode.tolist(), distance.tolist()
        ([0, 1], [1.0, 2.0])
    """

    def __init__(self, means: checks.Samples, std: Each, weights: Each | None = None, name: str = "mixture") -> None:
        self.means = checks.finite("means", checks.shaped("means", checks.tensor(means), None, None)).float()
        self.modes, dim = self.means.shape
        self.std = self._per_mode("std", std)
        self.weights = self._per_mode("weights", 1.0 if weights is None else weights)
        self.weights = self.weights / self.weights.sum()
        self.shape, self.name = (dim,), name

    def _per_mode(self, name: str, given: Each) -> Tensor:
        values = checks.numbers(name, given)
        if values.ndim > 1 or values.numel() not in (1, self.modes):
            raise ValueError(f"{name} must be one number or {self.modes} numbers; got shape {list(values.shape)}.")
        values = checks.finite(name, values).expand(self.modes)
        if (values <= 0).any():
            raise ValueError(f"{name} must be positive; got {given!r}.")
        return values

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Return n samples ``[n, d]``; without a generator, torch's global one draws."""
        checks.kind("generator", generator, torch.Generator, type(None))
        mode = torch.multinomial(self.weights, checks.integer("n", n), replacement=True, generator=generator)
        return self.means[mode] + self.std[mode, None] * torch.randn(n, *self.shape, generator=generator)

    def log_prob(self, x: checks.Samples) -> Tensor:
        """Return the log-density at ``x``, ``[n, d] -> [n]``, in nats."""
        x = checks.floats("x", x, None, *self.shape)
        means, std, weights = (part.to(x) for part in (self.means, self.std, self.weights))
        square = (x[:, None] - means).square().sum(-1) / std.square()
        scale = self.shape[0] * (std.log() + 0.5 * math.log(2 * math.pi))
        return torch.logsumexp(weights.log() - scale - square / 2, dim=1)

    def nearest(self, x: checks.Samples) -> tuple[Tensor, Tensor]:
        """Return for each point ``[n, d]`` its nearest mode ``[n]`` and the distance to it in that mode's std ``[n]``."""
        x = checks.floats("x", x, None, *self.shape)
        distance, mode = torch.cdist(x, self.means.to(x), compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
        return mode, distance / self.std.to(x)[mode]

    def describe(self) -> str:
        """Return one line that tells this source from others."""
        spread = f"{self.std[0]:g}" if (self.std == self.std[0]).all() else _rounded(self.std)
        share = "" if (self.weights == self.weights[0]).all() else f", weights={_rounded(self.weights)}"
        reach = self.means.abs().max().item()
        return f"{self.name}({self.modes} modes in {self.shape[0]}-D within {reach:g}, std={spread}{share})"


def _rounded(values: Tensor) -> str:
    return str([round(value, 6) for value in values.tolist()])


class Points:
    """A fixed set of points ``[N, *shape]``, a tensor or array, drawn from with replacement.

    Raises ValueError for NaN, Inf or no points, TypeError for bytes, whose scale is hardly meant.
    """

    def __init__(self, points: checks.Samples, name: str = "points") -> None:
        if not isinstance(points := checks.tensor(points), Tensor) or points.ndim < 2 or points.numel() == 0:
            raise ValueError(f"points must be a tensor [N, *shape] with N >= 1; got {checks.form(points)}.")
        if points.dtype == torch.uint8:
            raise TypeError("points hold bytes: gu.data.Images takes those of images; scale others, and call .float().")
        self.points = checks.finite("points", points).float()
        self.shape, self.name = tuple(points.shape[1:]), name

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Return n points ``[n, *shape]``."""
        checks.kind("generator", generator, torch.Generator, type(None))
        return self.points[torch.randint(len(self.points), (checks.integer("n", n),), generator=generator)]

    def describe(self) -> str:
        """Return one line that tells this source from others."""
        return f"{self.name}({len(self.points)} of shape {list(self.shape)}, mean {self.points.mean():g})"


def ring(modes: int = 8, radius: float = 1.0, std: float = 0.01) -> Mixture:
    """Gaussians evenly spaced on a circle; the defaults are PacGAN's ring (Lin et al., 2018). All modes are distinct.

    Example:
        >>> ring = gu.data.ring(modes=4)
        >>> [[round(v) + 0 for v in mean] for mean in ring.means.tolist()]
        [[1, 0], [0, 1], [-1, 0], [0, -1]]
        >>> ring.sample(100, gu.generator(0)).shape
        torch.Size([100, 2])
    """
    modes = checks.integer("modes", modes)
    radius = checks.number("radius", radius, above=0)
    angle = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
    means = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    return Mixture(means, checks.number("std", std, above=0), name="ring")


def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> Mixture:
    """``side`` x ``side`` Gaussians centred on the origin; the defaults are PacGAN's grid (Lin et al., 2018).

    Example:
        >>> gu.data.grid(side=2, spacing=2.0).means.tolist()
        [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
        >>> gu.data.grid().modes
        25
    """
    side = checks.integer("side", side)
    ticks = checks.number("spacing", spacing, above=0) * (torch.arange(side, dtype=torch.float64) - (side - 1) / 2)
    return Mixture(torch.cartesian_prod(ticks, ticks).reshape(-1, 2), checks.number("std", std, above=0), name="grid")


def gaussians_1d(means: Sequence[float] = (-2.0, 2.0), std: Each = 0.5, weights: Each | None = None) -> Mixture:
    """A mixture on the line, ``shape = (1,)``."""
    return Mixture(checks.numbers("means", means).reshape(-1, 1), std, weights, name="gaussians_1d")


def offsets() -> Mixture:
    """Ten modes in 1,200 dimensions (Srivastava et al., 2017), as PacGAN's code draws them; no density, so no log_prob.

    Each mode is one number in every dimension; only the first 700 have noise, N(0, 1). So a perfect sample lies 26.5 +- .7
    (the root of 700) from its mean, and ``mode_coverage`` needs ``within=30``: the published 10 would take none.
    """
    values = torch.tensor([-1, -0.5, 0, 0.5, -2, -2.5, 10, 0.25, -13, -5.5])
    return _Offsets(values[:, None].expand(10, 1200), 1.0, name="offsets")


class _Offsets(Mixture):
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        x = self.means[torch.randint(self.modes, (checks.integer("n", n),), generator=generator)]
        x[:, :700] += torch.randn(n, 700, generator=generator)
        return x

    def log_prob(self, x: checks.Samples) -> Tensor:
        raise ValueError("offsets() has no density: 500 of its 1,200 dimensions hold no noise.")
