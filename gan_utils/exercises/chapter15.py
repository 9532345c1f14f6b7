"""Checks of chapter 15, "Look ahead and remember"."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import close, exercise, expect, one_number, run_answer


@exercise("15.1", praise="Ask for that number before you trust a memory.")
def _pool_size(answer: Any) -> None:
    given = one_number(run_answer(answer, 64, 0.25, 64))
    expect(not close(given, 64 * 64), "Only a share of the batch goes into the pool, not all of it.")
    expect(
        not close(given, 64 / 16),
        "A larger share overwrites more, so that the pool must be larger: multiply, not divide.",
    )
    expect(
        not close(given, 2 * 1_024),
        "That is twice the size: the mean wait is one over the chance, not half of that. Or does `share` not enter?",
    )
    expect(not close(given, 512), "That is half the size: places are drawn at random, not one after the other.")
    expect(not close(given, 16), "So many are overwritten in one step. They shall stay for 64.")
    expect(
        close(given, 1_024, rtol=1e-6),
        f"16 places a step are overwritten: 64 steps take 1,024; yours gives {_shown(given)}.",
    )
    other = run_answer(answer, 300, 0.25, 40)
    expect(
        close(other, 3_000, rtol=1e-6),
        f"Right for one case; 300 steps of a quarter of 40 take 3,000 places, not {_shown(other)}.",
    )
    part = run_answer(answer, 100, 0.3, 64)
    expect(
        close(part, 1_920, rtol=1e-6),
        f"Right for whole places. But do not round: 19.2 places a step, 0.3 of 64, make 1,920 in 100, not {_shown(part)}.",
    )


@exercise("15.2", praise="Differentiating through the answer doubles the pull.")
def _unrolled_theta(answer: Any) -> None:
    theta, psi, h, k = 1.5, 3.0, 0.1, 4
    given = one_number(run_answer(answer, theta, psi, h, k, True))
    ahead = psi - k * h * theta
    expect(
        not close(given, theta + h * ahead),
        "With through=True theta occurs twice in -psi_K theta: psi_K depends on it too. Use the product rule.",
    )
    expect(not close(given, theta + h * psi), "That is the plain step: D's K steps do not enter.")
    expect(
        not close(given, theta - h * (psi - 2 * k * h * theta)),
        "The sign: G descends -psi_K theta, so without looking ahead theta grows by h psi.",
    )
    expect(
        not close(given, theta + h * (psi - 2 * k * theta)),
        "D's steps have length h as well: psi_K is psi - K h theta.",
    )
    expect(
        not close(given, theta + h * (psi + 2 * k * h * theta)),
        "D walks the other way: it lowers psi while theta is positive, so psi_K is psi - K h theta.",
    )
    wanted = theta + h * (psi - 2 * k * h * theta)
    expect(
        close(given, wanted),
        f"At theta 1.5, psi 3, h 0.1 and K 4, through the steps, theta goes to {wanted:.2f}; yours goes to {_shown(given)}.",
    )
    without = run_answer(answer, theta, psi, h, k, False)
    expect(
        not close(without, wanted),
        "Right when differentiating through, but the same without: then psi_K counts as a number.",
    )
    expect(
        close(without, theta + h * ahead),
        f"Without differentiating through, theta goes to {theta + h * ahead:.2f}; yours goes to {_shown(without)}.",
    )


def _attracts(matrix: Tensor, every: bool = True) -> bool:
    negative = torch.linalg.eigvals(matrix).real < 0
    return bool(negative.all() if every else negative.any())


_ROTATION = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
_WORST = torch.tensor([[1.0, -0.5], [0.5, 1.0]])  # of the text: attracts from gamma = 0.8 on
_SADDLE = torch.tensor([[0.2, 1.0], [0.0, -2.0]])
_DAMPED = torch.tensor([[-0.1, 1.0], [-1.0, -0.1]])
_CASES = [
    *((_ROTATION, 0.1), (_ROTATION, 0.0), (_WORST, 1.0), (_WORST, 0.7), (_WORST, 0.0)),
    *((_SADDLE, 0.5), (-_WORST, 3.0), (_DAMPED, 1.0)),
    # Not the first eigenvalue, not the symmetric part, not two dimensions alone:
    *(
        (torch.diag(torch.tensor([-2.0, 0.2])), 0.5),
        (torch.tensor([[-0.1, 5.0], [0.0, -0.1]]), 0.0),
        (-torch.eye(3), 0.0),
        (torch.tensor([[1.0, -4.0], [0.25, 1.0]]), 0.2),  # complex eigenvalues, and not normal
    ),
]
_NEAR_MISSES = [
    (
        lambda J, g: bool((torch.linalg.eigvals(J).real - g * torch.linalg.eigvals(J).abs().square() < 0).all()),
        "You combine each eigenvalue of J with its square, which is right for a J that is normal, as the page's rotation is. "
        "In general only the eigenvalues of J - gamma J^T J as a whole will do.",
    ),
    (
        lambda J, g: _attracts(J),
        "Your answers are those of J alone. Is the second part there, as a product of matrices? And eigvals, not eigvalsh.",
    ),
    (lambda J, g: _attracts(J - 2 * g * J.T @ J), "A factor 2 too many: the gradient of half |J w|^2 is J^T J w."),
    (lambda J, g: _attracts(J - g / 2 * J.T @ J), "A factor 1/2 too many: the gradient of half |J w|^2 is J^T J w."),
    (
        lambda J, g: _attracts(J - g * J.T @ J, every=False),
        "One eigenvalue with negative real part is not enough: all.",
    ),
    (lambda J, g: _attracts(J - g * J @ J), "The gradient of half |J w|^2 is J^T J w: one of the two is transposed."),
    (lambda J, g: _attracts(J + g * J.T @ J), "The sign: consensus *descends* on the squared norm of the field."),
    (lambda J, g: _attracts(J - J.T @ J), "gamma does not enter: it weighs the second part."),
    (
        lambda J, g: not _attracts(J - g * J.T @ J),
        "Just the other way round: a flow attracts where real parts are negative.",
    ),
]


@exercise("15.3", praise="For large gamma every zero whose Jacobian has an inverse attracts, good or bad.")
def _consensus_attracts(answer: Any) -> None:
    given = []
    for jacobian, gamma in _CASES:
        says = run_answer(answer, jacobian.clone(), gamma, hint="(Eigenvalues are complex: compare their real parts.)")
        ok = getattr(says, "dtype", type(says)) in (bool, torch.bool) and getattr(says, "ndim", 0) == 0
        expect(ok, f"Return True or False; yours is {_shown(says)}.")
        given.append(bool(says))
    wanted = [_attracts(J - g * J.T @ J) for J, g in _CASES]
    for near_miss, message in _NEAR_MISSES:
        expect(given == wanted or given != [near_miss(J, g) for J, g in _CASES], message)
    for says, right, (jacobian, gamma) in zip(given, wanted, _CASES, strict=True):
        word = "attracts" if right else "does not attract"
        expect(
            says == right, f"With J = {jacobian.tolist()} and gamma = {gamma:g} consensus {word}; you say otherwise."
        )


def _shown(given: Any) -> str:
    try:
        return f"{float(given):.4g}"
    except (TypeError, ValueError, RuntimeError):
        return f"a {type(given).__name__}"
