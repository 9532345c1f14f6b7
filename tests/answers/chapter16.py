"""Wrong answers to the exercises of chapter 16, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import torch


def groups(z, point):
    return [z[point == p] for p in point.unique()]


def apart(g):
    return (g - g.mean(0)).square().sum()


def within(z, point):
    return sum(apart(g) for g in groups(z, point)) / len(z)


def per_pair(a, b):
    return (a - b).abs().mean(1)


def ratio(z1, z2, x1, x2):
    return per_pair(x1, x2) / per_pair(z1, z2)


def ratio_by(size):
    return lambda z1, z2, x1, x2: 1 / (size(x1 - x2) / size(z1 - z2)).mean()


def left(p):
    joint = p / len(p)
    return -torch.special.xlogy(joint, joint / joint.sum(0).clamp(min=1e-12)).sum()


def by_mode(p):
    said = p / p.sum(0).clamp(min=1e-12)
    return -torch.special.xlogy(said, said).sum(0)


def neighbours_only(z, point):
    groups = z.split(torch.unique_consecutive(point, return_counts=True)[1].tolist())
    return sum((g - g.mean(0)).square().sum() for g in groups) / len(z)


WRONG = {
    "16.1": [
        (neighbours_only, "No encoder can do that"),
        (lambda z, point: apart(z) / len(z), "that has not looked"),
        (lambda z, point: 0.0, "No encoder can do that"),
        (lambda z, point: sum(apart(g) / len(g) for g in groups(z, point)) / 3, "groups weigh alike"),
        (lambda z, point: within(z, point) / 2, "mean over the coordinates"),
        (
            lambda z, point: sum((g - g.mean(0)).norm(dim=1).sum() for g in groups(z, point)) / len(z),
            "square, taken before the mean",
        ),
        (lambda z, point: within(z, point) * len(z), "Return the mean"),
        (
            lambda z, point: sum(apart(g) / max(len(g) - 1, 1) * len(g) for g in groups(z, point)) / len(z),
            "one less than the size",
        ),
        (
            lambda z, point: sum(torch.cdist(g, g).square().sum(1).min() for g in groups(z, point)) / len(z),
            "one of the latents themselves",
        ),
        (lambda z, point: z.var(0), "one number"),
        (lambda z, point: 1.0, "Here it should be"),
        (
            lambda z, point: sum(len(g) * apart(g) / (len(g) - 1) for g in groups(z, point)) / len(z),
            "NaN: a group of one",
        ),
        (
            lambda z, point: sum(apart(z[point == q]) for q in range(int(point.max())) if (point == q).any()) / len(z),
            "Here it should be",
        ),
    ],
    "16.2": [
        (lambda z1, z2, x1, x2: per_pair(z1, z2).mean() / per_pair(x1, x2).mean(), "ratio of means"),
        (lambda *pair: (1 / ratio(*pair)).mean(), "turned each ratio over"),
        (lambda *pair: ratio(*pair).mean(), "grows with diversity"),
        (lambda *pair: -ratio(*pair).mean(), "Minus the ratio"),
        (ratio_by(lambda d: d.abs().sum(1)), "summed over the coordinates"),
        (ratio_by(lambda d: d.norm(dim=1)), "Euclidean"),
        (lambda *pair: 1 / ratio(*pair), "one number for the batch"),
    ],
    "16.3": [
        (lambda p: math.log(len(p)), "what guessing costs"),
        (lambda p: -torch.special.xlogy(p, p).sum(1).mean(), "the mode when the generator is known"),
        (lambda p: len(p) * left(p), "summed over the generators"),
        (lambda p: by_mode(p).mean(), "modes weigh alike"),
        (lambda p: 1 - p.amax(0).sum() / len(p), "share of wrong answers"),
        (lambda p: -left(p), "sign is turned"),
        (lambda p: left(p) / math.log(2), "in bits"),
        (lambda p: -(p / len(p) * (p / p.sum(0)).log()).sum(), "0 log 0"),
        (lambda p: left(p) if (p.sum(0) > 0).all() else 0.0, "that nobody makes"),
        (by_mode, "one number"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "16.1": [
        lambda z, point: (z - torch.stack([z[point == q].mean(0) for q in point])).square().sum(1).mean(),
    ],
    "16.2": [
        lambda *pair: (1 / ratio(*pair).mean() + 1e-6).item(),
    ],
}
