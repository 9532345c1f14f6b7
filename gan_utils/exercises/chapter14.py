"""Checks of chapter 14, "Let the critic see the crowd"."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import close, exercise, expect, listed, run_answer


@exercise(
    "14.1",
    praise="A single look never shows it.",
)
def _hopper(answer: Any) -> None:
    K, rho = 5, 0.6
    given = torch.as_tensor(run_answer(answer, K, rho)).detach()
    wanted = rho**2 * (1 - 1 / K)
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    expect(
        not close(given, rho * (1 - 1 / K)),
        "Both samples must take the batch's mode for the pair to betray it: that happens with probability rho squared.",
    )
    expect(
        not close(given, rho**2 + (1 - rho**2) / K),
        "That is how often the hopper's pairs agree. Data agree too, one pair in K: take the difference.",
    )
    expect(
        not close(given, rho**2),
        "Pairs that take the batch's mode always agree, but so do some pairs of the data, by chance: one in K.",
    )
    expect(
        not close(given, 2 * wanted),
        "Twice too large: take half of the sum of all absolute differences, or sum only the positive ones.",
    )
    expect(
        not close(given, 1 - (1 - rho) ** 2),
        "That is the chance that at least one of the two takes the batch's mode. One alone is no sign of anything.",
    )
    expect(close(given, wanted), f"For K = 5 and rho = 0.6 it should be {wanted:.4f}; yours gives {float(given):.4g}.")
    many = run_answer(answer, 8, 0.5)
    expect(
        close(many, 0.25 * 7 / 8), f"Right for K = 5, but for K = 8 and rho = 0.5 it should be 0.2188; yours: {many}."
    )
    never = run_answer(answer, K, 0.0)
    expect(close(never, 0.0), f"With rho = 0 nobody hops, and the distance is 0; yours gives {float(never):.3g}.")


def _projected() -> Tensor:
    # Three samples, two kernels of two numbers; distances differ between kernels, and in L1 and L2.
    return torch.tensor([[[0.0, 0.0], [1.0, 0.5]], [[0.5, 0.25], [1.0, 0.0]], [[2.0, -1.0], [0.0, 0.0]]])


@exercise(
    "14.2", praise="A sample that has no like in its batch scores 0, one among B - 1 copies of itself scores B - 1."
)
def _closeness(answer: Any) -> None:
    M = _projected()
    given = run_answer(answer, M.clone())
    apart = (M[:, None] - M).abs().sum(3)  # [B, B, kernels]
    wanted = (-apart).exp().sum(1) - 1
    expect(
        isinstance(given, Tensor) and given.shape == (3, 2),
        f"Return a number for each sample and kernel, [B, kernels], here [3, 2]; yours is {_form(given)}.",
    )
    expect(
        not close(given, wanted + 1),
        "You compared each sample with itself as well: a distance of 0, so 1 too much in every entry.",
    )
    expect(
        not close(given, apart.sum(1)),
        "That is the sum of distances. Far samples should count for little: take exp of minus the distance.",
    )
    expect(not close(given, wanted / 2), "That is a mean over the others. Sum: a sample with more company scores more.")
    mean = (-apart / M.shape[2]).exp().sum(1) - 1
    expect(not close(given, mean), "Sum the absolute differences over the dims; yours takes their mean.")
    euclid = (-(M[:, None] - M).square().sum(3).sqrt()).exp().sum(1) - 1
    expect(not close(given, euclid), "The distance is L1, the sum of absolute differences, not the Euclidean one.")
    square = (-(M[:, None] - M).square().sum(3)).exp().sum(1) - 1
    expect(not close(given, square), "You squared the differences. L1 is the sum of their absolute values.")
    expect(
        not close(given, (-apart.sum(1)).exp()),
        "Sum after exp: each neighbour counts by itself. Yours adds up all distances first, so one far sample hides the rest.",
    )
    expect(close(given, wanted), f"The first sample should score {listed(wanted[0])}; yours scores {listed(given[0])}.")
    copies = run_answer(answer, torch.zeros(3, 1, 2))
    expect(
        close(copies, torch.full((3, 1), 2.0)),
        "Right for different samples. Of three copies each has two others at distance 0, and scores 2: leave out the "
        "sample itself, not whatever is like it.",
    )


def _coin(a: float, m: int) -> Tensor:
    # Packs of m tosses, by their number of heads: the order tells nothing.
    return torch.tensor([math.comb(m, k) * a**k * (1 - a) ** (m - k) for k in range(m + 1)], dtype=torch.float64)


def _coins(a: float, tau: float, m: int) -> float:
    return float((_coin(a, m) - _coin(a + tau, m)).abs().sum() / 2)


@exercise("14.3", praise="For two looks the gentlest offence shows no more than one look does; for three it has to.")
def _gentlest(answer: Any) -> None:
    for tau, m in ((0.3, 2), (0.3, 3), (0.1, 4), (0.4, 5)):
        given = torch.as_tensor(run_answer(answer, tau, m)).detach()
        expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
        a = float(given)
        least = min(_coins(at, tau, m) for at in torch.linspace(0, 1 - tau, 501, dtype=torch.float64).tolist())
        expect(
            not close(a, least, atol=1e-3), "That is the least distance itself. Return the a at which it is reached."
        )
        expect(
            not close(a, (1 + tau) / 2, atol=2e-3),
            "That is the other coin, a + tau. Return the smaller of the two chances.",
        )
        expect(-1e-9 <= a <= 1 - tau + 1e-9, f"Both a and a + {tau} are chances of heads; your a is {a:.4g}.")
        expect(
            not (close(a, 0.0, atol=2e-3) or close(a, 1 - tau, atol=2e-3)),
            "At an end one of the coins always falls alike, which packs see best of all: that is the most, not the least.",
        )
        expect(
            m % 2 == 0 or not close(a, (1 - tau) / 2, atol=2e-3),
            "Right for an even m. An odd pack has no tie: in the middle the majority tells most. Search over all a. If you "
            "did: is your distance the sum of |differences| between the chances of each number of heads, with math.comb?",
        )
        expect(
            _coins(a, tau, m) < least + 4e-3,  # what a grid of a hundred values may miss
            f"For tau = {tau} and m = {m} packs show {_coins(a, tau, m):.4f} at your a = {a:.4g}; the least is {least:.4f}.",
        )


@exercise("14.4", praise="Whatever has the right means passes, whether or not one sample looks like data.")
def _gap(answer: Any) -> None:
    real = torch.tensor([[1.0, 0.0, 2.0], [3.0, 1.0, 0.0]])
    fake = torch.tensor([[0.0, 0.5, 4.0], [1.0, 1.5, 1.0]])
    hint = "One batch may be longer than the other: take each one's mean first."
    given = torch.as_tensor(run_answer(answer, real.clone(), fake.clone(), hint=hint)).detach()
    apart, squares = real.mean(0) - fake.mean(0), (real - fake).square()
    wanted = apart.square().sum()
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    expect(
        not any(close(given, paired) for paired in (squares.sum(1).mean(), squares.mean(), squares.sum())),
        "You compared sample with sample. First take the mean over each batch, then compare the two means.",
    )
    expect(not close(given, apart.norm()), "That is the distance. The loss is its square.")
    expect(not close(given, apart.square().mean()), "Sum over the features; yours takes their mean.")
    expect(not close(given, apart.abs().sum()), "Square the differences; yours takes their absolute values.")
    expect(
        not close(given, apart.sum().square()),
        "Square each feature's difference before you add them up, or they cancel.",
    )
    expect(close(given, wanted), f"Here it should be {float(wanted):.4g}; yours gives {float(given):.4g}.")
    other = run_answer(answer, real.clone(), torch.cat([fake, fake]), hint=hint)
    expect(close(other, wanted), "It should not matter that one batch is longer than the other: compare means.")
    learnt = run_answer(answer, real.clone(), fake.clone().requires_grad_())
    expect(
        getattr(learnt, "requires_grad", False),
        "The value is right, but cut off from the fakes' features: G learns nothing from it. No .item(), no .detach().",
    )


def _form(value: Any) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else type(value).__name__
