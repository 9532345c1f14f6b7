"""Checks of chapter 3, "Why training circles". Matrices and points are in the order (theta, psi)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import Mistake, close, exercise, expect, run_answer


@exercise("3.1", praise="The smaller the step, the longer the turn; the radius does not enter.")
def steps_per_turn(answer: Any) -> None:
    h, slope = 2.0, 0.5  # chosen so that the truth is six steps exactly, and each near miss is well apart from it
    given = run_answer(answer, h, slope)
    expect(not close(given, 360 / (2 * math.degrees(math.asin(h * slope / 2))) / 2), "That is half a turn.")
    expect(
        not close(given, 2 * math.pi / (h * slope)),
        "That is the turn of the continuous flow. A step turns by the angle of the operator's eigenvalue, not by h slope.",
    )
    expect(
        not close(given, 2 * math.pi / math.atan(h * slope)),
        "That is the turn under simultaneous play, 1 + i h slope. Here the players alternate.",
    )
    wanted = math.pi / math.asin(h * slope / 2)
    expect(
        close(given, wanted),
        f"For h = 2 and slope = 0.5 a turn takes {wanted:g} steps; yours takes {_shown(given)}. "
        "Divide 2 pi by the angle of the operator's eigenvalue, in radians.",
    )
    other, wanted = run_answer(answer, 0.2, 1.0), math.pi / math.asin(0.1)
    expect(
        close(other, wanted),
        f"Right for one pair of h and slope, but for 0.2 and 1 a turn takes {wanted:.4g} steps; yours takes "
        f"{_shown(other)}. Both must enter, and nothing is rounded.",
    )


@exercise("3.2", praise="Its determinant is one: to first order play in turns keeps areas, and spirals neither way.")
def alternating_operator(answer: Any) -> None:
    h, slope = 0.6, 0.5
    a = h * slope
    given = run_answer(answer, h, slope)
    expect(_has_shape(given, 2, 2), "Return a tensor of shape [2, 2]: rows and columns in the order (theta, psi).")
    expect(
        not close(given, [[1.0, a], [-a, 1.0]]),
        "That is simultaneous play: G must answer the psi that has already moved.",
    )
    expect(not close(given, [[1.0, a], [-a, 1 - a * a]]), "That is G first. D moves first here, and G answers.")
    expect(not close(given, [[1.0, -a], [a, 1 - a * a]]), "Rows and columns should be in the order (theta, psi).")
    expect(
        not close(given, [[1 - a * a, -a], [a, 1.0]]),
        "The two terms off the diagonal have changed places, or the signs are those of a D that is high on fakes. Ours is "
        "high on real: D moves psi by -h slope theta, and that is the second row.",
    )
    expect(
        not close(given, [[1 + a * a, a], [a, 1.0]]),
        "D and G pull in opposite directions: one of the two terms off the diagonal is negative.",
    )
    expect(
        close(given, [[1 - a * a, a], [-a, 1.0]]),
        "Not the matrix of D's move followed by G's. Write psi' = psi - h slope theta, put it into "
        "theta' = theta + h slope psi', and read off the coefficients of theta and psi.",
    )
    expect(close(run_answer(answer, 0.2, 1.0), [[0.96, 0.2], [-0.2, 1.0]]), "Use both arguments, h and slope.")


@exercise("3.3", praise="At gamma = 2 slope the rotation stops; beyond it the slower of two real eigenvalues rules.")
def r1_eigenvalues(answer: Any) -> None:
    given = _pair(run_answer(answer, 0.6, 0.5))
    if given is None:
        raise Mistake("Return the two eigenvalues as a complex tensor [2] (or a pair of numbers).")
    expect(
        not given.isnan().any(),
        "A square root of a negative number gave NaN. Take the root of a complex number: torch.sqrt(torch.tensor(x + 0j)).",
    )
    expect(not close(given.real, [0.0, 0.0]), "These are the eigenvalues without a penalty: gamma does not enter.")
    for factor, message in (
        (2.0, "Twice the penalty: in the gamma / 2 form the gradient of (gamma / 2) psi^2 is gamma psi."),
        (0.5, "Half the penalty: the gradient of (gamma / 2) psi^2 is gamma psi, not gamma psi / 2."),
        (-1.0, "The signs are turned: D *descends* on its penalty, so the real parts are negative."),
    ):
        expect(not _same_pair(given, _r1(factor * 0.6, 0.5)), message)
    expect(_same_pair(given, _r1(0.6, 0.5)), "These are not the eigenvalues of [[0, slope], [-slope, -gamma]].")
    strong = _pair(run_answer(answer, 2.0, 0.5))
    expect(
        strong is not None and _same_pair(strong, _r1(2.0, 0.5)),
        "Right for weak penalties, wrong for gamma > 2 slope, where both eigenvalues are real and differ.",
    )
    other = _pair(run_answer(answer, 0.6, 1.0))  # at a slope of 1/2 its square is its half
    expect(
        other is not None and _same_pair(other, _r1(0.6, 1.0)),
        "Right for slope = 0.5, wrong for slope = 1: under the root stands the square of the slope.",
    )


@exercise("3.4", praise="Two gradients a step, and the spiral turns inwards.")
def extragradient_step(answer: Any) -> None:
    def field(w: Tensor) -> Tensor:
        return torch.stack([w[1], -w[0]]) * (1 + w.square().sum())  # bent enough to tell all methods apart

    w, h = torch.tensor([0.7, -1.1]), 0.4
    given = run_answer(answer, field, w, h)
    expect(_has_shape(given, 2), "Return the next point, a tensor [2].")
    ahead = w + h * field(w)
    middle = w + h / 2 * field(w)
    for wrong, message in (
        (ahead, "That is a plain step: the field should be taken one step ahead."),
        (ahead + h * field(ahead), "You moved twice: the real step starts from w, not from the point ahead."),
        (w + h / 2 * (field(w) + field(ahead)), "That averages both fields (Heun's method). Use the one ahead alone."),
        (w + h * field(middle), "You looked half a step ahead (the midpoint method): look a whole step ahead."),
        (h * field(ahead), "That is the move alone. Return the point where it leads: add it to w."),
        (w + h * field(w + field(w)), "You looked a whole field ahead: look h times the field ahead."),
        (
            w - h * field(w - h * field(w)),
            "The sign: the field already points where the players go, so add h times it.",
        ),
    ):
        expect(not close(given, wrong), message)
    expect(
        close(given, w + h * field(ahead)),
        "Not yet: find the point a plain step ahead, read the field there, and take that step from w.",
    )


def _r1(gamma: float, slope: float) -> Tensor:
    root = torch.sqrt(torch.tensor(gamma**2 / 4 - slope**2 + 0j, dtype=torch.complex128))
    return torch.stack([-gamma / 2 + root, -gamma / 2 - root])


def _pair(given: Any) -> Tensor | None:
    try:
        parts = given if isinstance(given, Tensor) else torch.stack([torch.as_tensor(v) + 0j for v in given])
    except (TypeError, ValueError, RuntimeError):
        return None
    return parts.detach().to(torch.complex128) if parts.shape == (2,) else None


def _same_pair(given: Tensor, wanted: Tensor) -> bool:
    return any(torch.allclose(order, wanted, atol=1e-4, rtol=1e-3) for order in (given, given.flip(0)))


def _has_shape(given: Any, *shape: int) -> bool:
    return isinstance(given, Tensor) and given.shape == shape


def _shown(given: Any) -> str:
    try:
        return f"{float(given):.4g}"
    except (TypeError, ValueError, RuntimeError):
        return repr(given)
