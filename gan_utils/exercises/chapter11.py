"""Checks of chapter 11, "The clinic"."""

from __future__ import annotations

from statistics import median
from typing import Any

import torch

from gan_utils.exercises.framework import close, exercise, expect, run_answer
from gan_utils.metrics import wilson

_CALM, _RESTLESS = [0.10, 0.12, 0.13, 0.11, 0.12], [0.10, 0.20, 0.16, 0.12, 0.14]


@exercise(
    "11.1",
    praise="Real samples are let off up to here, and half of their range more; the question's own limit is the least.",
)
def _limit(answer: Any) -> None:
    own, worst = 0.15, max(_RESTLESS)
    given, wanted = run_answer(answer, list(_RESTLESS), own), worst + (worst - median(_RESTLESS)) / 2
    expect(not close(given, own), "Yours is the question's own limit. Here real samples themselves score beyond it.")
    expect(
        not close(given, worst),
        "Yours is the greatest real score. Half of the way from the median to it is still to be added.",
    )
    mean = sum(_RESTLESS) / len(_RESTLESS)
    expect(
        not close(given, worst + (worst - mean) / 2),
        "Yours measures from the mean of the real scores. It is their median.",
    )
    expect(
        not close(given, worst + (worst - min(_RESTLESS)) / 2),
        "Yours adds half of the whole range. It is half of the way from the median to the greatest.",
    )
    expect(
        not close(given, 2 * worst - median(_RESTLESS)),
        "Yours adds the whole way from the median to the greatest: halve it.",
    )
    expect(
        close(given, wanted),
        f"For real scores {_RESTLESS} and a limit of {own} it is {wanted:.3f}; yours gives {given}.",
    )
    calm = run_answer(answer, list(_CALM), own)
    expect(
        close(calm, own),
        f"Where real scores end at {max(_CALM)}, and half of their upper range more is still below the question's own limit, "
        f"{own}, that limit stays: a problem must be large enough to have a name. Yours gives {calm}.",
    )
    near = [0.10, 0.11, 0.12, 0.13, 0.145]
    expect(
        close(run_answer(answer, near, own), 0.1575),
        f"Real scores {near} end below {own}, but with half of their upper range added they reach 0.1575, and that is the "
        "limit: add first, then compare.",
    )
    even = [*sorted(_RESTLESS)[:3], worst]
    expect(
        close(run_answer(answer, even, own), worst + (worst - median(even)) / 2),
        f"Right for an odd number of scores. Of the four in {even} the median lies between the two in the middle.",
    )


@exercise("11.2", praise="A share of the data, not a number of modes: a large mode that is missed counts for more.")
def _missing(answer: Any) -> None:
    due, got = torch.tensor([0.35, 0.3, 0.15, 0.12, 0.08]), torch.tensor([0.83, 0.05, 0.03, 0.035, 0.055])
    given = torch.as_tensor(run_answer(answer, due.clone(), got.clone())).detach()
    lost = got < due / 4
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    expect(not close(given, float(lost.sum())), "Yours counts modes. Add up their shares of the data.")
    expect(
        not close(given, float(got[lost].sum())), "Yours is what the fakes make there. The data's share is asked for."
    )
    expect(
        not close(given, float(lost.double().mean())),
        "Yours is a share of the modes. Weigh each by its share of the data.",
    )
    expect(
        not close(given, float(due[got < 0.25].sum())),
        "A quarter of their *due*: compare `got` with `due / 4`, not with 0.25.",
    )
    expect(
        not close(given, float(due[got == 0].sum())),
        "Yours is 0: every mode is made now and then. But one that gets less than a quarter of its due is as good as missing.",
    )
    expect(not close(given, 1 - float(due[lost].sum())), "Yours is the share that is *not* missing.")
    expect(
        close(given, float(due[lost].sum())),
        f"For these shares it is {float(due[lost].sum()):g}; yours gives {float(given):g}.",
    )


@exercise("11.3", praise="No alarm in a handful of cases promises very little.")
def _cases_needed(answer: Any) -> None:
    def least(k: int, most: float) -> int:
        return next(n for n in range(max(1, k), 100_000) if wilson(k, n)[1] <= most)

    given, wanted = run_answer(answer, 0, 0.03), least(0, 0.03)
    expect(
        not close(given, 34),
        "34 cases are where *one* alarm would be 3 %. Ask for the upper end of the interval, not the rate.",
    )
    expect(not close(given, 100), "That is the rule of three. Ask for Wilson's interval, as the book does.")
    expect(
        not close(given, wanted - 1), "One case more: with yours the upper end is still a little beyond the promise."
    )
    expect(close(given, wanted), f"For 0 alarms and at most 3 % it takes {wanted} cases; yours gives {given}.")
    more = run_answer(answer, 2, 0.03)
    expect(
        close(more, least(2, 0.03)),
        f"Right without alarms; with 2 of them it takes {least(2, 0.03)} cases, and yours gives {more}.",
    )


#: What a verdict of the quiz may be.
CHOICES = (
    "healthy", "vanishing gradient", "collapse that hops", "oscillation", "dropped modes", "within-mode collapse",
    "too little capacity", "memorised", "stopped too early",
)  # fmt: skip

#: What the recording shows of each patient, and nothing else; tests/test_recorded_quiz.py measures it.
SEEN: dict[str, set[str]] = {
    "A": {"astray", "missing", "healed"},
    "B": {"copied"},
    "C": {"astray", "missing", "small"},
    "D": {"astray", "missing", "narrow", "alike", "still", "starved"},
    "E": set(),
    "F": {"astray", "rising"},
    "G": {"astray", "missing", "alike", "moves"},
    "H": {"astray", "narrow"},
}

#: What each verdict needs to be seen (or not), and what is said where it is not so.
NEEDS: dict[str, list[tuple[str, bool, str]]] = {
    "healthy": [
        ("copied", False, "it was diagnosed without its training data, was it? Give them as `train`."),
        ("alike", False, "its samples are nearly one point."),
        ("narrow", False, "its clusters are too narrow. Look at `width` in the evidence of `gu.diagnose`."),
        ("astray", False, "too many of its samples lie where no data are. Look at `astray` in the evidence of `gu.diagnose`."),
        ("missing", False, "parts of the data are hardly ever made. Look at `missing` in the evidence of `gu.diagnose`."),
    ],
    "vanishing gradient": [
        ("still", True, "its samples travelled far from where they began, so G was taught something. Compare its frames."),
        ("starved", True, "the norm of G's gradient never fell to a hundredth of its start."),
    ],
    "collapse that hops": [
        ("alike", True, "its samples do not lie together. What hops is (nearly) one point."),
        ("moves", True, "its samples stay where they are from frame to frame."),
    ],
    "oscillation": [
        ("healed", True, "then the average of G would reach more of the data than the last G does. Diagnose `averaged`."),
    ],
    "dropped modes": [
        ("alike", False, "what is left is nearly one point. That has a name of its own; ask next whether it moves."),
        ("healed", False, "the average of G reaches what the last G misses, so nothing is lost for good."),
        ("small", False, "true, but ask why: how many parameters has G, and what could so few draw?"),
        ("rising", False, "for now; in its last frames the samples were still coming nearer to the data."),
        ("copied", False, "a part may be missing, but ask first what the rest is made of. Give `train` to `gu.diagnose`."),
        ("missing", True, "no part of the data is missing."),
    ],
    "within-mode collapse": [
        ("narrow", True, "`width` and `distinct` in the evidence of `gu.diagnose` are as they should be."),
        ("alike", False, "its samples are nearly one point."),
    ],
    "too little capacity": [("small", True, "its G has over a thousand parameters. That was enough for other patients.")],
    "memorised": [("copied", True, "hardly any sample leans to a training point. Give `train` to `gu.diagnose`.")],
    "stopped too early": [
        ("rising", True, "in its last frames the samples came hardly nearer to the data.")
    ],
}  # fmt: skip


def objection(patient: str, verdict: str) -> str | None:
    """Return what speaks against a verdict on a patient, or None: then it is right."""
    return next((said for fact, wanted, said in NEEDS[verdict] if (fact in SEEN[patient]) != wanted), None)


@exercise("11.4", praise="All eight. For several of them the samples alone would have told another story.")
def _quiz(answer: Any) -> None:
    expect(
        isinstance(answer, dict),
        f"The answer should be a dictionary such as {{'A': 'healthy', ...}}; it is a {type(answer).__name__}.",
    )
    unknown = [f"{name!r}" for name in answer if name not in SEEN]
    expect(not unknown, f"There is no patient {', '.join(unknown)}; they are called {', '.join(SEEN)}.")
    given = {name: verdict for name, verdict in answer.items() if verdict not in (..., None)}
    run_answer(lambda: given or ...)  # all still open: not attempted
    for name, verdict in given.items():
        expect(verdict in CHOICES, f"{name}: {verdict!r} is none of the verdicts: {', '.join(CHOICES)}.")
    said = {name: objection(name, verdict) for name, verdict in given.items()}
    wrong = [f"{name} is no case of {given[name]!r}: {text}" for name, text in said.items() if text]
    still = [name for name in SEEN if name not in given]
    parts = [f"{sum(text is None for text in said.values())} of {len(SEEN)} are right.", *wrong]
    parts += [f"Still open: {', '.join(still)}."] if still else []
    expect(not wrong and not still, " ".join(parts))
