"""Wrong answers to the exercises of chapter 6, each with a fragment of the message it must get."""

from __future__ import annotations

import math
from itertools import pairwise

import torch


def good(x, means, std, nearest_only=False):
    distance, mode = torch.cdist(x, means).min(dim=1)
    mode = mode if nearest_only else mode[distance < 3 * std]
    return torch.bincount(mode, minlength=len(means))


def modes(period, every, looks):
    return 8 * every * torch.arange(looks) // period


def steps(angle):
    return (angle.diff() + math.pi) % (2 * math.pi) - math.pi


WRONG = {
    "6.1": [
        (lambda x, means, std: good(x, means, 2.5 / 3 * std) >= len(x) / 20, "the first three of the 5"),
        (lambda x, means, std: good(x, means, 4 / 3 * std) >= len(x) / 20, "too far away"),
        (
            lambda x, means, std: (
                torch.bincount(
                    torch.cdist(x, means, p=torch.inf).argmin(1)[torch.cdist(x, means, p=torch.inf).amin(1) < 3 * std]
                )
                >= len(x) / 20
            ),
            "too far away",
        ),
        (lambda x, means, std: good(x, means, std) > 0, "one good sample is enough"),
        (lambda x, means, std: good(x, means, std, nearest_only=True) >= len(x) / 20, "too far away"),
        (lambda x, means, std: good(x, means, std) >= good(x, means, std).sum() / 20, "one of the good samples only"),
        (lambda x, means, std: good(x, means, std) >= len(x) / 5, "A quarter is enough"),
        (lambda x, means, std: good(x, means, std) > len(x) / 20, "at least, not more than"),
        (lambda x, means, std: good(x, means, std), "True or False"),
        (lambda x, means, std: (good(x, means, std) >= len(x) / 20).sum(), "an entry for each"),
        (
            lambda x, means, std: (torch.cdist(x, means) < 3 * std).sum(0) >= len(x) / len(means) / 4,
            "good for the nearest only",
        ),
        (
            lambda x, means, std: (
                torch.bincount(torch.cdist(x, means).argmin(1)[torch.cdist(x, means).amin(1) < 3 * std])
                >= len(x) / len(means) / 4
            ),
            "needs its False too",
        ),
    ],
    "6.2": [
        (lambda period, every, looks: looks, "count looks"),
        (lambda period, every, looks: looks - 1, "within one visit"),
        (lambda period, every, looks: 8 * every * (looks - 1) // period, "hops that happen"),
        (lambda period, every, looks: (modes(period, every, looks).diff() != 0).sum(), "modulo 8"),
        (lambda period, every, looks: (modes(period, every, looks).diff() % 8).sum(), "at most one hop"),
        (lambda period, every, looks: 0, "that is 10 hops"),
        (
            lambda period, every, looks: sum(
                a != b for a, b in pairwise(every * i // (period // 8) % 8 for i in range(looks))
            ),
            "no whole number of steps",
        ),
        (
            lambda period, every, looks: sum(
                a != b for a, b in pairwise(round(8 * every * i / period) % 8 for i in range(looks))
            ),
            "round down, look at 0",
        ),
    ],
    "6.3": [
        (lambda rate: math.log(0.05) / math.log(1 - rate), "round up"),
        (lambda rate: math.floor(math.log(0.05) / math.log(1 - rate)), "rounded down"),
        (lambda rate: math.ceil(3 / rate), "rule of three is an approximation"),
        (lambda rate: round(1 / rate), "you expect to see one"),
        (lambda rate: math.ceil(math.log(0.95) / math.log(1 - rate)), "chance to see none"),
        (lambda rate: 29, "Right for 0.1, but for 0.5"),
    ],
    "6.4": [
        (lambda angle: (angle[-1] - angle[0]) / (2 * math.pi), "forgets whole turns"),
        (lambda angle: steps(angle) / (2 * math.pi), "the sum over all looks"),
        (lambda angle: steps(angle).sum(), "in radians"),
        (lambda angle: -steps(angle).sum() / (2 * math.pi), "sign is turned"),
        (lambda angle: steps(angle).abs().sum() / (2 * math.pi), "length of the path"),
        (lambda angle: -((angle.diff().abs() > math.pi) * angle.diff().sign()).sum(), "how often it passes pi"),
        (lambda angle: (angle.diff() % (2 * math.pi)).sum() / (2 * math.pi), "a long one forward"),
        (lambda angle: (steps(angle).sum() / (2 * math.pi)).round(), "how often it passes pi"),
        (
            lambda angle: ((angle.diff() + math.pi / 2) % math.pi - math.pi / 2).sum() / (2 * math.pi),
            "ten steps of 2.5",
        ),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "6.3": [
        lambda rate: next(n for n in range(1, 1_000) if (1 - rate) ** n <= 0.05),
    ],
    "6.4": [
        lambda angle: (torch.atan2(angle.diff().sin(), angle.diff().cos()).sum() / (2 * math.pi)).item(),
    ],
}
