"""Experience replay: D also sees fakes of the past, so that it does not forget what G has left behind."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gan_utils import checks
from gan_utils.functional import random_bits

__all__ = ["Replay", "replay"]


class Replay(NamedTuple):
    """A pool of ``size`` old fakes, of which D is shown some instead of a ``share`` of each batch; see :func:`replay`."""

    size: int
    share: float

    def swap(self, pool: Tensor, fake: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(what D is shown [B, *shape], the new pool [size, *shape])``.

        The last ``share * B`` of ``fake`` (at most ``size``) change places with as many from random places of the pool, no
        place twice. Which ones is a function of ``key``.
        """
        lent = min(round(self.share * len(fake)), self.size)
        places = random_bits((self.size,), key.to(pool.device)).argsort()[:lent]
        shown, kept = fake[: len(fake) - lent], fake[len(fake) - lent :]
        return torch.cat([shown, pool[places]]), pool.index_copy(0, places, kept)


def replay(size: int = 1_024, share: float = 0.5) -> Replay:
    """Replay of old fakes, Shrivastava et al. (2017): by default half of each of D's batches comes from a pool of 1,024.

    The pool begins with fakes of the untrained G and lives in the state. The paper draws and replaces different halves at
    random; we swap, as the image pool of CycleGAN does. ValueError for a share outside [0, 1] or an empty pool.

    Example:
        >>> gan = gu.zoo.build("non-saturating", gu.data.ring(), replay=gu.memory.replay(256))
        >>> gan.init(seed=0).memory["fakes"].shape
        torch.Size([256, 2])
    """
    return Replay(checks.integer("size", size), checks.number("share", share, least=0, most=1))
