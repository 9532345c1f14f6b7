"""Checks of chapter 16, "Ask for diversity"."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import close, exercise, expect, run_answer

_Z = torch.tensor([[1.0, 0.0], [0.0, 0.0], [3.0, 0.0], [-1.0, 1.0], [2.0, 4.0], [2.0, 3.0]])
_POINT = torch.tensor([7, 4, 7, 1, 4, 7])  # groups of two, three and one, scattered; numbers need not be consecutive


@exercise("16.1", praise="It never asks where the points are, and so cannot know whether they are modes of the data.")
def _least_reconstruction(answer: Any) -> None:
    given = torch.as_tensor(run_answer(answer, _Z.clone(), _POINT.clone())).detach()
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    groups = [_Z[p == _POINT] for p in _POINT.unique()]
    left = torch.stack([(g - g.mean(0)).square().sum() for g in groups])
    n = len(_Z)
    expect(
        not close(given, (_Z - _Z.mean(0)).square().sum() / n),
        "That is the variance of all latents: what an encoder pays that has not looked. It may answer point by point.",
    )
    expect(
        not close(given, 0.0),
        "No encoder can do that here: two latents lead to one point, and it has one answer. (Latents of one point need not "
        "stand next to each other in the batch, nor need the points be 0, 1, 2, ...)",
    )
    expect(
        not close(given, torch.stack([(g - g.mean(0)).square().sum(1).mean() for g in groups]).mean()),
        "Your groups weigh alike. A point that many latents lead to counts for each of them.",
    )
    expect(
        not close(given, left.sum() / n / _Z.shape[1]),
        "You took the mean over the coordinates of z. The squared norm is their sum.",
    )
    distance = torch.cat([(g - g.mean(0)).norm(dim=1) for g in groups]).mean()
    expect(not close(given, distance), "That is the mean distance. The loss is its square, taken before the mean.")
    expect(not close(given, left.sum()), "That is the sum over all latents. Return the mean.")
    unbiased = torch.stack([left[i] / max(len(g) - 1, 1) * len(g) for i, g in enumerate(groups)])
    expect(
        not close(given, unbiased.sum() / n),
        "You divided by one less than the size of each group. This is no estimate: divide by the size itself.",
    )
    nearest = [torch.cdist(g, g).square().mean(1).min() * len(g) for g in groups]
    expect(
        not close(given, torch.stack(nearest).sum() / n),
        "You let the encoder answer with one of the latents themselves. The mean of the group is better.",
    )
    expect(not given.isnan(), "NaN: a group of one has the variance 0, but divided by one less than its size.")
    expect(close(given, left.sum() / n), f"Here it should be {float(left.sum() / n):.3f}; yours is {float(given):.3f}.")


_Z1 = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, -1.0], [0.0, 3.0]])
_Z2 = torch.tensor([[1.0, -1.0], [1.2, 0.9], [0.0, 1.0], [2.0, 0.0]])
_X1 = torch.tensor([[0.0, 0.0, 1.0], [3.0, 1.0, 0.0], [0.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
_X2 = torch.tensor([[1.0, -2.0, 0.0], [0.0, -1.0, 2.0], [1.0, 0.0, 1.0], [2.0, 1.0, -1.0]])


@exercise("16.2", praise="A close pair on either side of a bridge outweighs all others.")
def _mean_of_ratios(answer: Any) -> None:
    given = torch.as_tensor(run_answer(answer, _Z1.clone(), _Z2.clone(), _X1.clone(), _X2.clone())).detach()
    expect(given.ndim == 0, f"Return one number for the batch; yours has shape {list(given.shape)}.")
    dz, dx = (_Z1 - _Z2).abs().mean(1), (_X1 - _X2).abs().mean(1)
    ratio = dx / dz
    expect(not close(given, dz.mean() / dx.mean()), "That is the code's ratio of means. Divide pair by pair first.")
    expect(
        not close(given, (1 / ratio).mean()),
        "You turned each ratio over and then took the mean. The term is one over the mean ratio.",
    )
    expect(not close(given, ratio.mean()), "That is the mean ratio: it grows with diversity. G minimises one over it.")
    expect(
        not close(given, -ratio.mean()), "Minus the ratio falls with diversity too, but the term is one over the ratio."
    )
    sums = (_X1 - _X2).abs().sum(1) / (_Z1 - _Z2).abs().sum(1)
    expect(
        not close(given, 1 / sums.mean()),
        "You summed over the coordinates; take means, or the ratio grows with the sizes of x and z.",
    )
    norms = (_X1 - _X2).norm(dim=1) / (_Z1 - _Z2).norm(dim=1)
    expect(
        not close(given, 1 / norms.mean()),
        "Those are Euclidean norms. The distance here is the mean absolute difference.",
    )
    expect(close(given, 1 / ratio.mean()), f"It should be {float(1 / ratio.mean()):.4f}; yours is {float(given):.4f}.")


_SHARES = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.25, 0.75]])


@exercise("16.3", praise="It is log k less what the mode tells about the generator.")
def _price(answer: Any) -> None:
    hint = "(A mode that nobody makes has no probabilities: skip it.)"
    given = torch.as_tensor(run_answer(answer, _SHARES.clone(), hint=hint)).detach()
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    expect(
        not bool(given.isnan()),
        "Yours is NaN: 0 log 0 is 0 here. Use torch.special.xlogy, and let no mode divide by nothing.",
    )
    k, joint = len(_SHARES), _SHARES / len(_SHARES)
    said = joint / joint.sum(0)
    wanted = _left(joint, said)
    expect(not close(given, math.log(k)), "log k is what guessing costs. The classifier sees the mode.")
    expect(
        not close(given, -torch.special.xlogy(_SHARES, _SHARES).sum(1).mean()),
        "That is the entropy of the mode when the generator is known. It is the generator that must be guessed.",
    )
    expect(not close(given, k * wanted), "You summed over the generators. Each is asked in one of k cases.")
    columns = -torch.special.xlogy(said, said).sum(0)
    expect(
        not close(given, columns.mean()),
        "Your modes weigh alike. Weight each by how often the mixture makes it.",
    )
    expect(
        not close(given, 1 - joint.amax(0).sum()),
        "That is the share of wrong answers. The price is a cross-entropy: minus the log of the probability given.",
    )
    expect(not close(given, -wanted), "The sign is turned: the log of a probability is negative, its price positive.")
    expect(
        not close(given, wanted / math.log(2)),
        "That is in bits. Use the natural logarithm, as the book does throughout.",
    )
    expect(close(given, wanted), f"For these four generators it should be {wanted:.4f}; yours is {float(given):.4f}.")
    empty = torch.as_tensor(run_answer(answer, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))).detach()
    expect(
        close(empty, math.log(2)),
        f"With a mode that nobody makes it should still be log 2 for two that share; yours is {float(empty):.4f}.",
    )


def _left(joint: Tensor, said: Tensor) -> float:
    """Return the entropy of the generator that is left when the mode is known, in nats."""
    return float(-torch.special.xlogy(joint, said).sum())
