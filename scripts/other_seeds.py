"""Run in a notebook's kernel before its first cell, this shifts every seed: do the claims hold for other draws?

``make test-seeds`` puts it there (``book/conftest.py``). Seeds keep their names; the numbers drawn from them differ. The
recorded runs stay what they are, and so do the streams that say how data were dealt out.
"""

from __future__ import annotations

import os

import torch

import gan_utils as gu

SHIFT = int(os.environ["GAN_BOOK_SHIFT"])
DEALS = {
    (9,),  # which images are chapter 9's real ones: the page describes these
    (42,),  # which images the recorded runs of chapter 11 were given
}

seeded, stream = torch.manual_seed, gu.runtime.generator


def manual_seed(seed: int) -> torch.Generator:
    """Seed torch's global generator with another number."""
    return seeded(int(seed) + SHIFT)


def generator(*key: int) -> torch.Generator:
    """Return another stream than the one of this key."""
    return stream(*key) if key in DEALS else stream(SHIFT, *key)


torch.manual_seed = manual_seed
gu.generator = gu.runtime.generator = generator
