"""Wrong answers to chapter 3's exercises, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import torch


def _matrix(rows):
    return lambda h, slope: torch.tensor(rows(h * slope))


def _eigenvalues(gamma, slope):
    root = torch.sqrt(torch.tensor(gamma**2 / 4 - slope**2 + 0j))
    return torch.stack([-gamma / 2 + root, -gamma / 2 - root])


def _real_root(gamma, slope):
    root = torch.sqrt(torch.tensor(gamma**2 / 4 - slope**2))
    return torch.stack([-gamma / 2 + root, -gamma / 2 - root])


def _two_steps(field, w, h):
    ahead = w + h * field(w)
    return ahead + h * field(ahead)


def _aliased(field, w, h):
    ahead = w
    ahead += h * field(w)
    return w + h * field(ahead)


def _in_place(field, w, h):
    w += h * field(w + h * field(w))
    return w


WRONG = {
    "3.1": [
        (lambda h, slope: 2 * math.pi / (h * slope), "continuous flow"),
        (lambda h, slope: 2 * math.pi / math.atan(h * slope), "simultaneous play"),
        (lambda h, slope: math.pi / (2 * math.asin(h * slope / 2)), "half a turn"),
        (lambda h, slope: 360 / math.asin(h * slope / 2), "in radians"),
        (lambda h, slope: math.pi / math.asin(h * 0.5 / 2), "nothing is rounded"),
        (lambda h, slope: round(math.pi / math.asin(h * slope / 2)), "nothing is rounded"),
    ],
    "3.2": [
        (_matrix(lambda a: [[1.0, a], [-a, 1.0]]), "simultaneous play"),
        (_matrix(lambda a: [[1.0, a], [-a, 1 - a * a]]), "G first"),
        (_matrix(lambda a: [[1 - a * a, -a], [a, 1.0]]), "have changed places"),
        (_matrix(lambda a: [[1 + a * a, a], [a, 1.0]]), "opposite directions"),
        (lambda h, slope: [[1.0, 0.0], [0.0, 1.0]], "shape [2, 2]"),
        (lambda h, slope: torch.tensor([[1 - h * h / 4, h / 2], [-h / 2, 1.0]]), "both arguments"),
    ],
    "3.3": [
        (lambda gamma, slope: _eigenvalues(2 * gamma, slope), "Twice the penalty"),
        (lambda gamma, slope: _eigenvalues(gamma / 2, slope), "Half the penalty"),
        (lambda gamma, slope: -_eigenvalues(gamma, slope), "signs are turned"),
        (_real_root, "NaN"),
        (lambda gamma, slope: torch.tensor([slope * 1j, -slope * 1j]), "without a penalty"),
        (lambda gamma, slope: torch.complex(*torch.tensor([2 * [-gamma / 2], [0.4, -0.4]])), "gamma > 2 slope"),
        (lambda gamma, slope: _eigenvalues(gamma, 0.5), "wrong for slope = 1"),
        (lambda gamma, slope: _eigenvalues(gamma, (slope / 2) ** 0.5), "wrong for slope = 1"),
    ],
    "3.4": [
        (lambda field, w, h: w + h * field(w), "plain step"),
        (_two_steps, "moved twice"),
        (lambda field, w, h: w + h / 2 * (field(w) + field(w + h * field(w))), "Heun"),
        (lambda field, w, h: w + h * field(w + h / 2 * field(w)), "midpoint"),
        (lambda field, w, h: w - h * field(w - h * field(w)), "sign"),
        (lambda field, w, h: h * field(w + h * field(w)), "the move alone"),
        (lambda field, w, h: w + h * field(w + field(w)), "a whole field ahead"),
        (_aliased, "moved twice"),
        (lambda field, w, h: w + h * field(h * field(w)), "Not yet"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "3.1": [
        lambda h, slope: 2 * math.pi / math.acos(1 - (h * slope) ** 2 / 2),
    ],
    "3.2": [
        lambda h, slope: torch.tensor([[1.0, h * slope], [0.0, 1.0]]) @ torch.tensor([[1.0, 0.0], [-h * slope, 1.0]]),
    ],
    "3.3": [
        lambda gamma, slope: torch.linalg.eigvals(torch.tensor([[0.0, slope], [-slope, -gamma]])),
    ],
    "3.4": [
        _in_place,
    ],
}
