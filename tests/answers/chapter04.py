"""Wrong answers to the exercises of chapter 4, each with a fragment of the message it must get."""

from __future__ import annotations

from itertools import pairwise
from math import log, prod

import numpy as np
import torch

from gan_utils.metrics import spread


def kl(fake, real, direction="right", base=1.0, over=10):
    p, q = fake[:over] / fake[:over].sum(), real[:over] / real[:over].sum()
    return torch.special.xlogy(*((p, p / q) if direction == "right" else (q, q / p))).sum() / base


def share(fake):
    return fake[10] / fake.sum()


def careless_kl(fake, real):
    p, q = fake[:10] / fake[:10].sum(), real[:10] / real[:10].sum()
    return (p * (p / q).log()).sum(), share(fake)


def all_terms_positive(fake, real):
    p, q = fake[:10] / fake[:10].sum(), real[:10] / real[:10].sum()
    return (p * (p / q).log()).abs().nansum(), share(fake)


def half_partial_kl(fake, real):
    p, q = fake[:10] / fake[:10].sum(), real[:10] / real.sum()
    return torch.special.xlogy(p, p / q).sum(), share(fake)


def partial_kl(fake, real):
    p, q = fake / fake.sum(), real / real.sum()
    return torch.special.xlogy(p[:10], p[:10] / q[:10]).sum(), p[10]


def squared_spread(x, real):
    first, second = (torch.cdist(v, v).square().sum() / (len(v) * (len(v) - 1)) for v in (x, real))
    return first / second


WRONG = {
    "4.1": [
        (lambda *widths: sum(a * b for a, b in pairwise(widths)), "counted the weights"),
        (lambda *widths: sum(a * b for a, b in pairwise(widths)) + sum(widths), "input has no bias"),
        (lambda *widths: prod(widths), "do not multiply"),
        (lambda a, b, c=0: a * b + b + b * c + c if c else a * b, "785 parameters"),
    ],
    "4.2": [
        (lambda x: x / 255, "lies in [0, 1]"),
        (lambda x: x * 2 / 255 - 1, "128 became black"),
        (lambda x: x.float() / 128 - 1, "not by 128"),
        (lambda x: 1 - x / 127.5, "changed places"),
        (lambda x: (x / 127.5 - 1).flatten(1), "shape should stay"),
        (lambda x: (x.float() - 127.5).sign().to(torch.int8), "no room for fractions"),
        (lambda x: x.float() / x.max() * 2 - 1, "depend on the batch"),
    ],
    "4.3": [
        (lambda x, real: torch.cdist(x, x).mean() / torch.cdist(real, real).mean(), "distance to itself"),
        (lambda x, real: spread(real) / spread(x), "turned over"),
        (lambda x, real: spread(x), "it has no scale"),
        (squared_spread, "squared distances"),
        (lambda x, real: torch.cdist(x, real).mean() / spread(real), "compares samples with data"),
        (lambda x, real: x.std(0) / real.std(0), "one number"),
    ],
    "4.4": [
        (lambda fake, real: (kl(fake, real), fake[10]), "yours is a count"),
        (careless_kl, "0 log 0"),
        (lambda fake, real: (kl(fake, real, direction="turned"), share(fake)), "other direction, from data"),
        (lambda fake, real: (kl(fake, real, base=log(2)), share(fake)), "nats"),
        (partial_kl, "sum to 0.6"),
        (half_partial_kl, "data's ten shares"),
        (lambda fake, real: (kl(fake, torch.ones(11)), share(fake)), "a tenth"),
        (lambda fake, real: kl(fake, real), "two numbers"),
        (all_terms_positive, "Not the sum of q log"),
        (lambda fake, real: (share(fake), kl(fake, real)), "divergence first"),
        (lambda fake, real: (fake[:10] / fake[:10].sum(), share(fake)), "should be one number"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "4.1": [
        lambda *widths: sum(a * b + b for a, b in pairwise(widths)),
    ],
    "4.2": [
        lambda x: (x - 127.5) / 127.5,
    ],
    "4.3": [
        lambda x, real: (torch.pdist(x).mean() / torch.pdist(real).mean()).item(),
    ],
    "4.4": [
        lambda fake, real: [kl(fake, real).item(), share(fake).item()],
        lambda fake, real: np.array([kl(fake, real), share(fake)]),
    ],
}
