"""Known modes: how many of them samples reach, how evenly, and how many samples are good."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gan_utils import checks
from gan_utils.classifier import classifier
from gan_utils.data.mixtures import Mixture

__all__ = ["Coverage", "label_coverage", "mode_coverage", "stacked_labels"]


class Coverage(NamedTuple):
    """What n samples cover of K known modes; each field but the first has the shape ``[*members]``."""

    counts: Tensor  #: int64 ``[*members, K]``, the good samples of each mode
    modes: Tensor  #: int64, modes with at least ``least`` good samples
    fair: Tensor  #: int64, modes with a quarter or more of their fair share of all n samples
    good: Tensor  #: float64, the share of good samples ("high quality")
    reverse_kl: Tensor  #: nats, KL of the good samples' shares from the true ones; NaN where no sample is good
    floor: Tensor  #: nats, (K - 1) / (2 x good samples), the reverse_kl of a perfect sampler on average
    js: Tensor  #: nats, Jensen-Shannon divergence of the same shares, at most log 2 (Lin, 1991); NaN likewise


def mode_coverage(samples: checks.Samples, mixture: Mixture, *, within: float = 3.0, least: int = 1) -> Coverage:
    """Count the samples ``[*members, n, d]`` that are good: nearer than ``within`` standard deviations to their mode.

    Nearest mean and L2 distance, as in PacGAN (Lin et al., 2018). In two dimensions a perfect sampler then has 1 -
    exp(-within^2 / 2) good ones, 98.9 %. NaN and Inf are no good samples. ValueError or TypeError for another d, or none.

    Example:
        A generator that hits two of four modes, one of them three times as often, and puts a tenth of its samples nowhere:

        >>> ring = gu.data.ring(modes=4)
        >>> fake = torch.cat([ring.means[[0]].expand(75, 2), ring.means[[1]].expand(25, 2), torch.zeros(10, 2)])
        >>> found = gu.metrics.mode_coverage(fake, ring)
        >>> found.counts.tolist(), found.modes.item(), round(found.good.item(), 3)
        ([75, 25, 0, 0], 2, 0.909)

        The shares of the good ones are 3/4 and 1/4, where 1/4 is right: a divergence of 3/4 log 3.

        >>> round(found.reverse_kl.item(), 4)
        0.824
    """
    samples = checks.tensor(samples)
    batch = samples.flatten(0, -2) if isinstance(samples, Tensor) and samples.ndim > 2 else samples
    x = checks.shaped("samples", batch, None, *checks.kind("mixture", mixture, Mixture).shape).detach()
    mode, distance = mixture.nearest(x.to(torch.promote_types(x.dtype, torch.float32)))
    good = distance < checks.number("within", within, above=0)
    return _coverage(torch.where(good, mode, -1).view(samples.shape[:-1]), mixture.weights, least)


def label_coverage(labels: checks.Samples, modes: int, *, least: int = 1) -> Coverage:
    """Count labels, integers ``[*members, n]`` below ``modes``; a negative one belongs to no mode. True shares are equal.

    At ``least=1`` a classifier's few errors count as modes: with 1 % a digit, 26,000 stacks of 10 triples score 244 of
    1,000, and 10 at ``least=13`` (half of the fair share). Report both. ValueError or TypeError for other labels.

    Example:
        >>> labels = torch.tensor([0, 0, 0, 1, -1])
        >>> found = gu.metrics.label_coverage(labels, modes=3)
        >>> found.counts.tolist(), found.modes.item(), round(found.good.item(), 3)
        ([3, 1, 0], 2, 0.8)
    """
    modes, labels = checks.integer("modes", modes), checks.tensor(labels)
    if not isinstance(labels, Tensor) or labels.dtype.is_floating_point or labels.dtype.is_complex:
        raise TypeError(f"labels must be a tensor or NumPy array of integers; got {checks.form(labels)}.")
    if labels.numel() == 0 or labels.ndim == 0 or labels.max() >= modes:
        most = f" up to {int(labels.max())}" if labels.numel() else ""
        raise ValueError(f"labels must be [*members, n], below modes = {modes}; got {list(labels.shape)}{most}.")
    return _coverage(labels.long().clamp(min=-1), torch.ones(modes), least)


def stacked_labels(images: checks.Samples, *, reject: bool = False) -> Tensor:
    """Return which of the 1,000 triples each stack is, images ``[n, 3, 28, 28]`` in [-1, 1] to int64 ``[n]``.

    The label is 100 a + 10 b + c for the likeliest digit of each channel, as in VEEGAN (Srivastava et al., 2017);
    ``reject=True`` gives -1 where the frozen classifier says of any channel that it is no digit. For
    :func:`label_coverage`. Errors as those of the classifier.
    """
    channels = checks.shaped("images", checks.tensor(images), None, 3, 28, 28).flatten(0, 1)[:, None]
    said = classifier(channels.device).predict(channels)
    label = (said.digit.view(-1, 3) * torch.tensor([100, 10, 1], device=said.digit.device)).sum(1)
    return torch.where(said.is_digit.view(-1, 3).all(1), label, -1) if reject else label


def _coverage(labels: Tensor, weights: Tensor, least: int) -> Coverage:
    *members, n = labels.shape
    least = checks.integer("least", least)
    true = weights.to(labels.device, torch.float64) / weights.sum(dtype=torch.float64)
    counts = labels.new_zeros(*members, len(true) + 1).scatter_add_(-1, labels + 1, torch.ones_like(labels))[..., 1:]
    total = counts.sum(-1)
    share = counts / total[..., None].double()  # 0 / 0 = NaN: no good sample, no shares
    kl, middle = torch.special.xlogy(share, share / true).sum(-1), (share + true) / 2
    js = (torch.special.xlogy(share, share / middle).sum(-1) + (true * (true / middle).log()).sum(-1)) / 2
    return Coverage(
        counts=counts,
        modes=(counts >= least).sum(-1),
        fair=(counts >= n * true / 4).sum(-1),
        good=total.double() / n,
        reverse_kl=kl.clamp(min=0),
        floor=torch.where(total > 0, (len(true) - 1) / (2 * total.double()), torch.nan),
        js=js.clamp(min=0),
    )
