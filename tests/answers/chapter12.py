"""Wrong answers to the exercises of chapter 12, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import torch


def pairs(real, fake):
    return torch.sigmoid(real[:, None] - fake)


def paths(widths, limit, layers=0):
    return math.prod(widths[1:-1]) * limit ** (len(widths) - 1 + layers)


def two_hidden(widths):
    return math.sqrt(widths[0]) * math.prod(widths[1:-1][:2])


def silent(real, fake, above=1.0, below=-1.0):
    return torch.cat([real >= above, fake <= below]).float()


WRONG = {
    "12.1": [
        (lambda b, target: b - target, "slope of the loss"),
        (lambda b, target: (target - b) / len(b), "Differentiate the sum"),
        (lambda b, target: 2 * (target - b), "Twice too large"),
        (lambda b, target: (target - b).abs(), "pulled down again"),
        (lambda b, target: 1 - b, "the target 1 alone"),
        (lambda b, target: (b - target).square() / 2, "the loss itself"),
        (lambda b, target: (target - b).mean(), "on each of the 5 fakes"),
        (lambda b, target: (target - b).sigmoid(), "and target 0.5 it is"),
        (lambda b, target: 0.5 - b, "Right for the target 0.5"),
    ],
    "12.2": [
        (pairs, "pull of every pair"),
        (lambda real, fake: pairs(real, fake).mean(1), "average over the fakes"),
        (lambda real, fake: pairs(real, fake).mean(), "on each of the 4 fakes"),
        (lambda real, fake: torch.sigmoid(fake[:, None] - real).mean(1), "sign inside is turned"),
        (lambda real, fake: torch.sigmoid(real.mean() - fake), "average relativistic one"),
        (lambda real, fake: pairs(real, fake).sum(0), "sum over the real samples"),
        (lambda real, fake: -pairs(real, fake).mean(0), "slope of the loss"),
        (lambda real, fake: pairs(real, fake).mean(0) / len(fake), "Differentiate the sum"),
        (lambda real, fake: pairs(real, fake).mean(0) / 2, "It should be"),
        (lambda real, fake: torch.sigmoid(real - fake), "Every real sample meets every fake"),
    ],
    "12.3": [
        (lambda widths, limit: math.prod(widths[1:-1]) * limit, "one factor of the limit for each layer"),
        (lambda widths, limit: limit ** (len(widths) - 1), "network of width one"),
        (lambda widths, limit: paths(widths, limit, -1), "Count the layers of weights"),
        (lambda widths, limit: paths(widths, limit, 1), "Count the layers of weights"),
        (lambda widths, limit: widths[1] * limit ** (len(widths) - 1), "a unit in each of them"),
        (paths, "Right for one input"),
        (lambda widths, limit: math.prod(widths) * limit ** (len(widths) - 1), "inputs are not summed over"),
        (lambda widths, limit: two_hidden(widths) * limit ** (len(widths) - 1), "Right so far"),
        (lambda widths, limit: 1.0, "For widths (1, 32, 32, 1) and limit 0.1"),
    ],
    "12.4": [
        (lambda real, fake: ((real >= 1).sum() + (fake <= -1).sum()) / 12, "Right once"),
        (lambda real, fake: silent(real, fake, 0.0, 0.0).mean(), "cut at zero"),
        (lambda real, fake: 1 - silent(real, fake).mean(), "wrong way round"),
        (lambda real, fake: (torch.cat([real, fake]) >= 1).float().mean(), "cut both at +1"),
        (lambda real, fake: silent(real, fake).sum(), "a count"),
        (lambda real, fake: (real >= 1).float().mean() + (fake <= -1).float().mean(), "sum of two shares"),
        (lambda real, fake: ((real >= 1).float().mean() + (fake <= -1).float().mean()) / 2, "mean of two shares"),
        (lambda real, fake: (real >= 1).float().mean(), "share of the real samples"),
        (lambda real, fake: (fake <= -1).float().mean(), "share of the fakes"),
        (lambda real, fake: silent(real, fake), "Return one number"),
        (lambda real, fake: torch.cat([real >= 1, fake <= -1]).mean(), "count the silent ones of each"),
        (lambda real, fake: (torch.cat([real, fake]).abs() >= 1).float().mean(), "Three of 5 real samples"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "12.1": [
        lambda b, target: b.sub_(target).neg_(),
    ],
    "12.2": [
        lambda real, fake: torch.stack([torch.sigmoid(real - b).mean() for b in fake]),
    ],
    "12.4": [
        lambda real, fake: ((real > 1).sum() + (fake < -1).sum()).item() / (len(real) + len(fake)),
    ],
}
