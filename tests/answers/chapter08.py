"""Wrong answers to the exercises of chapter 8, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import torch


def normal_quantile(share):
    return math.sqrt(2) * torch.erfinv(torch.tensor(share, dtype=torch.float64)).item()


def modes_with(w, n, least):
    return (1 - sum(math.comb(n, k) * w**k * (1 - w) ** (n - k) for k in range(least))).sum()


def poisson(w, n, least):
    return (1 - sum((n * w) ** k * torch.exp(-n * w) / math.factorial(k) for k in range(least))).sum()


def luck(counts, freedom=-1, of=None, times=1.0, tail=torch.special.gammaincc, careless=False):
    p = counts / counts.sum()
    kl = (p * (len(p) * p).log()).sum() if careless else torch.special.xlogy(p, len(p) * p).sum()
    n = counts.sum() if of is None else of(counts)
    return tail(torch.tensor((len(counts) + freedom) / 2), times * n * kl)


WRONG = {
    "8.1": [
        (lambda share: -2 * math.log(1 - share), "Take the root"),
        (lambda share: math.sqrt(-math.log(1 - share)), "The 2 is missing"),
        (lambda share: math.sqrt(-2 * math.log(share)), "not good"),
        (normal_quantile, "one dimension"),
        (lambda share: normal_quantile(math.sqrt(share)), "The rule is a disc"),
        (lambda share: math.sqrt(-2 * math.log10(1 - share)), "the cut is 1.794"),
    ],
    "8.2": [
        (lambda w, n, least: (1 - (1 - w) ** n).sum(), "whatever `least` is"),
        (lambda w, n, least: modes_with(w, n, least + 1), "exactly `least` counts too"),
        (lambda w, n, least: len(w) - modes_with(w, n, least), "subtract from 1"),
        (lambda w, n, least: (w * n >= least).sum(), "on average"),
        (poisson, "Poisson"),
        (lambda w, n, least: torch.tensor([modes_with(p, n, least) for p in w[:, None]]), "one number"),
        (lambda w, n, least: (1 - (1 - w) ** (n // least)).sum(), "it is 1.442"),
        (lambda w, n, least: torch.distributions.Binomial(n, w).cdf(torch.tensor(least)), "raised NotImplementedError"),
    ],
    "8.3": [
        (lambda counts: luck(counts, tail=torch.special.gammainc), "lower tail"),
        (lambda counts: luck(counts, freedom=0), "4 - 1 degrees"),
        (lambda counts: luck(counts, times=2), "factor of 2"),
        (lambda counts: luck(counts, times=0.5), "factor of 2"),
        (lambda counts: luck(counts, freedom=len(counts) - 2), "half the degrees of freedom"),
        (lambda counts: luck(counts, of=len), "not of modes"),
        (
            lambda counts: torch.special.xlogy(counts / counts.sum(), 4 * counts / counts.sum()).sum(),
            "divergence itself",
        ),
        (lambda counts: luck(counts, careless=True), "0 log 0"),
        (lambda counts: counts / counts.sum(), "one number"),
        (
            lambda counts: torch.special.gammaincc(
                torch.tensor(1.5),
                counts.sum() * torch.special.xlogy(counts / counts.sum(), counts / counts.sum()).sum(),
            ),
            "NaN: a KL",
        ),
        (
            lambda counts: torch.special.gammaincc(
                torch.tensor(1.5),
                counts.sum() * torch.special.xlogy(counts / counts.sum(), 4 * counts / counts.sum()).sum(),
            ),
            "Right for four modes",
        ),
    ],
    "8.4": [
        (lambda counts, n, w: (counts > n * w / 4).sum(), "use >="),
        (lambda counts, n, w: (counts >= counts.sum() * w / 4).sum(), "bad ones included"),
        (lambda counts, n, w: (counts >= w / 4).sum(), "bad ones included"),
        (lambda counts, n, w: (counts >= n / len(w) / 4).sum(), "modes as equal"),
        (lambda counts, n, w: (counts >= n * w).sum(), "12.5 of 100 samples"),
        (lambda counts, n, w: (counts >= 5).sum(), "needs 6.25"),
        (lambda counts, n, w: (counts >= (n * w / 4).round()).sum(), "do not round"),
        (lambda counts, n, w: (counts >= (n * w / 4).long()).sum(), "do not round"),
        (lambda counts, n, w: counts >= n * w / 4, "one number of modes"),
        (lambda counts, n, w: (counts >= n * w / 4).float().mean(), "not a share of them"),
        (lambda counts, n, w: (counts >= n / 4).sum(), "12.5 of 100 samples"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "8.2": [
        lambda w, n, least: sum(
            1 - torch.distributions.Binomial(n, p).log_prob(torch.arange(least)).exp().sum().item() for p in w
        ),
    ],
    "8.4": [
        lambda counts, n, w: sum(c >= n * share / 4 for c, share in zip(counts.tolist(), w.tolist(), strict=True)),
        lambda counts, n, w: int((counts >= n * w.double() / 4).sum()),
        lambda counts, n, w: float((4 * counts / n >= w).sum()),
    ],
}
