"""Wrong answers to the exercises of chapter 14, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import numpy as np
import torch


def l1(M):
    return (M[:, None] - M).abs().sum(3)


def near(distance):
    return (-distance).exp().sum(1) - 1


def heads(a, m):
    return torch.tensor([math.comb(m, k) * a**k * (1 - a) ** (m - k) for k in range(m + 1)], dtype=torch.float64)


def tv(tau, m, a):
    return (heads(a, m) - heads(a + tau, m)).abs().sum() / 2


def least(tau, m):
    return min(tv(tau, m, a) for a in torch.linspace(0, 1 - tau, 201, dtype=torch.float64).tolist())


WRONG = {
    "14.1": [
        (lambda K, rho: rho * (1 - 1 / K), "rho squared"),
        (lambda K, rho: rho**2 + (1 - rho**2) / K, "take the difference"),
        (lambda K, rho: rho**2, "always agree, but so do"),
        (lambda K, rho: 2 * rho**2 * (1 - 1 / K), "half of the sum"),
        (lambda K, rho: 1 - (1 - rho) ** 2, "at least one of the two"),
        (lambda K, rho: 0.288, "Right for K = 5"),
        (lambda K, rho: 0.288 if K == 5 else 0.21875, "nobody hops"),
        (lambda K, rho: 0.8 * rho**2, "Right for K = 5"),
    ],
    "14.2": [
        (
            lambda M: (
                torch.cdist(M.transpose(0, 1), M.transpose(0, 1), p=1)
                .masked_fill(torch.cdist(M.transpose(0, 1), M.transpose(0, 1), p=1) == 0, torch.inf)
                .neg()
                .exp()
                .sum(2)
                .T
            ),
            "not whatever is like it",
        ),
        (lambda M: near(l1(M)) + 1, "itself as well"),
        (lambda M: l1(M).sum(1), "sum of distances"),
        (lambda M: near(l1(M)) / (len(M) - 1), "mean over the others"),
        (lambda M: near(l1(M) / M.shape[2]), "takes their mean"),
        (lambda M: near((M[:, None] - M).norm(dim=3)), "Euclidean"),
        (lambda M: near((M[:, None] - M).square().sum(3)), "squared the differences"),
        (lambda M: (-l1(M).sum(1)).exp(), "Sum after exp"),
        (lambda M: near(l1(M)).sum(1), "[B, kernels]"),
    ],
    "14.3": [
        (least, "the least distance itself"),
        (lambda tau, m: (1 + tau) / 2, "the other coin"),
        (lambda tau, m: 1.2, "chances of heads"),
        (lambda tau, m: 0.0, "the most, not the least"),
        (lambda tau, m: (1 - tau) / 2, "Right for an even m"),
        (lambda tau, m: 0.1, "the least is"),
    ],
    "14.4": [
        (lambda real, fake: (real - fake).square().sum(1).mean(), "sample with sample"),
        (lambda real, fake: (real.mean(0) - fake.mean(0)).norm(), "That is the distance"),
        (lambda real, fake: (real.mean(0) - fake.mean(0)).square().mean(), "Sum over the features"),
        (lambda real, fake: (real.mean(0) - fake.mean(0)).abs().sum(), "absolute values"),
        (lambda real, fake: (real.mean(0) - fake.mean(0)).sum().square(), "they cancel"),
        (lambda real, fake: (real.mean(0) - fake.sum(0) / 2).square().sum(), "longer than the other"),
        (lambda real, fake: (real - fake).square().sum(), "sample with sample"),
        (lambda real, fake: (real - fake).mean(0).square().sum(), "take each one's mean first"),
        (lambda real, fake: (real.mean(0) - fake.mean(0)).square().sum().item(), "G learns nothing"),
        (lambda real, fake: (real.mean(0) - fake.mean(0).detach()).square().sum(), "G learns nothing"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "14.3": [
        lambda tau, m: min(torch.linspace(0, 1 - tau, 101).tolist(), key=lambda a: tv(tau, m, a)),
        lambda tau, m: min(torch.arange(0, 1 - tau, 0.005).tolist(), key=lambda a: tv(tau, m, a)),
        lambda tau, m: min(torch.linspace(0, 1 - tau, 201).double(), key=lambda a: tv(tau, m, float(a))),
        lambda tau, m: (
            1 - tau - min(np.linspace(0, 1 - tau, 301), key=lambda a: tv(tau, m, float(a)))
        ),  # the mirror image
    ],
    "14.2": [
        lambda M: torch.cdist(M.transpose(0, 1), M.transpose(0, 1), p=1).neg().exp().sum(2).T - 1,
    ],
}
