"""Wrong answers to the exercises of chapter 17, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import torch


def mixed(average, params, old, new):
    return {name: old * average[name] + new * params[name] for name in average}


def in_place(average, params, beta):
    for name in params:
        params[name].lerp_(average[name], beta)
    return params


def by_place(average, params, beta):
    places = zip(average.items(), params.values(), strict=True)
    return {name: beta * old + (1 - beta) * new for (name, old), new in places}


WRONG = {
    "17.1": [
        (lambda p, q, real, fake: p / (p + q), "without smoothing"),
        (lambda p, q, real, fake: real * p / (p + q), "one-sided"),
        (lambda p, q, real, fake: (real * p + fake * q) / (real * p + fake * q), "in the denominator too"),
        (lambda p, q, real, fake: real * p / (real * p + (1 - fake) * q), "A sample weighs one"),
        (lambda p, q, real, fake: real * p / (real * p + fake * q), "the denominator is p + q"),
        (lambda p, q, real, fake: (fake * p + real * q) / (p + q), "labels are exchanged"),
        (lambda p, q, real, fake: (real * p + (1 - fake) * q) / (p + q), "1 - fake"),
        (lambda p, q, real, fake: 0.5, "one number for each place"),
        (lambda p, q, real, fake: torch.zeros(4), "should be"),
        (lambda p, q, real, fake: (0.9 * p + 0.2 * q) / (p + q), "with labels 1 and 0"),
    ],
    "17.2": [
        (lambda average, params, beta: mixed(average, params, 1 - beta, beta), "exchanged"),
        (lambda average, params, beta: mixed(average, params, beta, 1), "sum to more than one"),
        (lambda average, params, beta: mixed(average, params, 0.5, 0.5), "plain mean"),
        (in_place, "changed the parameters"),
        (by_place, "should become"),
        (lambda average, params, beta: average["w"], "Return a dictionary"),
        (lambda average, params, beta: average, "should become"),
        (
            lambda average, params, beta: average | {"w": beta * average["w"] + (1 - beta) * params["w"]},
            "From b = 4.0 towards 0.0",
        ),
    ],
    "17.3": [
        (lambda h: 1 - 1 / h, "1 - 1 / h"),
        (lambda h: math.exp(-1 / h), "exp(-1 / h)"),
        (lambda h: 1 - 0.5 ** (1 / h), "how much is forgotten"),
        (lambda h: 0.5**h, "if beta were a half"),
        (lambda h: 0.5 / h, "to the power of h"),
        (lambda h: torch.tensor([0.5 ** (1 / h)]), "Return one number"),
        (lambda h: 0.5, "should be a half"),
        (lambda h: 0.5**0.1, "after a half-life of one step"),
    ],
    "17.4": [
        (lambda t, std, steps: std * max(0.0, 1 - t / (steps - 1)), "divide by steps - 1"),
        (lambda t, std, steps: std * min(1, t / steps), "should start strong"),
        (lambda t, std, steps: std * (1 - t / steps), "turns negative"),
        (lambda t, std, steps: std * math.exp(-t / steps), "nothing should be left"),
        (lambda t, std, steps: std * max(0.0, 1 - t / steps) ** 0.5, "variance falls"),
        (lambda t, std, steps: std * max(0.0, 1 - t / steps) ** 2, "three quarters"),
        (lambda t, std, steps: max(0.0, 1 - t / steps), "should be 0.4"),
        (lambda t, std, steps: std * abs(1 - t / steps), "Long after"),
        (
            lambda t, std, steps: std * (1 - t / steps) if t <= steps else None,
            "returned None (called with 1500, 0.4, 1000)",
        ),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "17.1": [
        lambda p, q, real, fake: fake + (real - fake) * p / (p + q),
    ],
    "17.2": [
        lambda average, params, beta: {k: torch.lerp(params[k], average[k], beta) for k in average},
    ],
    "17.3": [
        lambda h: math.exp(-math.log(2) / h),
    ],
    "17.4": [
        lambda t, std, steps: std * (1 - t / steps) if t < steps else 0,
    ],
}
