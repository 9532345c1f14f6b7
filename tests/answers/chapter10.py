"""Wrong answers to the exercises of chapter 10, each with a fragment of the message it must get."""

from __future__ import annotations

from math import exp

import torch


def lost(a, b, c):
    return 1000 - 100 * (len(a) + len(b) + len(c))


def entropy(counts):
    p = counts[counts > 0] / counts.sum()
    return -(p * p.log()).sum()


def careless_entropy(counts):
    p = counts / counts.sum()
    return (-(p * p.log()).sum()).exp()


WRONG = {
    "10.1": [
        (lambda digits: digits.sum(1), "123 from 321"),
        (lambda digits: digits @ torch.tensor([1, 10, 100]), "right to left"),
        (lambda digits: digits @ torch.tensor([81, 9, 1]), "not nine"),
        (lambda digits: digits.prod(1), "A product is 0"),
        (lambda digits: digits * torch.tensor([100, 10, 1]), "one label for each"),
        (lambda digits: digits.float() @ torch.tensor([100.0, 10.0, 1.0]), "whole numbers"),
    ],
    "10.2": [
        (lost, "more than once"),
        (lambda a, b, c: 30 - len(a) - len(b) - len(c), "they multiply"),
        (lambda a, b, c: len(a) * len(b) * len(c), "lost digits only"),
        (lambda a, b, c: 10 ** (3 - bool(a) - bool(b) - bool(c)), "Not right for the lost digits"),
    ],
    "10.3": [
        (lambda n, k: min(n, k), "repeat modes"),
        (lambda n, k: k * (1 - 1 / k) ** n, "still unseen"),
        (lambda n, k: 1 - (1 - 1 / k) ** n, "the share of the modes"),
        (lambda n, k: k * (1 - exp(-n / k)), "limit for many modes"),
        (lambda n, k: n * (1 - 1 / k) ** (n - 1), "with which chance"),
    ],
    "10.4": [
        (lambda counts: (counts > 0).sum(), "the rarest as much as the commonest"),
        (careless_entropy, "0 log 0"),
        (lambda counts: entropy(counts), "its exponential"),
        (lambda counts: 6 / entropy(counts).exp(), "The sign is wrong"),
        (lambda counts: 36 / entropy(counts).exp(), "The sign is wrong"),
        (lambda counts: entropy(counts).exp() / 6, "a share of all modes"),
        (lambda counts: 1 / (counts / counts.sum()).square().sum(), "another effective number"),
        (lambda counts: 2 ** entropy(counts), "2 to the power"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "10.1": [
        lambda digits: 100 * digits[:, 0] + 10 * digits[:, 1] + digits[:, 2],
    ],
    "10.2": [
        lambda a, b, c: 1000 * (1 - len(a) / 10) * (1 - len(b) / 10) * (1 - len(c) / 10),
        lambda a, b, c: torch.tensor([10 - len(lost) for lost in (a, b, c)]).prod(),
    ],
    "10.3": [
        lambda n, k: sum((1 - 1 / k) ** i for i in range(n)),
    ],
}
