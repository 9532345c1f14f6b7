"""Gradient penalties: one formula. *Where* the critic's gradient is taken and its *target* norm give each variant.

For every sample the penalty is ``weight * (norm - target)^2``, with ``norm`` the Euclidean length of the gradient of
the critic's output at that sample. The norm is taken per sample, never over the batch: over a batch of 64, an ideal
1-Lipschitz linear critic would be charged ``(8 - 1)^2 = 49`` instead of 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import vjp

from gan_utils import checks

__all__ = ["PENALTIES", "PLACES", "Penalty", "dragan", "gradient_penalty", "r1", "r2", "wgan_gp"]

Place = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)  # and no NamedTuple: older compilers cannot call one
class Penalty:
    """A gradient penalty as a value; calling it gives the per-sample penalty ``[B]`` (``[B / m]`` for packs of m)."""

    name: str
    place: Place
    target: float
    weight: float
    noise: str = "none"  #: what ``place`` needs: "none", one number a "sample", or one an "element"

    def __call__(self, critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, noise: Tensor) -> Tensor:
        """Return the penalty of each sample.

        Args:
            critic: maps ``[B, *shape]`` to logits ``[B]`` (to ``[B / m]`` if it judges packs of m samples).
            real: real batch ``[B, *shape]``.
            fake: fake batch ``[B, *shape]``.
            noise: numbers uniform on [0, 1): ``[B, 1, ...]`` where ``self.noise`` is "sample", shaped like ``real`` where
                it is "element" (which serves both), not looked at where it is "none".
        """
        points = self.place(real, fake, noise)
        logits, pull = vjp(critic, points)  # type: ignore[misc]  # the hint counts the third thing that has_aux gives
        (slope,) = pull(torch.ones_like(logits))
        # One row per judged item: a pack of m consecutive samples has one norm, as it has one logit.
        square = slope.reshape(logits.shape[0], -1).square().sum(1)
        if self.target == 0:
            return self.weight * square
        # The tiny constant keeps the square root's gradient finite where the critic is flat.
        return self.weight * ((square + 1e-12).sqrt() - self.target).square()


def _per_sample(noise: Tensor) -> Tensor:
    # One number per sample, shaped to broadcast over the sample's own dimensions.
    return noise.reshape(noise.shape[0], -1)[:, 0].reshape(-1, *[1] * (noise.ndim - 1))


#: Where the gradient can be taken, and the noise that takes.
PLACES: dict[str, tuple[Place, str]] = {
    "real": (lambda real, fake, noise: real, "none"),
    "fake": (lambda real, fake, noise: fake, "none"),
    "between": (lambda real, fake, noise: torch.lerp(fake, real, _per_sample(noise).expand_as(real)), "sample"),
    "around_real": (lambda real, fake, noise: real + 0.5 * real.std(correction=0) * noise, "element"),
}


def gradient_penalty(at: str, *, target: float, weight: float, name: str | None = None) -> Penalty:
    """Return ``weight * (norm of the critic's gradient - target)^2``, the gradient taken at ``at``.

    Args:
        at: ``"real"``, ``"fake"``, ``"between"`` (a random point on the line from a fake to a real sample, one per
            pair) or ``"around_real"`` (a real sample plus noise, uniform on [0, half the batch's standard deviation)).
        target: the norm that costs nothing.
        weight: factor in front; not negative.
        name: what :meth:`gan_utils.gan.GAN.describe` calls it, beside its place.

    Raises:
        ValueError: unknown ``at``; a negative or non-finite ``target`` or ``weight``.

    Example:
        The critic D(x) = 3 x has slope 3 everywhere, so any place costs (3 - 1)^2 = 4 a sample:

        >>> penalty = gu.penalties.gradient_penalty("between", target=1, weight=1)
        >>> real, fake = torch.ones(2, 1), torch.zeros(2, 1)
        >>> penalty(lambda x: 3 * x[:, 0], real, fake, torch.rand(2, 1))
        tensor([4., 4.])
    """
    place, noise = PLACES[checks.choice("at", at, PLACES)]
    target = checks.number("target", target, least=0)
    weight = checks.number("weight", weight, least=0)
    said = name if name in PENALTIES else f"{name or 'gradient_penalty'}({at})"
    return Penalty(said, place, target, weight, noise)


def r1(gamma: float = 10.0) -> Penalty:
    """R1, Mescheder et al. (2018): ``gamma / 2 * norm^2`` at real samples. (Their code's ``reg 10`` is gamma = 20.)

    Example:
        The critic ``D(x) = |x|^2`` has slope 2 x. At (3, 4) that is 10 long, and half of 10^2 is 50:

        >>> real = torch.tensor([[3.0, 4.0]])
        >>> gu.penalties.r1(gamma=1)(lambda x: x.square().sum(1), real, real, None)
        tensor([50.])
    """
    return gradient_penalty("real", target=0, weight=checks.number("gamma", gamma, least=0) / 2, name="r1")


def r2(gamma: float = 10.0) -> Penalty:
    """R2, Mescheder et al. (2018): ``gamma / 2 * norm^2`` at fake samples."""
    return gradient_penalty("fake", target=0, weight=checks.number("gamma", gamma, least=0) / 2, name="r2")


def wgan_gp(weight: float = 10.0, target: float = 1.0) -> Penalty:
    """WGAN-GP, Gulrajani et al. (2017), eq. 3: ``weight * (norm - target)^2`` between real and fake samples.

    Example:
        A flat critic costs the weight, and one of slope 1 nothing, however many samples there are:

        >>> real, fake, noise = torch.randn(64, 2), torch.randn(64, 2), torch.rand(64, 1)
        >>> for slope in (0.0, 1.0):
        ...     cost = gu.penalties.wgan_gp(weight=10)(lambda x: slope * x[:, 0], real, fake, noise)
        ...     print(round(cost.max().item(), 3))
        10.0
        0.0
    """
    return gradient_penalty("between", target=target, weight=weight, name="wgan_gp")


def dragan(weight: float = 10.0, target: float = 1.0) -> Penalty:
    """DRAGAN, Kodali et al. (2017): ``weight * (norm - target)^2`` around the data, with the one-sided noise of its code.

    The code then takes a random point on the way from the sample to the noisy one; this takes the noisy one.
    """
    return gradient_penalty("around_real", target=target, weight=weight, name="dragan")


#: Every penalty by its name; the conformance tests run over this table.
PENALTIES: dict[str, Callable[..., Penalty]] = {"r1": r1, "r2": r2, "wgan_gp": wgan_gp, "dragan": dragan}
