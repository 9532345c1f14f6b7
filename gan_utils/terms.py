"""Terms of G's objective beside its loss, as penalties are of D's: each one number for a batch, times its weight.

A :class:`Term` receives a :class:`View`, everything there is to see when G moves, and returns a scalar.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from gan_utils import checks

__all__ = ["TERMS", "Term", "View", "chosen", "feature_matching", "gdpp", "msgan", "reconstruction", "telling_apart"]


class View(NamedTuple):
    """What there is to see in G's turn, with batch size B and latent size Z."""

    z: Tensor  #: latents ``[B, Z]``
    sample: Tensor  #: G(z), ``[B, *shape]``
    fake: Tensor  #: what D judges: ``sample``, or in a joint game the pairs (G(z), z)
    real: Tensor  #: likewise: data, or pairs (x, E(x))
    #: what enters D's last layer, a module (weights that D itself holds are none): ``[B, *] -> [B, F]``
    features: Callable[[Tensor], Tensor]
    encode: Callable[[Tensor], Tensor]  #: G's encoder: ``[B, *shape] -> [B, *]``


@dataclass(frozen=True)  # and no NamedTuple: older compilers cannot call one
class Term:
    """A term as a value: ``weight * value(view)``. ``encoder`` says that it needs a G with an encoder."""

    name: str
    weight: float
    value: Callable[[View], Tensor]
    encoder: bool = False

    def __call__(self, view: View) -> Tensor:
        """Return the weighted term, []."""
        return self.weight * self.value(view)


def _term(name: str, weight: float, value: Callable[[View], Tensor], *, encoder: bool = False) -> Term:
    return Term(name, checks.number("weight", weight, least=0), value, encoder)


def feature_matching(weight: float = 1.0) -> Term:
    """Feature matching, Salimans et al. (2016): squared distance of the mean features of fakes and of data.

    The features are what enters D's last layer. In the paper this is all that G minimises: use ``losses.without_g``.
    """

    def value(view: View) -> Tensor:
        return (view.features(view.fake).mean(0) - view.features(view.real).mean(0)).square().sum()

    return _term("feature_matching", weight, value)


def msgan(weight: float = 1.0) -> Term:
    """Mode seeking, Mao et al. (2019): ``1 / (mean |G(z1) - G(z2)| / mean |z1 - z2| + 1e-5)``.

    A ratio of means over the batch, as in the authors' code, where the paper has the mean of a ratio. z1 and z2 are the two
    halves of the batch (an odd one out is left out). They meant it for conditional GANs, where both share a condition.
    """

    def value(view: View) -> Tensor:
        half = len(view.z) // 2
        apart = [(t[:half] - t[half : 2 * half]).abs().mean() for t in (view.sample, view.z)]
        return 1 / (apart[0] / apart[1] + 1e-5)

    return _term("msgan", weight, value)


def gdpp(weight: float = 1.0) -> Term:
    """GDPP, Elfeki et al. (2019): fake features are asked to vary as real ones do, by the eigen-decomposition of their kernels.

    L = F F^T, ``[B, B]``, with rows of F of length one. The term is ``1e-4 * mean (l_fake - l_real)^2 - sum_i w_i |cos_i|``:
    eigenvalues l in ascending order, cos_i between the i-th eigenvectors, w the real eigenvalues scaled to [0, 1]; 1e-4 as
    in the authors' code. That code takes cos_i as it comes; but an eigenvector's sign means nothing, so we take its size.
    The eigenvectors say how the samples of this batch take part: the i-th fake one is compared with the i-th real one.
    """

    def value(view: View) -> Tensor:
        fake, fake_vectors = _spectrum(view.features(view.fake))
        real, real_vectors = _spectrum(view.features(view.real))
        share = (real - real.min()) / (real.max() - real.min())
        alike = (fake_vectors * real_vectors).sum(0).abs()
        return (1e-4 * (fake - real).square().mean() - (share * alike).sum()).to(view.fake.dtype)

    return _term("gdpp", weight, value)


def _spectrum(features: Tensor) -> tuple[Tensor, Tensor]:
    # In double precision, and with a diagonal that keeps eigenvalues apart: with fewer features than samples many are 0,
    # and the slope of an eigenvector has the gaps between eigenvalues as denominators.
    features = normalize(features, dim=1).double()
    apart = torch.linspace(0, 1e-6, len(features), dtype=features.dtype, device=features.device)
    return torch.linalg.eigh(features @ features.T + apart.diag())


def reconstruction(weight: float = 1.0) -> Term:
    """VEEGAN's autoencoder of latents, Srivastava et al. (2017): the mean over the batch of ``|z - E(G(z))|^2``."""
    return _term("reconstruction", weight, lambda v: (v.z - v.encode(v.sample)).square().sum(1).mean(), encoder=True)


def chosen(z: Tensor, k: int) -> Tensor:
    """Return which of k equally likely generators latents ``[B, Z]`` ask for, ``[B]``: a function of their first entry.

    Example:
        Of two generators, the sign of a latent's first entry chooses:

        >>> gu.terms.chosen(torch.tensor([[-1.5, 0.0], [0.2, 0.0]]), k=2).tolist()
        [0, 1]
    """
    return ((1 + torch.erf(z[:, 0] / math.sqrt(2))) / 2 * k).long().clamp(max=k - 1)


def telling_apart(weight: float = 1.0) -> Term:
    """MGAN, Hoang et al. (2018): the cross-entropy of a classifier, G's encoder, that tells which generator made a sample.

    Generators and classifier minimise it together, so that the generators part. In the paper the classifier shares D's
    layers but the last; here it is a network of its own. (MAD-GAN, Ghosh et al., 2018, makes D itself tell them apart.)
    """

    def value(view: View) -> Tensor:
        logits = view.encode(view.sample)
        return cross_entropy(logits, chosen(view.z, logits.shape[1]))

    return _term("telling_apart", weight, value, encoder=True)


#: Every term by its name; the conformance tests run over this table.
TERMS = {term.__name__: term for term in (feature_matching, msgan, gdpp, reconstruction, telling_apart)}
