"""What ``make test-seeds`` puts before a notebook: every seed gives other numbers, but for the deals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "scripts" / "other_seeds.py"
DRAW = """
import runpy, sys, torch, gan_utils as gu
if len(sys.argv) > 1:
    runpy.run_path(sys.argv[1])
torch.manual_seed(0)
gan = gu.GAN(gu.models.mlp(2, 3, 2), gu.models.mlp(2, 3, 1))
ring = gu.data.ring()
for drawn in (
    torch.rand(1), torch.rand(1, generator=gu.generator(0)), gan.init(0).G.params["1.bias"][:1],
    gu.draw_block(gan, ring, seed=0, block=0, batch=1).z.flatten()[:1],
    torch.rand(1, generator=gu.generator(9)), torch.rand(1, generator=gu.generator(42)),
):
    print(drawn.item())
"""


def drawn(*arguments: str) -> list[str]:
    """Return what a fresh interpreter draws: globally, from a stream, weights, noise, and from the streams of the deals."""
    command = [sys.executable, "-c", DRAW, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"GAN_BOOK_SHIFT": "7"})
    return done.stdout.split()


def test_every_stream_is_another_but_those_that_dealt_out_data():
    plain, shifted = drawn(), drawn(str(SCRIPT))
    assert [a == b for a, b in zip(plain, shifted, strict=True)] == [False] * 4 + [True] * 2
    assert shifted == drawn(str(SCRIPT))
