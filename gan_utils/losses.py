"""GAN losses on logits, per sample: what the discriminator minimises and what the generator minimises.

A loss is a pair of pure functions. ``d(real, fake)`` takes the logits of a real and of a fake batch, both ``[B]``, and
returns ``[B]``. ``g(fake, real)`` takes the fake logits ``[B]`` and a function of no arguments that returns the real
logits ``[B]``; only losses that compare real with fake call it, so the others do not pay for that pass.

Those with a logarithm are written with softplus, never with ``log(sigmoid(x) + eps)``: the gradient stays right at any logit.

Example:
    An undecided D, with logits of 0, is charged log 2 for the real and log 2 for the fake:

    >>> undecided = torch.zeros(1)
    >>> round(gu.losses.nonsaturating.d(undecided, undecided).item(), 4)
    1.3863

    Where D is sure of a fake (logit -20), the saturating loss has no slope left for G, the other one all of it:

    >>> for loss in (gu.losses.saturating, gu.losses.nonsaturating):
    ...     fake = torch.tensor([-20.0], requires_grad=True)
    ...     loss.g(fake, None).sum().backward()
    ...     print(f"{loss.name}: {fake.grad.item():.1g}")
    saturating: -2e-09
    nonsaturating: -1

    (The former is minus the sigmoid of -20, what D still believes of the fake.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from gan_utils import checks

__all__ = [
    "LOSSES", "Loss", "bidirectional", "get", "hinge", "least_squares", "nonsaturating", "relativistic", "reverse_kl",
    "saturating", "smoothed", "wasserstein", "without_g",
]  # fmt: skip


class Loss(NamedTuple):
    """A pair of per-sample losses on logits; see the module's text for the arguments of ``d`` and ``g``."""

    name: str
    d: Callable[[Tensor, Tensor], Tensor]
    g: Callable[[Tensor, Callable[[], Tensor]], Tensor]

    def __repr__(self) -> str:
        return self.name  # two functions without names of their own say less


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
relativistic = Loss("relativistic", lambda r, fake: softplus(fake - r), lambda fake, r: softplus(r() - fake))

#: VEEGAN, Srivastava et al. (2017): G lowers D's estimate of log p_g / p_data at its samples, which is -D(G(z)) as a logit.
reverse_kl = Loss("reverse_kl", _classify, lambda fake, real: -fake)

#: ALI, Dumoulin et al. (2017): both labels swapped for G and its encoder, which makes real pairs look made. For joint games.
bidirectional = Loss("bidirectional", _classify, lambda fake, real: softplus(-fake) + softplus(real()))

#: Every loss by its name; the conformance tests run over this table.
LOSSES = {loss.name: loss for loss in list(vars().values()) if isinstance(loss, Loss)}


def smoothed(loss: str | Loss = nonsaturating, real: float = 0.9) -> Loss:
    """One-sided label smoothing, Salimans et al. (2016): D's target for real samples is ``real`` instead of 1.

    With a target t the cross-entropy is ``t softplus(-a) + (1 - t) softplus(a) = softplus(-a) + (1 - t) a``; so this adds
    ``(1 - t) a`` to a loss whose D is the classifier's. ValueError for another, or for ``real`` outside [0, 1].

    Example:
        With a target of 0.9 the best answer for a real sample is no longer "certainly", but the logit log(0.9 / 0.1):

        >>> real = torch.tensor([9.0]).log().requires_grad_()
        >>> gu.losses.smoothed("nonsaturating", real=0.9).d(real, torch.zeros(1)).sum().backward()
        >>> abs(real.grad.item()) < 1e-6
        True
    """
    loss, real = get(loss), checks.number("real", real, least=0, most=1)
    if loss.d is not _classify:
        raise ValueError(f"loss={loss.name!r} has no labels to smooth: D must minimise the classifier's cross-entropy.")
    return Loss(f"{loss.name}, smoothed(real={real:g})", lambda a, b: _classify(a, b) + (1 - real) * a, loss.g)


def without_g(loss: str | Loss = nonsaturating) -> Loss:
    """D's half of a loss alone: what G minimises is left to the recipe's ``terms``, as in feature matching."""
    loss = get(loss)
    return Loss(f"{loss.name}, without G's half", loss.d, lambda fake, real: torch.zeros_like(fake))


def get(loss: str | Loss) -> Loss:
    """Return the loss of that name, or the given :class:`Loss` itself; ValueError for an unknown name.

    Example:
        >>> gu.losses.get("hinge") is gu.losses.hinge
        True
        >>> gu.losses.get("hing")
        Traceback (most recent call last):
        ValueError: loss='hing' is not known. Did you mean 'hinge'? Allowed: 'saturating', 'nonsaturating', ...
    """
    return loss if isinstance(loss, Loss) else LOSSES[checks.choice("loss", loss, LOSSES)]
