"""Wrong answers to the exercises of chapter 20, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import torch


def beaten(s, by):
    return by(s[None], s[:, None])  # [recipe, other]: whether the other beats it


def earlier_only(s):
    return torch.tensor(
        [not any((s[j] >= own).all() and (s[j] > own).any() for j in range(i)) for i, own in enumerate(s)]
    )


WRONG = {
    "20.1": [
        (earlier_only, "from its end"),
        (
            lambda s: (s == s.max(0).values).any(1) & (torch.arange(len(s)) != 5) & (s[:, 0] != 5) | (s[:, 0] == 6),
            "yet no other",
        ),
        (lambda s: s.sum(1) == s.sum(1).max(), "far the best"),
        (lambda s: torch.tensor([True, False, False, True, True, False, False, True]), "Keep both"),
        (lambda s: ~beaten(s, lambda other, own: (other >= own).all(-1)).any(1), "Nothing is left"),
        (lambda s: ~beaten(s, lambda other, own: (other > own).all(-1)).any(1), "better in one is enough"),
        (
            lambda s: beaten(s, lambda other, own: (other >= own).all(-1) & (other > own).any(-1)).any(1),
            "other way round",
        ),
        (lambda s: torch.ones(len(s), dtype=torch.bool), "worse than recipe 0"),
        (lambda s: s[:, :2].mean(1) > 3, "far the best"),
        (lambda s: s, "one True or False"),
        (lambda s: not (s[None] > s[:, None]).all(2).any(1), "use ~, & and |"),
        (lambda s: torch.tensor([True, False, True, True, False, False, False, True]), "far the best"),
        (lambda s: torch.tensor([True, False, True, True, True, False, True, True]), "It should be"),
        (
            lambda s: ~beaten(s, lambda other, own: (other >= own).all(-1) & (other > own).any(-1)).any(0),
            "beat no other",
        ),
    ],
    "20.2": [
        (lambda rate: 1.96**2 * rate / (1 - rate), "seeds come whole"),
        (lambda rate: math.floor(1.96**2 * rate / (1 - rate)), "Round up, not down"),
        (
            lambda rate: math.ceil(3 / (1 - rate)) if rate > 0.85 else math.ceil(1.96**2 * rate / (1 - rate)),
            "rule of three",
        ),
        (lambda rate: math.ceil(3 / (1 - rate)), "rule of three"),
        (lambda rate: 1, "keeps a width"),
        (lambda rate: 100, "it should be"),
    ],
    "20.3": [
        (lambda rate, cost, budget: 1 - (1 - rate) ** (int(budget) // int(cost)), "cut both to whole numbers"),
        (lambda rate, cost, budget: 1 - (1 - rate) ** (budget / cost), "unfinished run"),
        (lambda rate, cost, budget: rate * (budget // cost), "add the rates"),
        (lambda rate, cost, budget: min(1.0, rate * (budget // cost)), "add the rates"),
        (lambda rate, cost, budget: (1 - rate) ** (budget // cost), "every try fails"),
        (
            lambda rate, cost, budget: 1 - (1 - rate) ** (budget // 1 if cost != 1 else budget // cost),
            "forgot what a try",
        ),
        (lambda rate, cost, budget: rate ** (budget // cost), "all succeed"),
        (lambda rate, cost, budget: 0.5, "it should be"),
        (lambda rate, cost, budget: 1 - (1 - rate) ** math.ceil(budget / cost), "unfinished run"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "20.2": [
        lambda rate: torch.tensor(math.floor(1.96**2 * rate / (1 - rate)) + 1),
    ],
    "20.3": [
        lambda rate, cost, budget: 1 - math.prod([1 - rate] * int(budget / cost)),
    ],
}
