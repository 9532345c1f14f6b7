"""Wrong answers to the exercises of chapter 15, each with a fragment of the message it must get."""

from __future__ import annotations

import numpy as np
import torch


def attracts(matrix, every=True):
    negative = torch.linalg.eigvals(matrix).real < 0
    return bool(negative.all() if every else negative.any())


def one_by_one(J, gamma):
    value = torch.linalg.eigvals(J)
    return bool((value.real - gamma * value.abs().square() < 0).all())


WRONG = {
    "15.1": [
        (lambda steps, share, batch: steps * int(share * batch), "do not round"),
        (lambda steps, share, batch: steps * batch, "Only a share"),
        (lambda steps, share, batch: steps / (share * batch), "multiply, not divide"),
        (lambda steps, share, batch: 2 * steps * share * batch, "twice the size"),
        (lambda steps, share, batch: steps * share * batch / 2, "half the size"),
        (lambda steps, share, batch: share * batch, "stay for 64"),
        (lambda steps, share, batch: steps + share * batch, "64 steps take 1,024"),
        (lambda steps, share, batch: 16 * steps, "for one case"),
    ],
    "15.2": [
        (
            lambda theta, psi, h, K, through: theta + h * (psi - K * h * theta * (theta if through else 1)),
            "K 4",
        ),
        (lambda theta, psi, h, K, through: theta + h * (psi - K * h * theta), "product rule"),
        (lambda theta, psi, h, K, through: theta + h * psi, "plain step"),
        (lambda theta, psi, h, K, through: theta - h * (psi - 2 * K * h * theta), "The sign"),
        (lambda theta, psi, h, K, through: theta + h * (psi - 2 * K * theta), "length h as well"),
        (lambda theta, psi, h, K, through: theta + h * (psi + 2 * K * h * theta), "the other way"),
        (lambda theta, psi, h, K, through: theta + h * (psi - 2 * K * h * theta), "counts as a number"),
        (lambda theta, psi, h, K, through: theta, "K 4"),
        (lambda theta, psi, h, K, through: theta + h * (psi - 2 * through * K * h * theta), "Without differentiating"),
        (
            lambda theta, psi, h, K, through: theta + h * (psi - 2 * K * h * theta) if through else None,
            "returned None (called with 1.5, 3.0, 0.1, 4, False)",
        ),
    ],
    "15.3": [
        (lambda J, gamma: bool(torch.linalg.eigvals(J - gamma * J.T @ J)[0].real < 0), "[[-2.0, 0.0], [0.0"),
        (
            lambda J, gamma: bool((J - gamma * J.T @ J).trace() < 0 and torch.linalg.det(J - gamma * J.T @ J) > 0),
            "[[-1.0, -0.0, -0.0]",
        ),
        (lambda J, gamma: attracts(J), "eigvals, not eigvalsh"),
        (one_by_one, "a J that is normal"),
        (lambda J, gamma: attracts(J - 2 * gamma * J.T @ J), "factor 2"),
        (lambda J, gamma: attracts(J - gamma / 2 * J.T @ J), "factor 1/2"),
        (lambda J, gamma: attracts(J - gamma * J.T @ J, every=False), "not enough"),
        (lambda J, gamma: attracts(J - gamma * J @ J), "transposed"),
        (lambda J, gamma: attracts(J + gamma * J.T @ J), "The sign"),
        (lambda J, gamma: attracts(J - J.T @ J), "it weighs"),
        (lambda J, gamma: not attracts(J - gamma * J.T @ J), "other way round"),
        (lambda J, gamma: True, "you say otherwise"),
        (lambda J, gamma: torch.linalg.eigvals(J - gamma * J.T @ J), "True or False"),
        (lambda J, gamma: (torch.linalg.eigvals(J - gamma * J.T @ J) < 0).all(), "compare their real parts"),
        (lambda J, gamma: bool((torch.linalg.eigvalsh(J - gamma * J.T @ J) < 0).all()), "eigvals, not eigvalsh"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "15.3": [
        lambda J, gamma: (torch.linalg.eigvals(J - gamma * J @ J.T).real < 0).all(),
        lambda J, gamma: np.linalg.eigvals((J - gamma * J.T @ J).numpy()).real.max() < 0,
    ],
}
