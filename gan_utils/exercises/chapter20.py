"""Checks of chapter 20, "Choosing a fix"."""

from __future__ import annotations

import math
from typing import Any

import torch

from gan_utils.exercises.framework import close, exercise, expect, run_answer

# Three criteria. Row 1 is worse than row 0 in all; rows 2 and 3 are equal; row 4 is best in one, worst in another; row 5
# ties with row 0 in two and is worse in one; row 6 lies in the middle, below row 2; row 7 is best in nothing, and yet no
# other is as good in all.
_SCORES = torch.tensor(
    [
        [8.0, 0.9, 3.0],
        [7.0, 0.8, 2.0],
        [6.0, 0.95, 3.0],
        [6.0, 0.95, 3.0],
        [1.0, 0.2, 9.0],
        [8.0, 0.9, 2.5],
        [5.0, 0.5, 3.0],
        [7.5, 0.92, 2.8],
    ]
)
_LEFT = torch.tensor([True, False, True, True, True, False, False, True])


@exercise("20.1", praise="What is left is a choice, not a ranking: each has something that no other has.")
def _undominated(answer: Any) -> None:
    given = torch.as_tensor(run_answer(answer, _SCORES.clone(), hint="(On tensors use ~, & and | for not, and, or.)"))
    if given.shape != (len(_SCORES),):
        expect(False, f"Return one True or False for each of the {len(_SCORES)} recipes; yours is {list(given.shape)}.")
    kept = given.bool()
    expect(kept.any(), "Nothing is left: did you compare each recipe with itself, or call equal ones worse?")
    expect(not kept.all(), "All are left, but recipe 1 is worse than recipe 0 in everything.")
    expect(not torch.equal(kept, ~_LEFT), "True should stand for those that are kept; yours is the other way round.")
    beats_none = torch.tensor([False, True, False, False, True, False, True, False])
    expect(
        not torch.equal(kept, beats_none),
        "Yours are the recipes that beat no other. Keep those that no other beats: whose scores stand on which side?",
    )
    expect(kept[4], "Recipe 4 is far the best in the last criterion. A sum or a mean cannot see that: keep it.")
    expect(kept[2] and kept[3], "Recipes 2 and 3 are equal, so neither is better in anything. Keep both.")
    expect(
        not kept[5],
        "Recipe 5 equals recipe 0 in two criteria and is worse in the third: as good in all and better in one is enough.",
    )
    expect(kept[7], "Recipe 7 is best in nothing, and yet no other recipe is as good in all three: keep it.")
    expect(torch.equal(kept, _LEFT), f"It should be {_LEFT.tolist()}; yours is {kept.tolist()}.")
    turned = torch.as_tensor(run_answer(answer, _SCORES.flip(0))).bool()
    expect(
        torch.equal(turned, _LEFT.flip(0)),
        "Right for this list, but not for the same list from its end: compare each recipe with those before and behind it.",
    )


@exercise("20.2", praise="Ten of ten say surprisingly little: their interval begins near 0.72.")
def _seeds_needed(answer: Any) -> None:
    z = 1.96
    for rate in (0.9, 0.5, 0.7225, 0.99):
        given = run_answer(answer, rate)
        exact = z * z * rate / (1 - rate)
        wanted = math.ceil(exact)
        expect(float(given) == int(given), f"For {rate} you return {given}: seeds come whole. Round up.")
        expect(
            given != math.floor(exact) or given == wanted,
            f"For {rate}: with {given} seeds the interval still begins below {rate}. Round up, not down, with z = 1.96.",
        )
        expect(
            rate < 0.85 or given not in (math.ceil(3 / (1 - rate)), math.floor(3 / (1 - rate))),
            'That is the "rule of three", one-sided and approximate. Use the interval of gu.metrics.wilson.',
        )
        expect(
            given != 1 or wanted == 1,
            "One success of one: Wilson's interval keeps a width there, from about 0.2 to 1.",
        )
        expect(given == wanted, f"For {rate} it should be {wanted} by Wilson's interval; yours is {given}.")


@exercise("20.3", praise="Provided that you can tell a success from a failure: that is what the tests are for.")
def _chance(answer: Any) -> None:
    for rate, cost, budget in ((0.6, 2.0, 4.0), (0.25, 1.0, 4.5), (0.5, 3.0, 2.0), (0.3, 1.5, 4.0)):
        given = run_answer(answer, rate, cost, budget)
        tries = math.floor(budget / cost)
        wanted, said = 1 - (1 - rate) ** tries, f"For a rate of {rate}, a cost of {cost:g} and a budget of {budget:g}"
        expect(
            tries == budget / cost
            or not any(close(given, 1 - (1 - rate) ** n) for n in (budget / cost, math.ceil(budget / cost))),
            f"{said} you count a part of a run as a part of a try. An unfinished run is none: round down.",
        )
        expect(
            tries == 0 or not any(close(given, sum_) for sum_ in (rate * tries, min(1.0, rate * tries))),
            f"{said} you add the rates: that is the expected number of successes, and passes one.",
        )
        expect(not close(given, (1 - rate) ** tries), f"{said} that is the chance that every try fails.")
        whole = int(budget) // max(1, int(cost))
        expect(
            whole == tries or not close(given, 1 - (1 - rate) ** whole),
            f"{said} you cut both to whole numbers before you divide. Divide first, and round the quotient down.",
        )
        expect(cost == 1 or not close(given, 1 - (1 - rate) ** budget), f"{said} you forgot what a try costs.")
        expect(
            tries == 0 or not close(given, rate**tries), f"{said} that is the chance that all succeed; one is enough."
        )
        expect(close(given, wanted), f"{said} it should be {wanted:.4f}; yours is {float(given):.4f}.")
