"""Checks of chapter 13, "Tame the critic"."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gan_utils.exercises.framework import close, exercise, expect, one_number, run_answer

_X = torch.tensor([[1.5, 2.0], [0.0, 1.0], [0.3, 0.4], [-2.5, 6.0]])  # of lengths 2.5, 1, 0.5 and 6.5
_LENGTHS = torch.tensor([5.0, 2.0, 1.0, 13.0])


def _bowl(x: Tensor) -> Tensor:
    return x.flatten(1).square().sum(1)  # its gradient is 2 x, so its slope at x is twice the length of x


@exercise("13.1", praise="One norm for each sample, whatever its shape, and the critic can learn from it.")
def _penalty(answer: Any) -> None:
    target = 2.0
    hint = (
        "The points need requires_grad_() before the critic sees them, and a gradient of any shape its norm: "
        "gradient.flatten(1).norm(dim=1)."
    )
    given = run_answer(answer, _bowl, _X.clone(), target, hint=hint)
    expect(isinstance(given, Tensor), f"Return a tensor; yours is a {type(given).__name__}.")
    over_batch = (_LENGTHS.square().sum().sqrt() - target).square()
    expect(
        not (close(given.mean(), over_batch) and close(given.flatten()[0], over_batch)),
        "Your penalty takes one norm over the whole batch. Take one for each sample: sum the squares over its own numbers.",
    )
    wanted = (_LENGTHS - target).square()
    expect(not close(given, wanted.mean()), "That is the mean over the batch. Return the penalty of each sample, [B].")
    expect(
        given.shape == (4,), f"For 4 samples return 4 numbers, of shape [4]; yours have the shape {list(given.shape)}."
    )
    wrong = {
        "You differentiate the mean of the logits, which makes every slope B times too small. Differentiate their sum.": (
            _LENGTHS / 4 - target
        ).square(),
        "Square the difference: a slope below the target costs as much as one above.": _LENGTHS - target,
        "You subtract the target from the squared norm. Take the root first.": (_LENGTHS.square() - target).square(),
        "You charge only slopes above the target. One below it costs as much.": (_LENGTHS - target)
        .clamp(min=0)
        .square(),
        "That is the square of the norm alone. The target is missing.": _LENGTHS.square(),
        "That is the length of the points themselves. It is the critic's gradient there whose length is asked for.": (
            _LENGTHS / 2 - target
        ).square(),
    }
    for message, value in wrong.items():
        expect(not close(given, value), message)
    expect(
        close(given, wanted), f"Slopes 5, 2, 1, 13 at target 2 cost {wanted.tolist()}; yours gives {given.tolist()}."
    )
    _penalty_of_images(answer)
    _penalty_teaches(answer)


def _penalty_of_images(answer: Any) -> None:
    images = torch.cat([_X, torch.zeros(4, 2)], 1).view(4, 1, 2, 2)
    given = run_answer(answer, _bowl, images, 0.0)
    expect(
        isinstance(given, Tensor) and given.shape == (4,) and close(given, _LENGTHS.square()),
        "Right for points [B, 2], but not for images [B, 1, 2, 2]: flatten each sample's gradient before the norm.",
    )


def _penalty_teaches(answer: Any) -> None:
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    given = run_answer(answer, lambda x: x @ w, _X.clone(), 1.0)
    expect(
        given.requires_grad,
        "The value is right, but cut off from the critic's parameters, so that nothing is learnt from it: the gradient "
        "must itself be differentiable (create_graph=True).",
    )
    (slope,) = torch.autograd.grad(given.sum(), w)
    expect(
        close(slope, 4 * 2 * 4 * w.detach() / 5),
        "The value is right, but its gradient with respect to the critic's parameters is not.",
    )


@exercise("13.2", praise="One number for each pair, and every point lies on its own line.")
def _between(answer: Any) -> None:
    real = torch.arange(24.0).view(3, 2, 2, 2)
    fake = -real - 1
    u = torch.tensor([0.0, 1.0, 0.25])
    hint = "u belongs to the first dimension: shape it [B, 1, ...], for any number of dimensions."
    given = run_answer(answer, real.clone(), fake.clone(), u.clone(), hint=hint)
    expect(
        isinstance(given, Tensor) and given.shape == real.shape,
        f"Return a tensor of the shape of real, {list(real.shape)}; yours is {_form(given)}.",
    )
    share = u.view(3, 1, 1, 1)
    wanted = share * real + (1 - share) * fake
    expect(
        not close(given, share * fake + (1 - share) * real),
        "Turned round: at u = 0 the point should be the fake, at u = 1 the real one.",
    )
    expect(
        not any(close(given, v * real + (1 - v) * fake) for v in u),
        "You use one number for the whole batch. Each pair has its own.",
    )
    expect(
        not close(given, u.mean() * real + (1 - u.mean()) * fake),
        "You use the mean of u for all. Each pair has its own number.",
    )
    expect(
        ((given >= torch.minimum(real, fake)) & (given <= torch.maximum(real, fake))).all(),
        "Your points lie beyond the ends of their lines: the two weights are u and 1 - u.",
    )
    expect(close(given, wanted), "The points do not lie at u of the way from fake to real, pair by pair.")
    flat = run_answer(answer, torch.ones(3, 3), torch.zeros(3, 3), u.clone(), hint=hint)
    expect(
        close(flat, u[:, None].expand(3, 3)),
        "Right for images [3, 2, 2, 2], but not for points [3, 3]: u belongs to the first dimension, not to the last. "
        "Shape it for any number of dimensions.",
    )


_W = torch.tensor([[1.0, 2.0], [0.0, 1.0]])
_U = torch.tensor([0.8, -0.6])


def _after() -> Tensor:
    return normalize(_W @ normalize(_W.T @ _U, dim=0), dim=0)  # u after one round


def _once() -> float:
    return float(_after() @ _W @ normalize(_W.T @ _U, dim=0))


@exercise("13.3", praise="A few products with the matrix, and no decomposition.")
def _power_iteration(answer: Any) -> None:
    given, exact = run_answer(answer, _W.clone(), _U.clone(), 50), 1 + math.sqrt(2)
    shape = list(getattr(given, "shape", []))
    expect(shape == [], f"Return one number; yours has shape {shape}. Is u a column? A vector [n] is what comes in.")
    wrong = {
        "That is the root of the sum of all squares. It bounds the spectral norm, but is larger.": math.sqrt(6),
        "That is the largest entry. A matrix can stretch more than that.": 2.0,
        "That is an eigenvalue of W, which says nothing of how W stretches: v is W^T u, and then u is W v.": 1.0,
        "That is the square of it, the largest eigenvalue of W^T W. Return u^T W v, with both of length one.": exact**2,
    }
    for message, value in wrong.items():
        expect(not close(given, value), message)
    expect(
        not close(given, _once()),
        "You go round once, whatever `iterations` says. Once is enough in training, where W hardly changes between "
        "two steps; from a fresh u it is not.",
    )
    expect(close(given, exact), f"The spectral norm of [[1, 2], [0, 1]] is {exact:.4f}; yours gives {given}.")
    once, (u, v) = run_answer(answer, _W.clone(), _U.clone(), 1), (_U, normalize(_W.T @ _U, dim=0))
    expect(
        not close(once, float(u @ _W @ v)),
        "After one round yours still uses the old u. Move v, then u, then return u^T W v.",
    )
    v = normalize(_W @ _U, dim=0)
    u = normalize(_W.T @ v, dim=0)
    expect(
        not any(close(once, value) for value in (float(u @ _W @ v), float(v @ _W @ u))),
        "W and its transpose have changed places: v is W^T u, then u is W v, then return u^T W v.",
    )
    twice = normalize(_W @ normalize(_W.T @ _after(), dim=0), dim=0)
    expect(
        not any(
            close(once, float(x @ _W @ normalize(_W.T @ y, dim=0))) for x, y in ((twice, _after()), (twice, twice))
        ),
        "You go one round more than you are asked for, or take a decomposition.",
    )
    expect(
        close(once, _once()),
        f"After one round from u = (0.8, -0.6) it is {_once():.4f}; yours: {once}. Write the rounds: no decomposition.",
    )
    wide = run_answer(answer, torch.tensor([[0.0, 3.0, 0.0], [1.0, 0.0, 0.0]]), torch.tensor([0.6, 0.8]), 50)
    expect(close(wide, 3.0), f"For a matrix of 2 x 3 with singular values 3 and 1 it should be 3; yours gives {wide}.")


@exercise("13.4", praise="Ten times the scale, a hundred times gamma: no wonder it does not carry over.")
def _rescaled(answer: Any) -> None:
    given = one_number(run_answer(answer, 2.0, 10.0))
    wrong = {
        "Unchanged, the penalty would be a hundredth of what it was: slopes shrink when the axis is stretched.": 2.0,
        "The slope changes by the factor, but the penalty is of its square.": 20.0,
        "The other way: divide by the scale, and the penalty shrinks twice. On a stretched axis the rise is less steep.": 0.02,
        "The other way, and the square is missing: on a stretched axis the same rise is less steep, so gamma must grow.": 0.2,
    }
    for message, value in wrong.items():
        expect(not close(given, value), message)
    expect(close(given, 200.0), f"gamma 2 for data ten times as large should become 200; yours gives {given}.")
    shrunk = run_answer(answer, 3.0, 0.5)
    expect(
        close(shrunk, 0.75), f"Right for a factor of 10, but for gamma 3 and a half it should be 0.75; yours: {shrunk}."
    )


def _form(value: object) -> str:
    return f"of shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
