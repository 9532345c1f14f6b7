"""GAN losses on logits, per sample: what the discriminator minimises and what the generator minimises.

A loss is a pair of pure functions. ``d(real, fake)`` takes the logits of a real and of a fake batch, both ``[B]``, and
returns ``[B]``. ``g(fake, real)`` takes the fake logits ``[B]`` and a function of no arguments that returns the real
logits ``[B]``; only losses that compare real with fake call it, so the others do not pay for that pass.

All are written with softplus, never with ``log(sigmoid(x) + eps)``: the gradient stays right at any logit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus

from gan_utils import checks

__all__ = [
    "LOSSES",
    "Loss",
    "get",
    "hinge",
    "least_squares",
    "nonsaturating",
    "relativistic",
    "saturating",
    "wasserstein",
]


class Loss(NamedTuple):
    """A pair of per-sample losses on logits; see the module's text for the arguments of ``d`` and ``g``."""

    name: str
    d: Callable[[Tensor, Tensor], Tensor]
    g: Callable[[Tensor, Callable[[], Tensor]], Tensor]


def _classify(real: Tensor, fake: Tensor) -> Tensor:
    # -log D(x) - log(1 - D(G(z))), with D the sigmoid of the logit.
    return softplus(-real) + softplus(fake)


#: The minimax game of Goodfellow et al. (2014), eq. 1: G minimises log(1 - D(G(z))).
saturating = Loss("saturating", _classify, lambda fake, real: -softplus(fake))

#: Goodfellow et al. (2014), section 3: G minimises -log D(G(z)), which has the same fixed point and stronger gradients.
nonsaturating = Loss("nonsaturating", _classify, lambda fake, real: softplus(-fake))

#: LSGAN, Mao et al. (2017), eq. 2, with a = 0, b = c = 1 and the paper's halves.
least_squares = Loss(
    "least_squares",
    lambda real, fake: ((real - 1).square() + fake.square()) / 2,
    lambda fake, real: (fake - 1).square() / 2,
)

#: Geometric GAN, Lim and Ye (2017): margins of one on both sides for D, none for G.
hinge = Loss("hinge", lambda real, fake: relu(1 - real) + relu(1 + fake), lambda fake, real: -fake)

#: WGAN, Arjovsky et al. (2017): the critic's output itself. Needs a constraint on the critic: clipping or a penalty.
wasserstein = Loss("wasserstein", lambda real, fake: fake - real, lambda fake, real: -fake)

#: Relativistic pairing, Jolicoeur-Martineau (2019): each fake is judged against a real sample. The loss of R3GAN.
relativistic = Loss(
    "relativistic",
    lambda real, fake: softplus(fake - real),
    lambda fake, real: softplus(real() - fake),
)

#: Every loss by its name; the conformance tests run over this table.
LOSSES = {loss.name: loss for loss in (saturating, nonsaturating, least_squares, hinge, wasserstein, relativistic)}


def get(loss: str | Loss) -> Loss:
    """Return the loss of that name, or the given :class:`Loss` itself; ValueError for an unknown name."""
    return loss if isinstance(loss, Loss) else LOSSES[checks.choice("loss", loss, LOSSES)]
