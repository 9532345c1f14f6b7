"""What ``make test-seeds`` puts before a notebook: every seed gives other numbers, but for the deals."""

from __future__ import annotations

import runpy
from pathlib import Path

import torch

import gan_utils as gu

SCRIPT = Path(__file__).parent.parent / "scripts" / "other_seeds.py"


def drawn() -> list[float]:
    """Return a number drawn globally, from a stream, of weights, of noise, and from the two streams of the deals."""
    torch.manual_seed(0)
    gan = gu.GAN(gu.models.mlp(2, 3, 2), gu.models.mlp(2, 3, 1))
    numbers = (
        torch.rand(1),
        torch.rand(1, generator=gu.generator(0)),
        gan.init(0).G.params["1.bias"][:1],
        gu.draw_block(gan, gu.data.ring(), seed=0, block=0, batch=1).z.flatten()[:1],
        torch.rand(1, generator=gu.generator(9)),
        torch.rand(1, generator=gu.generator(42)),
    )
    return [number.item() for number in numbers]


def test_every_stream_is_another_but_those_that_dealt_out_data(monkeypatch):
    plain = drawn()
    monkeypatch.setenv("GAN_BOOK_SHIFT", "7")
    for module, name in ((torch, "manual_seed"), (gu, "generator"), (gu.runtime, "generator")):
        monkeypatch.setattr(module, name, getattr(module, name))  # what the script puts there is taken back
    runpy.run_path(str(SCRIPT))
    shifted = drawn()
    assert [a == b for a, b in zip(plain, shifted, strict=True)] == [False] * 4 + [True] * 2
    assert shifted == drawn()
    monkeypatch.undo()
    assert plain == drawn()
