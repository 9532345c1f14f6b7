"""Wrong answers to the exercises of chapter 7, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import torch

normal = torch.distributions.Normal(0.0, 1.0)


def near(x, radius):
    return (torch.cdist(x, x) < radius).float()


def without_self(x, radius):
    n = len(x)
    return n * (n - 1) / (near(x, radius).sum() - n)


def old(known):
    return torch.ones_like(known).tril(-1).bool()


def by_rows(known):
    return torch.stack([row[:i].mean() for i, row in enumerate(known) if i]).mean()


def tv(p, q):
    return (p - q).abs().sum() / 2


def squared_twice(p, q, m):
    for _ in range(m - 1):
        p, q = torch.outer(p, p).flatten(), torch.outer(q, q).flatten()
    return tv(p, q)


def quantile(below):
    return normal.icdf(torch.tensor(below))


WRONG = {
    "7.1": [
        (lambda x, radius: near(x, radius).mean(), "one over it"),
        (without_self, "with itself"),
        (lambda x, radius: 1 / (1 - near(x, radius)).mean(), "far apart. Count the near"),
        (lambda x, radius: len(x) / near(x, radius).mean(), "n squared, not by n"),
        (lambda x, radius: torch.tensor(3.0), "unequal size"),
        (lambda x, radius: 1 / near(x, 0.5).mean(), "keep to themselves: 6"),
        (lambda x, radius: 1 / near(x, radius).mean(1), "one number"),
        (lambda x, radius: 1 / (torch.cdist(x, x) < radius).mean(), "raised "),
    ],
    "7.2": [
        (lambda known: known[torch.ones_like(known).tril().bool()].mean(), "counted the diagonal"),
        (lambda known: known[torch.ones_like(known).triu(1).bool()].mean(), "still to come"),
        (lambda known: known.mean(), "mean over everything"),
        (lambda known: known.tril(-1).mean(), "zeros that tril"),
        (by_rows, "within each row"),
        (lambda known: known[-1, :-1].mean(), "last row alone"),
        (lambda known: known[old(known)], "one number"),
        (lambda known: known.tril(-1).sum() / len(known), "divide by the number of entries"),
        (lambda known: (known.sum() - known.trace()) / 6, "Here the old entries"),
    ],
    "7.3": [
        (lambda p, q, m: (p - q).abs().sum(), "left out the half"),
        (lambda p, q, m: (p - q).sum() / 2, "differences cancel"),
        (lambda p, q, m: tv(p, q), "does not change with m"),
        (lambda p, q, m: m * tv(p, q), "in proportion to m"),
        (lambda p, q, m: 1 - (1 - tv(p, q)) ** m, "only a bound"),
        (lambda p, q, m: tv(p**m, q**m), "packs of equal samples"),
        (squared_twice, "not for three"),
        (lambda p, q, m: (p - q).abs().max(), "half the sum of |p - q|"),
    ],
    "7.4": [
        (lambda gap, slope, below: normal.cdf(quantile(below) + gap / slope), "Subtract what lies below"),
        (lambda gap, slope, below: normal.cdf(quantile(below) + gap * slope) - below, "needs less room"),
        (lambda gap, slope, below: normal.cdf(torch.tensor(below + gap / slope)) - below, "first find its quantile"),
        (lambda gap, slope, below: normal.cdf(torch.tensor(gap / slope)) - 0.5, "even shares only"),
        (lambda gap, slope, below: gap / slope, "distance between latents"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "7.1": [
        lambda x, radius: len(x) ** 2 / float((torch.cdist(x, x) < radius).sum()),
    ],
    "7.2": [
        lambda known: known[tuple(torch.tril_indices(*known.shape, -1))].mean(),
    ],
    "7.4": [
        lambda gap, slope, below: (1 + math.erf((quantile(below).item() + gap / slope) / math.sqrt(2))) / 2 - below,
    ],
}
