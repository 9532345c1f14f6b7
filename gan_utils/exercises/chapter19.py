"""Checks of chapter 19, "The shoot-out"."""

from __future__ import annotations

from math import ceil, comb, exp, floor
from typing import Any

from gan_utils.exercises.framework import close, exercise, expect, run_answer


@exercise("19.1", praise="At equal steps it would have had more than twice the compute.")
def _steps_for(answer: Any) -> None:
    for cost, plain, looks in (
        (2.07, 5_000, 40),
        (5.5, 3_000, 12),
        (0.8, 1_000, 10),
        (3.0, 1_000, 20),
        (60.0, 1_000, 40),
        (2.0, 119, 40),
        (3.0, 14, 3),
        (1.6, 100, 40),
    ):
        given, wanted = run_answer(answer, cost, plain, looks), looks * max(1, round(plain / cost / looks))
        if close(given, wanted):
            continue
        said = f"For a cost of {cost}, {plain:,} plain steps and {looks} looks"
        expect(not close(given, plain), f"{said} you return the plain steps: that is equal steps, not equal compute.")
        expect(
            not close(given, looks * max(1, round(plain * cost / looks))),
            f"{said} you multiply. A step that costs more must be taken less often.",
        )
        expect(
            not close(given, plain / cost) and not close(given, round(plain / cost)),
            f"{said} the steps do not divide into looks. Round the steps from one look to the next.",
        )
        expect(
            not close(given, looks * max(1, round(round(plain / cost) / looks))),
            f"{said} you round twice. Round once, the steps from one look to the next.",
        )
        expect(
            looks == 1 or not close(given, max(1, round(plain / cost / looks))),
            f"{said} those are the steps from one look to the next. Return all of them: times the number of looks.",
        )
        expect(
            not any(
                close(given, looks * max(1, round(steps)))
                for steps in (int(plain / cost) / looks, plain // looks / cost, plain // cost / looks)
            ),
            f"{said} you round before the last division. Round once, the steps from one look to the next.",
        )
        expect(
            plain / cost < looks
            or given not in (looks * floor(plain / cost / looks), looks * ceil(plain / cost / looks)),
            f"{said} you round always down, or always up. Take the nearest number of steps from one look to the next.",
        )
        expect(
            float(given) > 0,
            f"{said} nothing is left: a look needs at least one step, even if that is over the budget.",
        )
        expect(False, f"{said} it should be {wanted:,}; yours is {given:,}.")


@exercise("19.2", praise="Nobody was better than another, and yet the winner looks it: the winner's curse.")
def _expected_best(answer: Any) -> None:
    for p, n, m in ((0.3, 20, 10), (0.5, 5, 30), (0.9, 4, 1)):
        given = run_answer(answer, p, n, m)
        pmf = [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
        up_to = [sum(pmf[: k + 1]) for k in range(n + 1)]
        wanted = sum(1 - up_to[k] ** m for k in range(n)) / n
        if close(given, wanted, atol=1e-5, rtol=1e-4):  # 200,000 draws of a simulation are not so near
            continue
        said = f"For p = {p}, n = {n} and m = {m}"
        expect(not close(given, wanted * n), f"{said} you return a number of seeds. Divide by n.")
        expect(
            not close(given, p),
            f"{said} that is what one recipe scores on average. We look at the best of m.",
        )
        expect(not close(given, 1 - (1 - p) ** m), f"{said}: that is how likely it is that any of m succeeds.")
        expect(
            not close(given, sum((1 - (1 - up_to[k]) ** m) for k in range(n)) / n),
            f"{said}: all m are at most k with probability F(k) to the power m; you took that any of them is.",
        )
        below = [0.0, *up_to]
        expect(
            not close(given, sum(1 - below[k] ** m for k in range(n)) / n),
            f"{said}: your F(k) stops before k. 'At most k' has the weight of k itself in it.",
        )
        shifted = sum(1 - up_to[k] ** m for k in range(n + 1)) / n - sum(1 - up_to[k] ** m for k in range(1)) / n
        expect(
            not close(given, shifted),
            f"{said}: sum the probabilities of *more than* k from k = 0; your sum starts a step late.",
        )
        near = "Close: is yours a simulation? Compute it exactly. " if close(given, wanted, atol=0.01) else ""
        expect(False, f"{near}{said} it should be {wanted:.4f}; yours is {float(given):.4f}.")


@exercise("19.3", praise='So "at least one sample" is a low bar: a few strays clear it.')
def _touched(answer: Any) -> None:
    for strays, modes in ((250, 1_000), (10, 8), (1, 25), (0, 25)):
        given = run_answer(answer, strays, modes)
        missed = (1 - 1 / modes) ** strays
        wanted, said = modes * (1 - missed), f"For {strays} strays and {modes} modes"
        if close(given, wanted, rtol=1e-4):
            continue
        expect(not close(given, 1 - missed), f"{said} that is one mode's chance. Sum it over all of them.")
        expect(not close(given, modes * missed), f"{said} those are the modes that stay untouched.")
        expect(
            not close(given, min(strays, modes)),
            f"{said} you count every stray as a new mode. Some fall on one that was touched before.",
        )
        expect(
            not close(given, modes * (1 - exp(-strays / modes)), rtol=1e-4),
            f"{said} that is Poisson's approximation, or a lucky simulation. Exactly: (1 - 1/K) to the power n.",
        )
        expect(False, f"{said} it should be {wanted:.4f}; yours is {float(given):.4f}.")
