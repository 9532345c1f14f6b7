"""Plausible wrong answers to the exercises of chapter 5, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import numpy as np
import torch


def angle_of(a, b):
    return torch.acos((a * b).sum(1, keepdim=True) / (a.norm(dim=1, keepdim=True) * b.norm(dim=1, keepdim=True)))


def slerp(a, b, t, angle):
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def slerp_in_place(a, b, t):
    angle = angle_of(a, b)
    a *= torch.sin((1 - t) * angle)
    b *= torch.sin(t * angle)
    return a.add_(b).div_(torch.sin(angle))


def unit(a):
    return a / a.norm(dim=1, keepdim=True)


def drawn(of):
    """A learner's function that draws the sets at once, and returns ``of(q [sets, K], p)``."""

    def answer(p, n, sets):
        counts = torch.multinomial(p.expand(sets, -1), n, replacement=True)
        return of(torch.nn.functional.one_hot(counts, len(p)).float().mean(1), p)

    return answer


def by_numpy(p, n, sets):
    p = p.double().numpy()
    q = np.random.default_rng(1).multinomial(n, p / p.sum(), size=sets) / n
    return float(np.where(q > 0, q * np.log(np.where(q > 0, q, 1) / p), 0).sum(1).mean())


WRONG = {
    "5.1": [
        ((64 * 64 * 49 + 64 * 49, 32_768, 128), "3,136 biases"),
        ((64 * 64 * 49, 32_768 + 32, 128), "counted 32 biases"),
        ((64 * 64 * 49, 32_768 * 49, 128), "shared between places"),
        ((64 * 64 * 49, 32 * 16, 128), "you counted one"),
        ((64 * 64 * 49, 32_768, 256), "buffers"),
        ((64 * 64 * 49, 32_768, 2 * 64 * 49), "not one a pixel"),
        ((64 * 64 * 49, 32_768), "three numbers"),
    ],
    "5.2": [
        (lambda n, k, s, p: (n + 2 * p - k) // s + 1, "the other way"),
        (lambda n, k, s, p: (n - 1) * s + k, "padding is missing"),
        (lambda n, k, s, p: (n - 1) * s + k + 2 * p, "wrong sign"),
        (lambda n, k, s, p: n * s + k - 2 * p, "n - 1 gaps"),
        (lambda n, k, s, p: n * s, "try kernel 3"),
        (lambda n, k, s, p: (n - 1) * s + k - p, "Not right for"),
    ],
    "5.3": [
        (lambda a, b, t: (1 - t) * a + t * b, "straight line"),
        (lambda a, b, t: slerp(b, a, t, angle_of(a, b)), "start at b"),
        (lambda a, b, t: slerp(unit(a), unit(b), t, angle_of(a, b)), "norm one"),
        (lambda a, b, t: math.cos(math.pi * t / 2) * a + math.sin(math.pi * t / 2) * b, "perpendicular"),
        (lambda a, b, t: slerp(a, b, t, torch.acos((a * b).sum() / (a.norm() * b.norm()))), "whole batch"),
        (lambda a, b, t: slerp(a, b, t, angle_of(a, b)) * torch.sin(angle_of(a, b)), "division by sin"),
        (lambda a, b, t: slerp(a, b, t, torch.acos((a * b).sum(1, keepdim=True))), "arccosine"),
    ],
    "5.4": [
        (drawn(lambda q, p: (q * (q / p).log()).sum(1).mean()), "NaN"),
        (drawn(lambda q, p: torch.xlogy(p, p / q).sum(1).mean()), "other direction"),
        (drawn(lambda q, p: -torch.xlogy(q, q / p).sum(1).mean()), "above zero"),
        (drawn(lambda q, p: torch.xlogy(q.mean(0), q.mean(0) / p).sum()), "all sets together"),
        (drawn(lambda q, p: torch.xlogy(q, q / p).sum()), "divide by their number"),
        (drawn(lambda q, p: torch.xlogy(q, q / p).sum(1).mean() / math.log(2)), "what bits would give"),
        (drawn(lambda q, p: ((q - p).square() / (2 * p)).sum(1).mean()), "what bits would give"),
        (drawn(lambda q, p: torch.xlogy(50 * q, 50 * q / p).sum(1).mean()), "counts by n"),
        (drawn(lambda q, p: torch.xlogy(q, q / p).sum(1)), "mean over the sets"),
        (lambda p, n, sets: (len(p) - 1) / (2 * n), "That is the formula"),
        (drawn(lambda q, p: (q - p).square().sum(1).mean() / p.max()), "Not right"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "5.1": [
        torch.tensor([200_704, 32_768, 128]),
        np.array([200_704, 32_768, 128]),
        [np.int64(64 * 64 * 49), 32_768, 128.0],
    ],
    "5.2": [
        lambda n, k, s, p: torch.tensor((n - 1) * s + k - 2 * p),
        lambda n, k, s, p: torch.nn.ConvTranspose2d(1, 1, k, s, p)(torch.zeros(1, 1, n, n)).shape[-1],
    ],
    "5.3": [
        slerp_in_place,
    ],
    "5.4": [
        by_numpy,
        drawn(lambda q, p: torch.nn.functional.kl_div(p.log().expand_as(q), q, reduction="batchmean")),
    ],
}
