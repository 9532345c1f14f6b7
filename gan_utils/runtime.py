"""Where and how much to compute: the device, the book's ``fast`` and ``full`` modes, and random streams."""

from __future__ import annotations

import os
from typing import TypeVar

import numpy as np
import torch

from gan_utils import checks

__all__ = ["budget", "device", "generator", "mode"]

T = TypeVar("T")


def device(name: str | torch.device = "auto") -> torch.device:
    """Return the device to compute on.

    ``"auto"`` takes CUDA where there is one and the CPU otherwise. (Apple's MPS must be asked for by name: it lacks
    float64 and some of the operations used here.) Raises ValueError for a device that this machine does not have.
    """
    if str(name) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device={name!r} cannot be used on this machine ({reason}). Use 'auto' or 'cpu'.") from None
    return chosen


def mode() -> str:
    """Return ``"fast"`` or ``"full"``: what GAN_BOOK_MODE says, else ``full`` with a GPU and ``fast`` without."""
    if given := os.environ.get("GAN_BOOK_MODE"):
        return checks.choice("GAN_BOOK_MODE", given, ("fast", "full"))
    return "full" if torch.cuda.is_available() else "fast"


def budget(*, fast: T, full: T) -> T:
    """Return what belongs to the present :func:`mode`, as in ``steps = budget(fast=2_000, full=20_000)``."""
    return fast if mode() == "fast" else full


def generator(*key: int) -> torch.Generator:
    """Return a CPU generator whose stream is a function of the whole numbers in ``key`` alone.

    Keys that differ anywhere give unrelated streams (NumPy's SeedSequence does the mixing), so ``generator(seed, 3)``
    needs no knowledge of how much ``generator(seed, 2)`` has drawn. All noise is drawn on the CPU, also for a GPU run:
    both then see the same numbers.

    Example:
        >>> torch.equal(torch.rand(3, generator=gu.generator(5, 0)), torch.rand(3, generator=gu.generator(5, 0)))
        True
        >>> torch.equal(torch.rand(3, generator=gu.generator(5, 0)), torch.rand(3, generator=gu.generator(5)))
        False
    """
    key = tuple(checks.integer("seed or key", part, least=0) for part in key)
    # The length leads, since SeedSequence pads with zeros: (5,) and (5, 0) would give one and the same stream.
    word = np.random.SeedSequence((len(key), *key)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(word >> np.uint64(1)))
