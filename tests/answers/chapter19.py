"""Wrong answers to the exercises of chapter 19, each with a fragment of the message it must get."""

from __future__ import annotations

from fractions import Fraction
from math import comb, exp

import torch


def up_to(k, p, n):
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


WRONG = {
    "19.1": [
        (lambda cost, plain, looks: looks * max(1, round(round(plain / cost) / looks)), "round twice"),
        (lambda cost, plain, looks: plain, "equal steps, not equal compute"),
        (lambda cost, plain, looks: looks * round(plain * cost / looks), "you multiply"),
        (lambda cost, plain, looks: plain / cost, "do not divide into looks"),
        (lambda cost, plain, looks: round(plain / cost), "do not divide into looks"),
        (lambda cost, plain, looks: looks * round(plain / cost / looks), "at least one step"),
        (lambda cost, plain, looks: looks, "it should be"),
        (lambda cost, plain, looks: max(1, round(plain / cost / looks)), "times the number of looks"),
        (lambda cost, plain, looks: looks * max(1, round(int(plain / cost) / looks)), "before the last division"),
        (lambda cost, plain, looks: looks * max(1, round(plain // looks / cost)), "before the last division"),
        (lambda cost, plain, looks: looks * max(1, int(plain / cost / looks)), "Take the nearest"),
    ],
    "19.2": [
        (lambda p, n, m: p, "on average"),
        (lambda p, n, m: sum(1 - up_to(k, p, n) ** m for k in range(n)), "Divide by n"),
        (lambda p, n, m: 1 - (1 - p) ** m, "any of m succeeds"),
        (lambda p, n, m: sum(1 - (1 - up_to(k, p, n)) ** m for k in range(n)) / n, "any of them is"),
        (lambda p, n, m: sum(1 - up_to(k, p, n) ** m for k in range(1, n)) / n, "a step late"),
        (lambda p, n, m: 1.0, "it should be"),
        (lambda p, n, m: sum(1 - up_to(k, p, n) ** m for k in range(n)) / n - 0.002, "is yours a simulation"),
        (lambda p, n, m: sum(1 - up_to(k, p, n) ** m for k in range(n)) / n + 0.0005, "is yours a simulation"),
        (lambda p, n, m: sum(1 - up_to(k - 1, p, n) ** m for k in range(n)) / n, "weight of k itself"),
    ],
    "19.3": [
        (lambda strays, modes: 1 - (1 - 1 / modes) ** strays, "one mode's chance"),
        (lambda strays, modes: modes * (1 - 1 / modes) ** strays, "stay untouched"),
        (lambda strays, modes: min(strays, modes), "every stray as a new mode"),
        (lambda strays, modes: modes * (1 - exp(-strays / modes)), "Poisson"),
        (lambda strays, modes: 0.0, "it should be"),
        (lambda strays, modes: modes * (1 - (1 / modes) ** strays), "it should be"),
        (lambda strays, modes: round(modes * (1 - (1 - 1 / modes) ** strays)), "it should be"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "19.1": [
        lambda cost, plain, looks: float(round(plain / cost / looks) * looks or looks),
    ],
    "19.2": [
        lambda p, n, m: sum(k * (up_to(k, p, n) ** m - up_to(k - 1, p, n) ** m) for k in range(n + 1)) / n,
        lambda p, n, m: Fraction(sum(1 - up_to(k, p, n) ** m for k in range(n))) / n,
    ],
    "19.3": [
        lambda strays, modes: modes * (1 - torch.tensor(1 - 1 / modes) ** strays),
        lambda strays, modes: modes - modes * ((modes - 1) / modes) ** strays,
    ],
}
