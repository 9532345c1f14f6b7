"""Checks of chapter 8, "Measuring on known modes"."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import close, exercise, expect, run_answer


@exercise("8.1", praise="A cut of three keeps 98.9 %; a little over three keeps 99 %.")
def _cut(answer: Any) -> None:
    share = 0.8
    given, bad = run_answer(answer, share), 1 - share
    expect(
        not close(given, -2 * math.log(bad)), "Yours is the square of the cut: t itself is asked for. Take the root."
    )
    expect(
        not close(given, math.sqrt(-math.log(bad))),
        "The 2 is missing: the exponent is t squared over two, so t squared is -2 log of the bad share.",
    )
    expect(
        not close(given, math.sqrt(-2 * math.log(share))),
        "Yours is the cut that keeps 20 % when 80 % are asked for: the exponential is the share that is not good.",
    )
    line = math.sqrt(2) * float(torch.erfinv(torch.tensor(share, dtype=torch.float64)))
    expect(
        not close(given, line),
        "That is the cut in one dimension, the quantile of a normal variable. In two, fewer samples lie near the mode.",
    )
    box = math.sqrt(2) * float(torch.erfinv(torch.tensor(share, dtype=torch.float64).sqrt()))
    expect(not close(given, box), "That is half the side of a box that holds the share. The rule is a disc.")
    expect(
        close(given, math.sqrt(-2 * math.log(bad))),
        f"For a share of 80 % the cut is {math.sqrt(-2 * math.log(bad)):.3f}; yours gives {given}.",
    )


def _tail(w: Tensor, n: int, least: int) -> Tensor:
    """Return the mean number of modes with ``least`` of n samples or more."""
    fewer = [math.comb(n, k) * w**k * (1 - w) ** (n - k) for k in range(least)]
    return (1 - torch.stack(fewer).sum(0)).sum()


@exercise("8.2", praise="Exact for every n: the count of one mode is binomial, and means add up.")
def _modes_with(answer: Any) -> None:
    w, n, least = torch.tensor([0.5, 0.2, 0.05], dtype=torch.float64), 12, 3
    given, wanted = run_answer(answer, w.clone(), n, least), _tail(w, n, least)
    expect(
        not close(given, (1 - (1 - w) ** n).sum()),
        "Yours counts modes with at least one sample whatever `least` is: sum over fewer than `least` samples.",
    )
    expect(
        not close(given, _tail(w, n, least + 1)),
        "Yours asks for more than `least` samples. A mode with exactly `least` counts too: stop the sum at least - 1.",
    )
    expect(
        not close(given, len(w) - wanted),
        "Yours is the mean number of modes with fewer than `least` samples: that is what to subtract from 1.",
    )
    expect(
        not close(given, (w * n >= least).sum()),
        "Yours counts modes that get `least` samples on average. A count scatters, so a mode near the limit has a chance.",
    )
    poisson = 1 - torch.stack([(n * w) ** k * torch.exp(-n * w) / math.factorial(k) for k in range(least)]).sum(0)
    expect(
        not close(given, poisson.sum()),
        "That is Poisson's approximation, good for large n and small shares only. The count is binomial.",
    )
    expect(
        isinstance(given, (Tensor, float, int)) and torch.as_tensor(given).ndim == 0,
        "Return one number: the sum over the modes.",
    )
    expect(
        close(given, wanted), f"For shares .5, .2, .05, n = 12, least = 3 it is {wanted:.3f}; yours {float(given):.3f}."
    )
    few = run_answer(answer, w.clone(), 2, 1)
    expect(
        close(few, _tail(w, 2, 1)),
        f"With n = 2 and least = 1 it is {_tail(w, 2, 1):.4f}; yours gives {float(few):.4f}.",
    )


@exercise("8.3", praise="Near 1 would be as odd as near 0: counts can be too even for luck as well.")
def _luck(answer: Any) -> None:
    counts = torch.tensor([30.0, 12.0, 18.0, 20.0])
    n, p = 80.0, counts / 80

    def tail(freedom: float, chi: float, upper: bool = True) -> float:
        arguments = torch.tensor([freedom / 2, chi / 2], dtype=torch.float64)
        return float((torch.special.gammaincc if upper else torch.special.gammainc)(*arguments))

    kl = float(torch.special.xlogy(p, 4 * p).sum())
    given = torch.as_tensor(run_answer(answer, counts.clone())).detach()
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    expect(not given.isnan(), "NaN: a KL is never negative. That from equal shares 1 / K is the sum of p log(K p).")
    expect(
        not close(given, tail(3, 2 * n * kl, upper=False)),
        "Yours is the lower tail: the probability that a perfect sampler scores less. gammaincc is the upper one.",
    )
    expect(not close(given, tail(4, 2 * n * kl)), "Four shares that sum to one have 4 - 1 degrees of freedom.")
    expect(
        not close(given, tail(3, n * kl)) and not close(given, tail(3, 4 * n * kl)),
        "A factor of 2 is wrong: chi-square is 2 n KL, and gammaincc takes half of it, which is n KL.",
    )
    expect(
        not close(given, tail(6, 2 * n * kl)),
        "gammaincc takes half the degrees of freedom, (K - 1) / 2.",
    )
    expect(not close(given, tail(3, 2 * 4 * kl)), "n is the number of samples, the sum of the counts, not of modes.")
    expect(not close(given, kl), "That is the divergence itself. The exercise asks how likely luck alone gives it.")
    expect(
        close(given, tail(3, 2 * n * kl)),
        f"For counts 30, 12, 18, 20 it is {tail(3, 2 * n * kl):.3f}; yours is {float(given):.3f}.",
    )
    hole = torch.as_tensor(run_answer(answer, torch.tensor([3.0, 0.0, 2.0])))
    expect(not hole.isnan(), "Right until a mode is missed: 0 log 0 counts as 0 (torch.special.xlogy knows).")
    expect(
        close(hole, 0.1191), f"Right for four modes, but for counts 3, 0, 2 it is 0.119; yours is {float(hole):.3f}."
    )


@exercise("8.4", praise="A share moves with n, so the count does not.")
def _fair_modes(answer: Any) -> None:
    def count(counts: list[int], shares: list[float], n: int = 100) -> Tensor:
        return torch.as_tensor(run_answer(answer, torch.tensor(counts), n, torch.tensor(shares)))

    given = count([20, 3], [0.5, 0.5])
    expect(given.ndim == 0, f"Return one number of modes; yours has shape {list(given.shape)}.")
    expect(given == given.long(), "Return the number of modes, not a share of them.")
    expect(
        int(given) != 2,
        "Yours asks too little. Of all 100 samples, bad ones included, a mode with half of the data should get 50, and a "
        "quarter of that is 12.5.",
    )
    expect(
        int(given) != 0,
        "Yours asks too much of a mode with half of the data: a quarter of its fair share is 12.5 of 100 samples.",
    )
    expect(int(given) == 1, f"For counts 20 and 3 of n = 100 and equal shares it is 1; yours gives {int(given)}.")
    expect(
        int(count([95, 5], [0.9, 0.1])) == 2,
        "Yours takes the modes as equal. One with a tenth of the data needs 2.5 of 100 samples, and 5 are enough.",
    )
    expect(int(count([5, 60], [0.25, 0.75])) == 1, "A mode with a quarter of the data needs 6.25 of 100 samples.")
    message = "A mode with a quarter of the data needs 6.125 of 98 samples, so 6 are too few: do not round."
    expect(int(count([6, 60], [0.25, 0.75], 98)) == 1, message)
    # Numbers that float32 holds exactly, so that the tie is one in whatever precision.
    expect(
        int(count([4, 50], [0.25, 0.75], 64)) == 2,
        "A mode with exactly a quarter of its fair share counts too: use >=.",
    )
