"""Checks of chapter 17, "Hygiene"."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import close, exercise, expect, listed, one_number, run_answer

_P = torch.tensor([0.6, 0.2, 0.0, 0.5])  # the third place has fakes only, the fourth data only
_Q = torch.tensor([0.2, 0.6, 0.5, 0.0])


@exercise("17.1", praise="Where there are no data, the fakes' label is all that D can say.")
def _best_d(answer: Any) -> None:
    given = run_answer(answer, _P.clone(), _Q.clone(), 0.9, 0.2)
    expect(
        isinstance(given, Tensor) and given.shape == _P.shape,
        "Return one number for each place, a tensor of the shape of p.",
    )
    wanted = (0.9 * _P + 0.2 * _Q) / (_P + _Q)
    wrong = {
        "That is the answer without smoothing: neither label appears in it.": _P / (_P + _Q),
        "That is one-sided: the fakes' label is missing. It belongs to q in the numerator.": 0.9 * _P / (_P + _Q),
        "The labels stand in the denominator too. Each label splits its sample between two classes; both parts count.": (
            0.9 * _P + 0.2 * _Q
        )
        / (0.9 * _P + 0.2 * _Q + 1e-12),
        "The denominator has the labels in it. A sample weighs one, whatever its label: it is p + q.": 0.9
        * _P
        / (0.9 * _P + 0.8 * _Q),
        "The labels stand in the denominator. A sample weighs one, whatever its label: the denominator is p + q.": 0.9
        * _P
        / (0.9 * _P + 0.2 * _Q),
        "The labels are exchanged: the reals' one belongs to p.": (0.2 * _P + 0.9 * _Q) / (_P + _Q),
        "You give the fakes the target 1 - fake. `fake` itself is their target.": (0.9 * _P + 0.8 * _Q) / (_P + _Q),
    }
    for message, value in wrong.items():
        expect(not close(given, value), message)
    expect(close(given, wanted), f"With labels .9 and .2 D* should be {listed(wanted)}; yours is {listed(given)}.")
    plain = run_answer(answer, _P.clone(), _Q.clone(), 1.0, 0.0)
    expect(close(plain, _P / (_P + _Q)), "Right for labels .9 and .2, but with labels 1 and 0 it is not p / (p + q).")


@exercise("17.2", praise="The average moves, the trained parameters do not.")
def _average(answer: Any) -> None:
    average = {"w": torch.tensor([1.0, 2.0]), "b": torch.tensor(4.0)}
    params = {"b": torch.tensor(0.0), "w": torch.tensor([3.0, -2.0])}  # in another order: names must match, not places
    kept, trained = ({name: t.clone() for name, t in given.items()} for given in (average, params))
    given = run_answer(answer, average, params, 0.75)
    expect(
        all(torch.equal(params[name], trained[name]) for name in trained),
        "You changed the parameters that are being trained. The average must only watch.",
    )
    expect(
        isinstance(given, dict) and set(given) == set(kept),
        "Return a dictionary with the same names as the average.",
    )
    wanted = {name: 0.75 * kept[name] + 0.25 * trained[name] for name in kept}
    swapped = {name: 0.25 * kept[name] + 0.75 * trained[name] for name in kept}
    added = {name: 0.75 * kept[name] + trained[name] for name in kept}
    same = {
        name: all(close(given[k], table[k]) for k in kept) for name, table in (("swapped", swapped), ("added", added))
    }
    expect(
        not same["swapped"],
        "The two weights are exchanged: beta is how much of the old average stays. With .999 yours would hardly average.",
    )
    expect(not same["added"], "The weights sum to more than one. The new parameters count 1 - beta.")
    expect(
        not all(close(given[name], (kept[name] + trained[name]) / 2) for name in kept),
        "That is the plain mean of the two, whatever beta.",
    )
    for name in kept:
        expect(
            close(given[name], wanted[name]),
            f"From {name} = {kept[name].tolist()} towards {trained[name].tolist()} with beta = .75 the average should become "
            f"{wanted[name].tolist()}; yours is {given[name]}.",
        )


@exercise("17.3", praise="A half-life is easier to talk about than the fourth nine of a beta.")
def _half_life(answer: Any) -> None:
    given = one_number(run_answer(answer, 10.0))
    wrong = {
        "That is 1 - 1 / h. It forgets to 1 / e in h steps, not to a half.": 0.9,
        "That is exp(-1 / h). It forgets to 1 / e in h steps; you want a half.": 0.904837,
        "That is how much is forgotten in a step. beta is how much stays.": 1 - 0.5**0.1,
        "That is what is left of the past after h steps if beta were a half.": 0.5**10,
        "So small a beta forgets in a step. What must beta to the power of h be?": 0.5 / 10,
    }
    for message, value in wrong.items():
        expect(not close(given, value, atol=1e-5, rtol=1e-5), message)
    expect(
        close(given, 0.5**0.1, atol=1e-5, rtol=1e-5),
        f"beta to the power of 10 should be a half; your beta is {given}.",
    )
    expect(
        close(run_answer(answer, 1.0), 0.5, atol=1e-5),
        "Right for a half-life of 10, but after a half-life of one step half is left: beta = 1/2.",
    )


@exercise("17.4", praise="It starts at full strength, ends at nothing, and stays there.")
def _fading(answer: Any) -> None:
    first = one_number(run_answer(answer, 0, 0.4, 1_000))
    late = run_answer(answer, 1_500, 0.4, 1_000)
    end = run_answer(answer, 1_000, 0.4, 1_000)
    middle = run_answer(answer, 250, 0.4, 1_000)
    expect(
        not (close(first, 0.0) and close(end, 0.4)),
        "The other way round: the noise should start strong and fade.",
    )
    expect(close(first, 0.4), f"At step 0 the standard deviation should be 0.4; yours is {first}.")
    expect(
        not close(late, -0.2),
        "After the last step of the schedule yours turns negative, and the noise comes back. Stop at zero.",
    )
    expect(close(end, 0.0), f"At step 1,000 of 1,000 nothing should be left; yours is {end}.")
    expect(close(late, 0.0), f"Long after the schedule nothing should be left; yours is {late}.")
    expect(
        not close(middle, 0.4 * 0.75**0.5),
        "Your variance falls in a straight line. The standard deviation should.",
    )
    expect(close(middle, 0.3), f"After a quarter of the steps three quarters of 0.4 should be left; yours is {middle}.")
    half = run_answer(answer, 5, 0.4, 10)
    expect(
        not close(half, 0.4 * 4 / 9),
        "You divide by steps - 1: at the last step of the schedule, `steps`, nothing is left.",
    )
    expect(close(half, 0.2), f"At step 5 of 10 a half of 0.4 should be left; yours is {half}.")
