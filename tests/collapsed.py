"""Samples whose defect is known, for the tests of every diversity metric: a perfect sampler, and six bad ones."""

from __future__ import annotations

import torch
from torch import Tensor

import gan_utils as gu

RING = gu.data.ring(std=0.05)
N = 2_000
TRAIN, HELD_OUT, FRESH = (RING.sample(N, gu.generator(0, part)) for part in range(3))
DEFECTS = ("none", "one mode", "four modes", "duplicates", "within", "noise", "memorised")


def defective(name: str, n: int = N, seed: int = 0) -> Tensor:
    """Return n samples ``[n, 2]`` of a generator of the ring with this defect."""
    rng = gu.generator(1, seed)
    noise, share = torch.randn(n, 2, generator=rng), torch.rand(n, 2, generator=rng)
    x = RING.sample(n, rng)
    mode = RING.nearest(x)[0]
    return {
        "none": lambda: x,
        "one mode": lambda: RING.means[3] + RING.std[3] * noise,
        "four modes": lambda: RING.means[mode % 4] + RING.std[0] * noise,
        "duplicates": lambda: x[:20].repeat(n // 20, 1),  # 20 different outputs
        "within": lambda: RING.means[mode] + RING.std[0] / 10 * noise,  # every mode, a tenth of its width
        "noise": lambda: 6 * share - 3,  # uniform in a square of which the ring takes up 1.5 %
        "memorised": lambda: TRAIN[torch.randint(len(TRAIN), (n,), generator=rng)],
    }[name]()
