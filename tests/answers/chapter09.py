"""Plausible wrong answers to the exercises of chapter 9, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import torch


def balls(points, k):
    return torch.cdist(points, points).sort(dim=1).values[:, k]


def inside(real, fake, k):
    return torch.cdist(real, fake) <= balls(real, k)[:, None]


def shares(kernel):
    return torch.linalg.eigvalsh(kernel / len(kernel)).clamp(min=0)


def entropy(share):
    return torch.special.entr(share).sum()


def pairs(names):
    c = names.bincount()
    return (c * (c - 1)).sum() / 2


def differ(real, fake, errors=1.96, variance=lambda n, m: 1 / n + 1 / m):
    n, m = real.sum(), fake.sum()
    r = (real + fake) / (n + m)
    return (real / n - fake / m).abs() > errors * (r * (1 - r) * variance(n, m)).sqrt()


def copies_left_out(real, fake, k):
    apart = torch.cdist(real, real)
    radius = apart.masked_fill(apart == 0, torch.inf).sort(dim=1).values[:, k - 1]
    return (torch.cdist(fake, real) <= radius).any(1).double().mean()


def ball_of_the_nearest(real, fake, k):
    nearest = torch.cdist(fake, real).min(1)
    return (nearest.values <= balls(real, k)[nearest.indices]).double().mean()


WRONG = {
    "9.1": [
        (copies_left_out, "copies of a point"),
        (lambda real, fake, k: inside(real, fake, k - 1).any(0).float().mean(), "(k - 1)-th"),
        (lambda real, fake, k: inside(fake, real, k).any(0).float().mean(), "That is recall"),
        (lambda real, fake, k: inside(real, fake, k).sum() / (k * len(fake)), "That is density"),
        (lambda real, fake, k: inside(real, fake, k).any(1).float().mean(), "That is coverage"),
        (lambda real, fake, k: inside(real, fake, k).any(0).sum() / len(real), "number of fakes"),
        (lambda real, fake, k: inside(real, fake, k + 1).any(0).float().mean(), "For the test points"),
        (
            lambda real, fake, k: (torch.cdist(real, fake) < balls(real, k)[:, None]).any(0).float().mean(),
            "use <=, not <",
        ),
        (lambda real, fake, k: inside(real, fake, k).any(0), "one number"),
        (ball_of_the_nearest, "ask all balls"),
        (
            lambda real, fake, k: (
                (torch.cdist(real, fake) <= torch.cdist(real, real).topk(k + 1, dim=1).values[:, -1:])
                .any(0)
                .float()
                .mean()
            ),
            "For the test points",
        ),
    ],
    "9.2": [
        (lambda kernel: entropy(shares(kernel)), "That is the entropy"),
        (lambda kernel: -entropy(shares(kernel)), "minus the entropy"),
        (lambda kernel: (-entropy(shares(kernel))).exp(), "A sign is missing"),
        (lambda kernel: entropy(len(kernel) * shares(kernel)).exp(), "Divide the matrix by n"),
        (lambda kernel: (entropy(shares(kernel)) / math.log(2)).exp(), "log2"),
        (lambda kernel: 1 / shares(kernel).square().sum(), "sum of squares"),
        (lambda kernel: shares(kernel).sum(), "Not the exponential"),
        (lambda kernel: shares(kernel), "one number"),
        (
            lambda kernel: (lambda v: (-(v * v.log()).sum()).exp())(torch.linalg.eigvalsh(kernel / len(kernel))),
            "0 log 0",
        ),
    ],
    "9.3": [
        (lambda names: len(names.unique()), "different outputs were seen"),
        (lambda names: pairs(names), "number of pairs. The"),
        (lambda names: 90 / (2 * (len(names) - len(names.unique()))), "are three pairs, not two"),
        (lambda names: len(names) * (len(names) - 1) / pairs(names), "Half as many"),
        (lambda names: len(names) * (len(names) - 1) / (4 * pairs(names)), "more than once"),
        (lambda names: len(names) ** 2 / (2 * pairs(names)), "not n squared"),
        (lambda names: 90 / names.bincount().square().sum(), "not c squared"),
        (lambda names: 3.5, "For ten samples"),
    ],
    "9.4": [
        (lambda real, fake: differ(real, fake).sum(), "Divide by the number of bins"),
        (lambda real, fake: (~differ(real, fake)).float().mean(), "agree"),
        (lambda real, fake: differ(real, fake, errors=1).float().mean(), "one standard error"),
        (lambda real, fake: (real != fake).float().mean(), "You compare counts"),
        (lambda real, fake: differ(real, fake, variance=lambda n, m: 1 / (n + m)).float().mean(), "add up"),
        (lambda real, fake: differ(real, fake, errors=4).float().mean(), "For the test counts"),
        (lambda real, fake: differ(real, fake), "one share"),
        (lambda real, fake: differ(real, fake, errors=1.645).float().mean(), "1.77 standard errors"),
        (lambda real, fake: differ(real, fake, variance=lambda n, m: 1 / n).float().mean(), "1.77 standard errors"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "9.1": [
        lambda real, fake, k: inside(real, fake, k).any(0).float().mean().item(),
    ],
    "9.3": [
        lambda names: 90 / ((names[:, None] == names).sum() - len(names)),
    ],
}
