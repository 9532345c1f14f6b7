"""Checks of chapter 18, "A modern baseline"."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gan_utils.exercises.framework import close, exercise, expect, listed, run_answer

_REAL = torch.tensor([2.0, -1.0, 0.5])
_FAKE = torch.tensor([-1.0, 0.0, 3.0])


@exercise("18.1", praise="Each real sample against one fake: no score has a meaning of its own.")
def _relativistic(answer: Any) -> None:
    given = run_answer(answer, _REAL.clone(), _FAKE.clone())
    expect(isinstance(given, Tensor), f"Return a tensor; yours is a {type(given).__name__}.")
    wanted = softplus(_FAKE - _REAL)
    expect(not close(given, wanted.mean()), "That is the mean over the batch. Return the loss of each pair, [B].")
    expect(given.shape == (3,), f"For 3 pairs return 3 numbers, [3]; yours have the shape {list(given.shape)}.")
    wrong = {
        "That is G's loss. D wants the real sample to score higher, so its loss is small where a - b is large.": softplus(
            _REAL - _FAKE
        ),
        "That is the plain loss: it scores each sample by itself. Only the difference of the two may enter.": softplus(
            -_REAL
        )
        + softplus(_FAKE),
        "You compare each real sample with the mean fake, the relativistic average. Here each meets one fake.": softplus(
            _FAKE.mean() - _REAL
        ),
        "That is the probability that D orders the pair rightly. The loss is minus its logarithm.": torch.sigmoid(
            _REAL - _FAKE
        ),
        "That is the logarithm of the probability; D minimises, so the sign must turn.": -wanted,
        "That is D's half and G's together. Return D's alone.": wanted + softplus(_REAL - _FAKE),
        "That is the difference alone, which has no bottom: pass it through the softplus.": _FAKE - _REAL,
    }
    for message, value in wrong.items():
        expect(not close(given, value), message)
    expect(close(given, wanted), f"The three pairs cost {listed(wanted)}; yours gives {listed(given)}.")
    real, fake = (torch.tensor(scores, requires_grad=True) for scores in ([-200.0, 200.0], [200.0, -200.0]))
    far = run_answer(answer, real, fake)
    expect(far.requires_grad, "The values are right, but no gradient can flow: D learns nothing from such a loss.")
    expect(
        close(far, torch.tensor([400.0, 0.0])),
        "Right, but not for scores that are far apart: the exponential overflows, or its logarithm does. Use softplus.",
    )
    slope, at_fake = torch.autograd.grad(far.sum(), (real, fake), allow_unused=True)
    for side, found in (("real", slope), ("fake", at_fake)):
        expect(
            found is not None,
            f"The values are right, but the {side} scores are cut off: D learns from both. No .detach().",
        )
    expect(
        close(slope, torch.tensor([-1.0, 0.0])),
        f"Right values, but for scores far apart the slopes are {listed(slope)} and should be [-1, 0]: torch.where computes "
        "both branches, and the one that overflows spoils the gradient. Use softplus.",
    )


@exercise("18.2", praise="Twice the side, four times the pixels, four times gamma: as a place to start.")
def _resolution(answer: Any) -> None:
    given = run_answer(answer, 2.0, 32, 128)
    wrong = {
        "Unchanged, the penalty would be a sixteenth of what it was: the slope is shared out among the new pixels.": 2.0,
        "A sum of squares over k^2 times as many pixels, each 1 / k^2 of the slope: that falls as 1 / k^2, not 1 / k.": 8.0,
        "Each pixel's square falls as 1 / k^4, but there are k^2 times as many of them to add up.": 512.0,
        "The other way round: on larger pictures the slope is smaller, so gamma must grow.": 2.0 / 16,
    }
    for message, value in wrong.items():
        expect(not close(given, value), message)
    expect(close(given, 32.0), f"From 32 to 128 pixels a side gamma 2 should become 32; yours gives {given}.")
    down = run_answer(answer, 8.0, 64, 32)
    expect(close(down, 2.0), f"Right upwards, but from 64 to 32 pixels gamma 8 should become 2; yours gives {down}.")


@exercise("18.3", praise="Level at both ends, steepest in the middle, and a tenth is left.")
def _schedule(answer: Any) -> None:
    ends = [run_answer(answer, 10.0, t, 200) for t in (0, 200)]
    expect(not close(ends[1], 0.0), "Yours falls to zero. A tenth of gamma should be left at the end.")
    expect(
        not (close(ends[0], 1.0) and close(ends[1], 10.0)), "Yours rises: it should begin at gamma and end at a tenth."
    )
    expect(close(ends[0], 10.0), f"At step 0 it should be gamma itself, 10; yours gives {ends[0]}.")
    expect(close(ends[1], 1.0), f"At the last step it should be a tenth, 1; yours gives {ends[1]}.")
    quarter = run_answer(answer, 10.0, 50, 200)
    wanted = 10 * (1 - 0.9 * (1 - math.cos(math.pi / 4)) / 2)
    expect(not close(quarter, 7.75), "Both ends are right, but yours falls in a straight line. Use a cosine.")
    expect(
        not close(quarter, 10 ** (1 - 1 / 4)), "Both ends are right, but yours falls by equal factors. Use a cosine."
    )
    expect(
        not close(quarter, 1 + 9 * math.cos(math.pi / 8)),
        "That is a quarter of a cosine wave, which ends at its steepest. Take half a wave, so that both ends are level.",
    )
    expect(close(quarter, wanted), f"At a quarter of the way it should be {wanted:.3f}; yours gives {quarter}.")
    other = run_answer(answer, 4.0, 30, 30)
    expect(close(other, 0.4), f"Right for gamma 10, but gamma 4 should end at a tenth of it, 0.4; yours gives {other}.")


def _table() -> dict[frozenset[str], float]:
    a, b, c = "loss", "R1", "R2"
    values = {(): 1.0, (a,): 2.0, (b,): 5.0, (c,): 4.0, (a, b): 5.5, (a, c): 4.0, (b, c): 6.5, (a, b, c): 8.5}
    return {frozenset(key): value for key, value in values.items()}


@exercise("18.4", praise="Averaged over everything else: what the piece buys, not what one lucky neighbour does.")
def _effect(answer: Any) -> None:
    table = _table()
    given = run_answer(answer, dict(table), "R1")
    having = [v for key, v in table.items() if "R1" in key]
    lacking = [v for key, v in table.items() if "R1" not in key]
    wanted = sum(having) / 4 - sum(lacking) / 4
    wrong = {
        "That is what the piece adds to nothing. Average over all settings of the other pieces.": 5.0 - 1.0,
        "That is what is lost when the piece is left out of the whole. Average over all settings of the others.": 8.5
        - 4.0,
        "That is the mean with the piece. Subtract the mean without it.": sum(having) / 4,
        "The sign: with the piece minus without it.": -wanted,
        "That is a sum over the four pairs. Take their mean.": 4 * wanted,
        "That is half of it. Each mean is over four combinations; subtract that of those without the piece, not of all.": wanted
        / 2,
    }
    for message, value in wrong.items():
        expect(not close(given, value), message)
    expect(close(given, wanted), f"The effect of R1 in the test table is {wanted:g}; yours gives {given}.")
    other = run_answer(answer, dict(table), "loss")
    right = sum(v if "loss" in key else -v for key, v in table.items()) / 4
    expect(close(other, right), f"Right for R1, but the effect of the loss is {right:g}; yours gives {other}.")
