"""Wrong answers to the exercises of chapter 13, each with a fragment of the message it must get."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize


def gradient(critic, x, *, graph=True, mean=False):
    x = x.requires_grad_()
    out = critic(x).mean() if mean else critic(x).sum()
    return torch.autograd.grad(out, x, create_graph=graph)[0]


def norms(critic, x, **how):
    return gradient(critic, x, **how).flatten(1).norm(dim=1)


def iterated(W, u, iterations, finish=lambda W, u, v: u @ W @ v):
    for _ in range(iterations):
        v = normalize(W.T @ u, dim=0)
        u = normalize(W @ v, dim=0)
    return finish(W, u, v)


def transposed(W, u, iterations, turned=False):
    for _ in range(iterations):
        v = normalize(W @ u, dim=0)
        u = normalize(W.T @ v, dim=0)
    return v @ W @ u if turned else u @ W @ v


def old_u(W, u, iterations):
    for _ in range(iterations):
        before, v = u, normalize(W.T @ u, dim=0)
        u = normalize(W @ v, dim=0)
    return before @ W @ v


def first(u, x):
    return u.view(-1, *[1] * (x.ndim - 1))


WRONG = {
    "13.1": [
        (lambda critic, x, target: (gradient(critic, x).norm() - target) ** 2, "one norm over the whole batch"),
        (lambda critic, x, target: ((norms(critic, x) - target) ** 2).mean(), "That is the mean over the batch"),
        (lambda critic, x, target: (norms(critic, x, mean=True) - target) ** 2, "differentiate the mean"),
        (lambda critic, x, target: norms(critic, x) - target, "Square the difference"),
        (lambda critic, x, target: (norms(critic, x) ** 2 - target) ** 2, "Take the root first"),
        (lambda critic, x, target: norms(critic, x) ** 2, "The target is missing"),
        (lambda critic, x, target: (norms(critic, x) - target).clamp(min=0) ** 2, "only slopes above"),
        (lambda critic, x, target: (gradient(critic, x).norm(dim=1) - target) ** 2, "flatten each sample's gradient"),
        (
            lambda critic, x, target: (norms(critic, x, graph=False) - target) ** 2,
            "cut off from the critic's parameters",
        ),
        (lambda critic, x, target: (gradient(critic, x).norm(dim=0) - target) ** 2, "return 4 numbers"),
        (lambda critic, x, target: (x.flatten(1).norm(dim=1) - target) ** 2, "length of the points themselves"),
        (lambda critic, x, target: torch.autograd.grad(critic(x).sum(), x)[0].norm(dim=1), "need requires_grad_()"),
    ],
    "13.2": [
        (lambda real, fake, u: first(u, real) * fake + (1 - first(u, real)) * real, "Turned round"),
        (lambda real, fake, u: u[0] * real + (1 - u[0]) * fake, "one number for the whole batch"),
        (lambda real, fake, u: u.mean() * real + (1 - u.mean()) * fake, "mean of u"),
        (lambda real, fake, u: fake + first(u, real) * (real + fake), "beyond the ends"),
        (lambda real, fake, u: (real + fake) / 2, "do not lie at u of the way"),
        (lambda real, fake, u: real[0], "of the shape of real"),
        (lambda real, fake, u: u * real + (1 - u) * fake, "u belongs to the first dimension"),
        (
            lambda real, fake, u: (
                torch.lerp(fake, real, first(u, real).expand_as(real)) if real.ndim > 2 else u * real + (1 - u) * fake
            ),
            "not for points",
        ),
    ],
    "13.3": [
        (lambda W, u, iterations: W.norm(), "sum of all squares"),
        (lambda W, u, iterations: W.abs().max(), "largest entry"),
        (lambda W, u, iterations: torch.linalg.eigvals(W).abs().max(), "an eigenvalue of W"),
        (lambda W, u, iterations: torch.linalg.eigvalsh(W.T @ W).max(), "the square of it"),
        (lambda W, u, iterations: iterated(W, u, 1), "whatever `iterations` says"),
        (old_u, "old u"),
        (lambda W, u, iterations: W.sum(), "is 2.4142"),
        (lambda W, u, iterations: torch.linalg.matrix_norm(W, 2), "one round more"),
        (transposed, "an eigenvalue of W"),
        (lambda W, u, iterations: transposed(W, u, iterations, turned=True), "changed places"),
        (lambda W, u, iterations: iterated(W, u, iterations + 1), "one round more"),
        (lambda W, u, iterations: iterated(W, u, iterations, lambda W, u, v: (W.T @ u).norm()), "it is 2.3217"),
    ],
    "13.4": [
        (lambda gamma, scale: gamma, "Unchanged"),
        (lambda gamma, scale: gamma * scale, "the penalty is of its square"),
        (lambda gamma, scale: gamma / scale**2, "divide by the scale"),
        (lambda gamma, scale: gamma / scale, "the square is missing"),
        (lambda gamma, scale: gamma * scale**3, "should become 200"),
        (lambda gamma, scale: 100 * gamma, "Right for a factor of 10"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "13.2": [
        lambda real, fake, u: torch.stack([w * x + (1 - w) * y for x, y, w in zip(real, fake, u, strict=True)]),
    ],
}
