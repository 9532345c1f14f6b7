"""Wrong answers to the exercises of chapter 18, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import softplus


def mean(table, wanted):
    return sum(v for key, v in table.items() if wanted(key)) / 4


def half_wave(gamma, t, steps, end=0.1):
    return gamma * (end + (1 - end) * (1 + math.cos(math.pi * t / steps)) / 2)


WRONG = {
    "18.1": [
        (
            lambda real, fake: torch.where(fake - real > 20, fake - real, torch.log1p(torch.exp(fake - real))),
            "computes both branches",
        ),
        (lambda real, fake: softplus(real - fake), "That is G's loss"),
        (lambda real, fake: softplus(-real) + softplus(fake), "the plain loss"),
        (lambda real, fake: softplus(fake.mean() - real), "mean fake"),
        (lambda real, fake: torch.sigmoid(real - fake), "minus its logarithm"),
        (lambda real, fake: -softplus(fake - real), "the sign must turn"),
        (lambda real, fake: fake - real, "no bottom"),
        (lambda real, fake: softplus(fake - real).mean(), "mean over the batch"),
        (lambda real, fake: softplus(fake - real[:, None]), "return 3 numbers"),
        (lambda real, fake: (1 + (fake - real).exp()).log(), "far apart"),
        (lambda real, fake: softplus(2 * (fake - real)), "three pairs cost"),
        (lambda real, fake: softplus(fake - real) + softplus(real - fake), "G's together"),
        (lambda real, fake: softplus(fake - real).detach(), "no gradient can flow"),
        (lambda real, fake: softplus(fake.detach() - real), "the fake scores are cut off"),
        (lambda real, fake: softplus(fake - real.detach()), "the real scores are cut off"),
    ],
    "18.2": [
        (lambda gamma, old, new: gamma, "Unchanged"),
        (lambda gamma, old, new: gamma * new / old, "not 1 / k"),
        (lambda gamma, old, new: gamma * (new / old) ** 4, "1 / k^4"),
        (lambda gamma, old, new: gamma * (old / new) ** 2, "other way round"),
        (lambda gamma, old, new: gamma * (new / old) ** 3, "should become 32"),
        (lambda gamma, old, new: 16 * gamma, "Right upwards"),
    ],
    "18.3": [
        (lambda gamma, t, steps: half_wave(gamma, t, steps, 0.0), "falls to zero"),
        (lambda gamma, t, steps: half_wave(gamma, steps - t, steps), "Yours rises"),
        (lambda gamma, t, steps: gamma * (1 - 0.9 * t / steps), "straight line"),
        (lambda gamma, t, steps: gamma * 0.1 ** (t / steps), "equal factors"),
        (lambda gamma, t, steps: gamma * (0.1 + 0.9 * math.cos(math.pi * t / steps / 2)), "quarter of a cosine"),
        (lambda gamma, t, steps: gamma, "At the last step"),
        (lambda gamma, t, steps: half_wave(gamma, t, steps) / 2, "At step 0"),
        (lambda gamma, t, steps: half_wave(gamma, t, steps) if t in (0, steps) else gamma, "quarter of the way"),
        (lambda gamma, t, steps: half_wave(10.0, t, steps), "gamma 4"),
    ],
    "18.4": [
        (lambda table, piece: table[frozenset({piece})] - table[frozenset()], "adds to nothing"),
        (lambda table, piece: max(table.values()) - table[frozenset({"loss", "R1", "R2"}) - {piece}], "left out"),
        (lambda table, piece: mean(table, lambda key: piece in key), "the mean with the piece"),
        (
            lambda table, piece: mean(table, lambda key: piece not in key) - mean(table, lambda key: piece in key),
            "The sign",
        ),
        (
            lambda table, piece: (
                4 * (mean(table, lambda key: piece in key) - mean(table, lambda key: piece not in key))
            ),
            "sum over the four",
        ),
        (lambda table, piece: 0.0, "effect of R1 in the test table"),
        (
            lambda table, piece: mean(table, lambda key: "R1" in key) - mean(table, lambda key: "R1" not in key),
            "Right for R1",
        ),
        (lambda table, piece: sum(v if piece in key else -v for key, v in table.items()) / 8, "half of it"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "18.1": [
        lambda real, fake: -torch.nn.functional.logsigmoid(real - fake),
    ],
    "18.2": [
        lambda gamma, old, new: gamma * new**2 / old**2,
    ],
    "18.3": [
        lambda gamma, t, steps: gamma * (0.1 + 0.9 * math.cos(math.pi * t / steps / 2) ** 2),
    ],
    "18.4": [
        lambda table, piece: sum(table[key | {piece}] - table[key] for key in table if piece not in key) / 4,
    ],
}
