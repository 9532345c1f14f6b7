"""Checks of chapter 6, "Meeting collapse"."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import close, exercise, expect, run_answer

_MEANS = torch.tensor([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
_GOOD = (100, 20, 10, 9, 1)  # of 200 samples in all, so that a quarter of a fair share is 10; the other 60 are far off


def _samples() -> Tensor:
    angle = torch.linspace(0, 6, sum(_GOOD))
    near = _MEANS.repeat_interleave(torch.tensor(_GOOD), dim=0) + 0.28 * torch.stack([angle.cos(), angle.sin()], 1)
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    far = _MEANS[4] + 0.27 * corners.repeat(15, 1)  # within a box of 0.3, beyond the disc
    return torch.cat([near, far])


@exercise("6.1", praise="Strict about the distance, fair about the number.")
def _held(answer: Any) -> None:
    given = run_answer(answer, _samples(), _MEANS.clone(), 0.1)
    expect(
        isinstance(given, Tensor) and given.shape == (5,),
        f"Return a tensor with an entry for each of the 5 modes; yours is {_form(given)}.",
    )
    expect(given.dtype == torch.bool, f"Return True or False for each mode; yours holds {given.dtype}.")
    says = "".join("-x"[int(held)] for held in given)
    wrong = {
        "xxxxx": "For you one good sample is enough to hold a mode. Ask for a quarter of the fair share.",
        "xxx-x": "You count samples that are too far away. Good is within 3 standard deviations of a mode: a disc, no box.",
        "xxxx-": "Your fair share is one of the good samples only. Take it of all samples, the bad ones too.",
        "x----": "You ask for a whole fair share, or for nearly one. A quarter is enough.",
        "xx---": "A mode with exactly a quarter of its fair share is held too: at least, not more than.",
    }
    expect(says not in wrong, wrong.get(says, ""))
    expect(
        says == "xxx--",
        f"With {_GOOD} good samples of 200, the first three of the 5 modes are held; yours says {given.tolist()}.",
    )
    close_by = run_answer(answer, torch.tensor([[0.15, 0.0]]).repeat(8, 1), torch.tensor([[0.0, 0.0], [0.4, 0.0]]), 0.1)
    expect(close_by.shape == (2,), "Right until the last mode is never visited: it needs its False too (`minlength`).")
    expect(not close_by[1], "Right for modes far apart, but where two lie close a sample is good for the nearest only.")


@exercise("6.2", praise="A film that shows no motion may have been taken once a turn.")
def _hops_seen(answer: Any) -> None:
    slow = run_answer(answer, 80, 5, 21)
    expect(not close(slow, 21), "You count looks. A hop lies between two looks, of which there is one pair fewer.")
    expect(not close(slow, 20), "Two looks within one visit see no hop. Work out the mode at each look, then compare.")
    expect(close(slow, 10), f"A turn of 80 steps, seen every 5, 21 times: at 8 modes that is 10 hops; yours is {slow}.")
    once = run_answer(answer, 80, 80, 11)
    expect(
        not close(once, 80),
        "You count the hops that happen. Looking once a turn, we see the same mode each time, and no hop at all.",
    )
    expect(
        not close(once, 10),
        "After a full turn the generator is back at mode 0: take the mode modulo 8 before you compare.",
    )
    expect(close(once, 0), f"Looking once in a turn of 80 steps we see 0 hops; yours is {once}.")
    fast = run_answer(answer, 80, 30, 11)
    expect(
        not close(fast, 30),
        "Two looks show at most one hop, however many modes lie between. Count pairs that differ, not modes passed.",
    )
    expect(close(fast, 10), f"Every 30 steps it has moved on by 3 modes: 10 hops between 11 looks; yours is {fast}.")
    first = run_answer(answer, 80, 4, 3)
    expect(
        close(first, 0),
        f"At steps 0, 4 and 8 of a turn of 80 it is at mode 0: round down, look at 0; yours is {first}.",
    )
    odd = run_answer(answer, 110, 10, 50)
    expect(
        not close(odd, 37),
        "Right where 8 divides the period. Else a stay is no whole number of steps: take 8 t / period, then round down.",
    )
    expect(close(odd, 35), f"In a turn of 110 steps, seen every 10, 50 times, there are 35 hops; yours is {odd}.")


@exercise("6.3", praise="For small rates that is about 3 / rate: the rule of three.")
def _seeds_needed(answer: Any) -> None:
    given = run_answer(answer, 0.1)
    exact = math.log(0.05) / math.log(0.9)
    expect(not close(given, exact), "A number of seeds is whole: round up.")
    expect(
        not close(given, math.floor(exact)),
        "You rounded down: with so few seeds, seeing none still has more than 5 % chance.",
    )
    expect(
        not close(given, 30),
        "The rule of three is an approximation; it says 30 for a rate of 0.1. Solve the inequality.",
    )
    expect(
        not close(given, 10),
        "After 1 / rate seeds you expect to see one, but in a third of all cases you will have seen none.",
    )
    expect(
        not close(given, math.ceil(math.log(0.95) / math.log(0.9))),
        "You used 95 % as the chance to see none. That chance should be 5 %.",
    )
    expect(
        close(given, 29), f"For a rate of 0.1 we need 29 seeds, since 0.9^29 is the first below 5 %; yours is {given}."
    )
    for rate, wanted in ((0.5, 5), (0.01, 299)):
        other = run_answer(answer, rate)
        expect(close(other, wanted, rtol=0), f"Right for 0.1, but for {rate} it should be {wanted}; yours is {other}.")


_STEPS = torch.cat([torch.full((20,), 0.9), torch.full((5,), -0.9)])


@exercise("6.4", praise="It holds as long as it moves less than half a turn between two looks.")
def _turns(answer: Any) -> None:
    path = torch.cat([torch.tensor([0.5]), 0.5 + _STEPS.cumsum(0)])
    seen = torch.atan2(path.sin(), path.cos())
    given, wanted = torch.as_tensor(run_answer(answer, seen.clone())), float(_STEPS.sum()) / (2 * math.pi)
    expect(given.ndim == 0, f"Return one number, the sum over all looks; yours has shape {list(given.shape)}.")
    expect(
        not close(given, (seen[-1] - seen[0]) / (2 * math.pi)),
        "Last minus first forgets whole turns: angles start again at pi. Add up the differences between looks.",
    )
    expect(not close(given, _STEPS.sum()), "That is in radians. A turn is 2 pi.")
    expect(not close(given, -wanted), "The sign is turned: counter-clockwise, where angles grow, counts as positive.")
    expect(
        not close(given, _STEPS.abs().sum() / (2 * math.pi)),
        "That is the length of the path. Going back must undo turns, so keep the sign of each difference.",
    )
    jumps = (seen.diff().abs() > math.pi) * seen.diff().sign()
    expect(
        not close(given, -jumps.sum()),
        "You count whole turns, or how often it passes pi. Count parts too: bring each difference into [-pi, pi) and sum.",
    )
    expect(
        not close(given, (seen.diff() % (2 * math.pi)).sum() / (2 * math.pi)),
        "A remainder from 0 to 2 pi makes a step back into a long one forward. Bring it into [-pi, pi).",
    )
    expect(close(given, wanted), f"20 steps of 0.9 and 5 back are {wanted:.2f} turns; yours gives {float(given):.2f}.")
    path = 2.5 * torch.arange(11.0)
    large = torch.as_tensor(run_answer(answer, torch.atan2(path.sin(), path.cos())))
    expect(
        close(large, 25 / (2 * math.pi)),
        "Right for steps of 0.9, but ten steps of 2.5, each still less than half a turn, are 3.98 turns; "
        f"yours gives {float(large):.2f}.",
    )


def _form(value: object) -> str:
    return f"of shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
