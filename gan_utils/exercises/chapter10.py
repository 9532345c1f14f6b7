"""Checks of chapter 10, "A thousand modes"."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import close, exercise, expect, run_answer


@exercise("10.1", praise="Read as a number of three places, each triple has a label of its own.")
def _label(answer: Any) -> None:
    digits = torch.tensor([[0, 0, 0], [1, 2, 3], [9, 0, 4], [4, 0, 9], [7, 7, 7]])
    given = run_answer(answer, digits.clone())
    expect(isinstance(given, Tensor), "Return a tensor.")
    expect(given.shape == (5,), f"Return one label for each of the 5 stacks; yours has shape {list(given.shape)}.")
    expect(
        not close(given, digits.sum(1)), "A sum of digits cannot tell 123 from 321: each channel needs its own weight."
    )
    backwards = digits @ torch.tensor([1, 10, 100])
    expect(not close(given, backwards), "Yours reads the channels from right to left: the first is the hundreds.")
    base_nine = digits @ torch.tensor([81, 9, 1])
    expect(not close(given, base_nine), "There are ten digits, not nine: with base 9 two triples share a label.")
    expect(not close(given, digits.prod(1)), "A product is 0 as soon as one digit is: many triples then share a label.")
    expect(close(given, digits @ torch.tensor([100, 10, 1])), "1, 2, 3 must become 123, and 0, 0, 0 must become 0.")
    expect(not given.is_floating_point(), "The labels should be whole numbers: label_coverage counts integers only.")


@exercise("10.2", praise="One digit lost in one channel costs a tenth of all modes.")
def _left(answer: Any) -> None:
    cases = [([], [], []), ([3], [], []), ([3], [3], [3]), ([0, 1], [5], []), (list(range(9)), list(range(9)), [])]
    given = [float(run_answer(answer, *(list(lost) for lost in case))) for case in cases]

    def follows(rule: Any) -> bool:
        return all(close(got, rule(*map(len, case))) for got, case in zip(given, cases, strict=True))

    expect(
        not follows(lambda a, b, c: 1000 - 100 * (a + b + c)),
        "You took off 100 for each lost digit, and so counted the triples that lose twice more than once.",
    )
    expect(
        not follows(lambda a, b, c: 30 - a - b - c),
        "You added the digits that are left; a triple takes one from each channel, so they multiply.",
    )
    expect(not follows(lambda a, b, c: a * b * c), "That counts triples made of lost digits only.")
    wanted = [math.prod(10 - len(lost) for lost in case) for case in cases]
    wrong = [f"{case}: {got:g}" for case, got, right in zip(cases, given, wanted, strict=True) if not close(got, right)]
    expect(not wrong, f"Not right for the lost digits {wrong[0] if wrong else ''}.")


@exercise("10.3", praise="With as many samples as modes, a perfect sampler still misses more than a third.")
def _seen(answer: Any) -> None:
    cases = [(1, 1_000), (1_000, 1_000), (2_500, 1_000), (5, 4), (26_000, 1_000)]
    given = [float(run_answer(answer, *case)) for case in cases]

    def follows(rule: Any) -> bool:
        return all(close(got, rule(*case), rtol=1e-4) for got, case in zip(given, cases, strict=True))

    expect(not follows(lambda n, k: min(n, k)), "Samples repeat modes: n samples seldom show n different ones.")
    expect(
        not follows(lambda n, k: k * (1 - 1 / k) ** n),
        "That is how many modes are still unseen; the question is for those that are seen.",
    )
    expect(
        not follows(lambda n, k: 1 - (1 - 1 / k) ** n), "That is the share of the modes; multiply it by their number."
    )
    expect(
        not follows(lambda n, k: k * (1 - math.exp(-n / k))),
        "Nearly: that is the limit for many modes. With 4 modes the difference shows; start from (1 - 1/k)^n.",
    )
    wrong = [f"n={n}, k={k}: {got:g}" for (n, k), got in zip(cases, given, strict=True) if not close(got, _see(n, k))]
    expect(
        not wrong, f"Not right for {wrong[0] if wrong else ''}. A mode is missed by all n samples with which chance?"
    )


def _see(n: int, k: int) -> float:
    return k * (1 - (1 - 1 / k) ** n)


@exercise(
    "10.4", praise="As many equally frequent modes would have the same entropy: the count without its rare guests."
)
def _effective(answer: Any) -> None:
    counts = torch.tensor([40, 10, 0, 10, 1, 3])
    given = torch.as_tensor(run_answer(answer, counts.clone())).double()
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    value, p = float(given), counts.double() / counts.sum()
    entropy = float(-torch.special.xlogy(p, p).sum())
    expect(not math.isnan(value), "NaN: a mode without samples gives 0 log 0, which counts as 0 (torch.special.xlogy).")
    expect(not close(value, 5.0), "That counts every mode that was seen at all, the rarest as much as the commonest.")
    expect(not close(value, entropy), "That is the entropy, in nats. The number of modes is its exponential.")
    expect(not close(value, math.log(6) - entropy), "That is the divergence itself: 6 exp(-divergence) is wanted.")
    expect(
        not close(value, 6 / math.exp(entropy)) and not close(value, 36 / math.exp(entropy)),
        "The sign is wrong: the larger the divergence, the fewer modes. Multiply the number of modes by exp(-KL).",
    )
    expect(
        not close(value, math.exp(-(math.log(6) - entropy))),
        "That is a share of all modes, between 0 and 1; multiply it by how many there are.",
    )
    expect(
        not close(value, float(1 / p.square().sum())),
        "That is another effective number, 1 / (sum of squares). Ours is the one that belongs to the divergence.",
    )
    expect(not close(value, 2**entropy), "You took a power of 2, but the entropy is in nats: exp, not 2 to the power.")
    expect(close(value, math.exp(entropy)), "Not right: exp of the entropy of the counts' shares, here about 2.95.")
