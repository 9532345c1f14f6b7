"""Wrong answers to the exercises of chapter 11, each with a fragment of the message it must get."""

from __future__ import annotations

from statistics import mean, median

from gan_utils.metrics import wilson

RIGHT = {
    "A": "oscillation", "B": "memorised", "C": "too little capacity", "D": "vanishing gradient", "E": "healthy",
    "F": "stopped too early", "G": "collapse that hops", "H": "within-mode collapse",
}  # fmt: skip

WRONG = {
    "11.1": [
        (lambda real, own: own if max(real) <= own else max(real) + (max(real) - median(real)) / 2, "add first"),
        (lambda real, own: max(own, max(real) + (max(real) - sorted(real)[len(real) // 2]) / 2), "two in the middle"),
        (lambda real, own: own, "question's own limit"),
        (lambda real, own: max(own, *real), "greatest real score"),
        (lambda real, own: max(own, max(real) + (max(real) - mean(real)) / 2), "It is their median"),
        (lambda real, own: max(own, max(real) + (max(real) - min(real)) / 2), "half of the whole range"),
        (lambda real, own: max(own, 2 * max(real) - median(real)), "halve it"),
        (lambda real, own: max(real) + (max(real) - median(real)) / 2, "large enough"),
        (lambda real, own: max(own, max(real) + (max(real) - real[2]) / 2), "it is 0.230"),
    ],
    "11.2": [
        (lambda due, got: (got < due / 4).sum(), "counts modes"),
        (lambda due, got: got[got < due / 4].sum(), "what the fakes make"),
        (lambda due, got: (got < due / 4).float().mean(), "share of the modes"),
        (lambda due, got: due[got < 0.25].sum(), "of their *due*"),
        (lambda due, got: due[got == 0].sum(), "as good as missing"),
        (lambda due, got: due[got >= due / 4].sum(), "*not* missing"),
        (lambda due, got: due[got < due / 4].mean(), "it is 0.45"),
        (lambda due, got: due[got < due / 2].sum(), "it is 0.45"),
        (lambda due, got: due[got < 1 / len(due) / 4].sum(), "it is 0.45"),
    ],
    "11.3": [
        (lambda k, most: round((k + 1) / most + 0.5), "not the rate"),
        (lambda k, most: round(3 / most), "rule of three"),
        (lambda k, most: next(n for n in range(max(1, k), 9_999) if wilson(k, n)[1] <= most) - 1, "One case more"),
        (lambda k, most: next(n for n in range(1, 9_999) if wilson(0, n)[1] <= most), "Right without alarms"),
    ],
    "11.4": [
        (list("ABCDEFGH"), "should be a dictionary"),
        (RIGHT | {"I": "healthy"}, "no patient 'I'"),
        (RIGHT | {"A": "swaying"}, "none of the verdicts"),
        (RIGHT | {"A": ...}, "Still open: A"),
        (RIGHT | {"B": "healthy"}, "Give them as `train`"),
        (RIGHT | {"C": "dropped modes"}, "how many parameters has G"),
        (RIGHT | {"D": "collapse that hops"}, "stay where they are"),
        (RIGHT | {"G": "dropped modes"}, "nearly one point. That has a name"),
        (dict.fromkeys(RIGHT, "healthy"), "1 of 8 are right"),
    ],
}  # fmt: skip
