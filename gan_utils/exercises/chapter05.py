"""Checks of chapter 5, "A convolutional GAN"."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gan_utils.exercises.framework import close, exercise, expect, run_answer, several


@exercise("5.1", praise="A filter's weights are counted once, however many places it visits.")
def _parameters(answer: Any) -> None:
    answer = several(answer)
    expect(isinstance(answer, (tuple, list)) and len(answer) == 3, "Give three numbers, one for each layer.")
    expect(all(isinstance(n, (Real, Tensor)) for n in answer), "All three must be numbers.")
    linear, up, norm = (int(n) for n in answer)
    weights, taps = 64 * 64 * 49, 64 * 32 * 16
    expect(linear != weights + 64 * 49, "The linear layer has bias=False: you counted 3,136 biases that are not there.")
    expect(linear == weights, "Linear: every one of 64 inputs meets every one of 64 x 7 x 7 outputs, once.")
    expect(up != taps + 32, "The transposed convolution has bias=False: you counted 32 biases that are not there.")
    expect(
        up not in (taps * 49, taps * 196),
        "You multiplied by the places that the filter visits. That is its work; the weights are shared between places.",
    )
    expect(up != 32 * 16, "Each of the 32 outputs has a 4 x 4 filter for every one of the 64 inputs; you counted one.")
    expect(up == taps, "Transposed convolution: a 4 x 4 filter for each pair of an input and an output channel.")
    expect(norm != 4 * 64, "Running mean and variance are buffers: they are counted along, not trained.")
    expect(norm != 2 * 64 * 49, "BatchNorm2d keeps one scale and one shift a channel, not one a pixel.")
    expect(norm == 2 * 64, "BatchNorm2d: how many trained numbers has each of the 64 channels?")


_SIZES = [(7, 4, 2, 1), (14, 4, 2, 1), (5, 3, 2, 0), (4, 5, 3, 2), (6, 3, 1, 1), (1, 7, 1, 0)]


@exercise("5.2", praise="Solve the convolution's formula for its input, and this is what comes out.")
def _size(answer: Any) -> None:
    given = [run_answer(answer, *case) for case in _SIZES]
    expect(all(isinstance(n, (Real, Tensor)) for n in given), "Return one whole number, the side of the output.")

    def follows(formula: Any) -> bool:
        return all(got == formula(*case) for got, case in zip(given, _SIZES, strict=True))

    expect(
        not follows(lambda n, k, s, p: (n + 2 * p - k) // s + 1),
        "That is the convolution's own formula. The transposed one goes the other way: from its output to its input.",
    )
    expect(
        not follows(lambda n, k, s, p: (n - 1) * s + k),
        "The padding is missing. It trims the output of a transposed convolution, on both sides.",
    )
    expect(
        not follows(lambda n, k, s, p: (n - 1) * s + k + 2 * p),
        "The padding has the wrong sign: it makes the output of a transposed convolution smaller.",
    )
    expect(
        not follows(lambda n, k, s, p: n * s + k - 2 * p),
        "One stride too many: between n places there are n - 1 gaps.",
    )
    expect(not follows(lambda n, k, s, p: n * s), "That holds where kernel - 2 padding = stride; try kernel 3.")
    wrong = [f"{case}: {got}" for got, case in zip(given, _SIZES, strict=True) if got != _up(*case)]
    expect(not wrong, f"Not right for (n, kernel, stride, padding) = {wrong[0] if wrong else ''}.")


def _up(n: int, kernel: int, stride: int, padding: int) -> int:
    return (n - 1) * stride + kernel - 2 * padding


def _slerp(a: Tensor, b: Tensor, t: float, angle: Tensor) -> Tensor:
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


@exercise("5.3", praise="It leaves a at t = 0, reaches b at t = 1, and cuts no corner on the way.")
def _spherical(answer: Any) -> None:
    draws = torch.Generator().manual_seed(0)
    a = torch.randn(6, 8, generator=draws)
    b = 1.5 * torch.randn(6, 8, generator=draws) + 0.5 * a
    unit_a, unit_b = (v / v.norm(dim=1, keepdim=True) for v in (a, b))
    angle = torch.acos((unit_a * unit_b).sum(1, keepdim=True))
    t = 0.3
    given = run_answer(answer, a, b, t)
    expect(isinstance(given, Tensor), "Return a tensor.")
    expect(given.shape == a.shape, f"Return one point for each pair, {list(a.shape)}; yours has {list(given.shape)}.")
    expect(not close(given, (1 - t) * a + t * b), "That is the straight line, which passes too near the origin.")
    expect(not close(given, _slerp(a, b, 1 - t, angle)), "You start at b and end at a: at t = 0 the answer must be a.")
    unit = _slerp(unit_a, unit_b, t, angle)
    expect(not close(given, unit), "Your points have norm one: divide for the angle only, then mix a and b themselves.")
    right_angle = math.cos(math.pi * t / 2) * a + math.sin(math.pi * t / 2) * b
    expect(not close(given, right_angle), "You took every pair to be perpendicular; compute the angle of each pair.")
    whole = torch.acos((a * b).sum() / (a.norm() * b.norm()))
    expect(
        not close(given, _slerp(a, b, t, whole)),
        "You took one angle over the whole batch: sums and norms go along dim=1, so that each pair has its own.",
    )
    expect(
        not close(given, _slerp(a, b, t, angle) * torch.sin(angle)),
        "The division by sin(angle) is missing: your path does not begin at a.",
    )
    expect(torch.isfinite(given).all(), "Your answer is NaN or infinite: the arccosine wants a number in [-1, 1].")
    expect(
        close(given, _slerp(a, b, t, angle)),
        "Not right: mix a and b with sin((1 - t) w) / sin(w) and sin(t w) / sin(w), w the angle of each pair in radians.",
    )


@exercise(
    "5.4", praise="Even a perfect generator is charged that much. The formula counts classes too rare to be drawn."
)
def _floor(answer: Any) -> None:
    p, n, sets = torch.tensor([0.4, 0.3, 0.2, 0.088, *[0.002] * 6]), 50, 1_000
    given = run_answer(answer, p, n, sets)
    expect(isinstance(given, (Real, Tensor)), "Return one number.")
    given = torch.as_tensor(given, dtype=torch.float64)
    expect(given.numel() == 1, f"Return one number, the mean over the sets; yours has shape {list(given.shape)}.")
    value, wanted = float(given), _mean_divergence(p, n, sets)
    expect(
        not math.isnan(value),
        "NaN: a class may not be drawn, and 0 log 0 is not a number to a computer. Its term is 0.",
    )
    expect(
        not math.isinf(value),
        "Infinite: that is the other direction, KL(p || q). The drawn shares q stand in front.",
    )
    expect(
        value > 0, "A mean of divergences is above zero: KL is never negative, and the drawn shares are never exact."
    )
    formula = (len(p) - 1) / (2 * n)
    expect(
        not close(value, formula), "That is the formula, which is far off here: six classes are too rare for it. Draw."
    )
    expect(
        value > wanted / 10,
        "Much too small: you took the divergence of all sets together. Take each set's, then the mean.",
    )
    expect(abs(value / (wanted * sets) - 1) > 0.2, "That is the sum over the sets: divide by their number.")
    expect(
        abs(value * math.log(2) / wanted - 1) > 0.15,
        "Yours is about what bits would give: the logarithm is natural. If it is: average sum q log(q / p), q = counts / n.",
    )
    expect(value < 10 * wanted, "Much too large: did you draw with the shares p, and divide each set's counts by n?")
    # the answer draws anew: a mean of 1,000 sets is within 5 % of the true one, and so is ours
    expect(abs(value / wanted - 1) < 0.15, "Not right: the mean over the sets of sum q log(q / p), q = counts / n.")


def _mean_divergence(p: Tensor, n: int, sets: int) -> float:
    drawn = torch.multinomial(p, n * sets, replacement=True, generator=torch.Generator().manual_seed(0))
    q = one_hot(drawn.view(sets, n), len(p)).double().mean(1)
    return float(torch.xlogy(q, q / p).sum(1).mean())
