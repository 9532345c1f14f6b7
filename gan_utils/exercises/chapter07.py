"""Checks of chapter 7, "Why it happens"."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import close, exercise, expect, run_answer

_HEAPS = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [2.0, 0.0], [2.0, 0.1], [0.0, 3.0]])  # three, two and one


@exercise("7.1", praise="One for a single heap, n for n samples that keep to themselves.")
def _heaps(answer: Any) -> None:
    x = _HEAPS
    near = torch.cdist(x, x) < 0.5
    wanted, n = 1 / near.float().mean(), len(x)
    given = torch.as_tensor(run_answer(answer, x.clone(), 0.5)).detach()
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    expect(not close(given, 1 / wanted), "That is the share of near pairs. The number of heaps is one over it.")
    others = (near.sum() - n) / (n * (n - 1))
    expect(
        not close(given, 1 / others),
        "You left out each sample's pair with itself. Without it, samples that are all far apart give infinity, not n.",
    )
    expect(
        not close(given, 1 / (~near).float().mean()), "You counted the pairs that are far apart. Count the near ones."
    )
    expect(not close(given, 3.0), "Three heaps there are, but of unequal size: by this measure they count for less.")
    expect(not close(given, n * wanted), "Divide by the number of all pairs, n squared, not by n.")
    expect(close(given, wanted), "Heaps of three, two and one should give 36 / (9 + 4 + 1), about 2.57.")
    small = run_answer(answer, x.clone(), 0.05)
    expect(close(small, 6.0), f"With radius 0.05 all six keep to themselves: 6; yours gives {float(small):.3g}.")


_KNOWN = torch.tensor([[1.0, 0.6, 0.2], [0.3, 0.9, 0.1], [0.0, 0.5, 0.8]])  # phases down, spots across


@exercise("7.2", praise="The diagonal says what D learns, what lies below it says what it keeps.")
def _old(answer: Any) -> None:
    given = torch.as_tensor(run_answer(answer, _KNOWN.clone())).detach()
    wanted = torch.tensor([0.3, 0.0, 0.5]).mean()
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    with_now = _KNOWN[torch.ones(3, 3).tril().bool()].mean()
    expect(
        not close(given, with_now),
        "You counted the diagonal. After phase i, spot i is the present one, and knowing it is no memory.",
    )
    expect(
        not close(given, _KNOWN[torch.ones(3, 3).triu(1).bool()].mean()),
        "You took the entries above the diagonal: spots still to come. A row is a phase, a column is a spot.",
    )
    expect(not close(given, _KNOWN.mean()), "That is the mean over everything. Old spots are those of earlier phases.")
    expect(
        not close(given, _KNOWN.tril(-1).mean()),
        "The zeros that tril fills in were counted too. Pick the entries below the diagonal, then take their mean.",
    )
    rows = torch.tensor([0.3, 0.25]).mean()
    expect(
        not close(given, rows), "You averaged within each row first. Take one mean over all entries below the diagonal."
    )
    expect(not close(given, 0.25), "That is the last row alone. Every phase after the first has old spots.")
    expect(
        close(given, wanted), "Here the old entries are 0.3, 0.0 and 0.5: row 1, column 0, and row 2, columns 0 and 1."
    )
    four = run_answer(answer, torch.ones(4, 4))
    expect(close(four, 1.0), "Right for three phases. Four have six old entries: divide by the number of entries.")


def _tv(p: Tensor, q: Tensor, m: int) -> Tensor:
    P, Q = p, q
    for _ in range(m - 1):
        P, Q = torch.outer(P, p).flatten(), torch.outer(Q, q).flatten()
    return (P - Q).abs().sum() / 2


@exercise("7.3", praise="It grows with m, but never faster than 1 - (1 - TV)^m.")
def _packs(answer: Any) -> None:
    p, q = torch.tensor([0.5, 0.2, 0.2, 0.1]), torch.tensor([0.2, 0.1, 0.3, 0.4])
    one, two = (torch.as_tensor(run_answer(answer, p.clone(), q.clone(), m)).detach() for m in (1, 2))
    expect(one.ndim == 0, f"Return one number; yours has shape {list(one.shape)}.")
    expect(not close(one, 2 * _tv(p, q, 1)), "You left out the half: total variation lies between 0 and 1.")
    expect(not close(one, (p - q).sum()), "Without absolute values the differences cancel: both sum to one.")
    expect(
        close(one, _tv(p, q, 1)), f"For m = 1 it is half the sum of |p - q|, here 0.4; yours gives {float(one):.4g}."
    )
    single = _tv(p, q, 1)
    expect(
        not close(two, single), "Yours does not change with m. A pack of two has K times K values; compare over those."
    )
    expect(not close(two, 2 * single), "It does not grow in proportion to m: it could pass 1.")
    expect(
        not close(two, 1 - (1 - single) ** 2),
        "1 - (1 - TV)^m is only a bound. It is exact where one of the two just drops values of the other, not in general.",
    )
    expect(
        not close(two, ((p * p - q * q).abs().sum()) / 2),
        "p ** m holds only packs of equal samples. A pack may mix values: use the outer product.",
    )
    message = f"For m = 2 it should be {_tv(p, q, 2):.4f} here; yours gives {float(two):.4g}."
    expect(close(two, _tv(p, q, 2)), message)
    three = run_answer(answer, p.clone(), q.clone(), 3)
    expect(
        close(three, _tv(p, q, 3)),
        "Right for packs of one and two, not for three. Multiply by the single p and q again, not by the pair.",
    )


@exercise("7.4", praise="No connected generator with this slope can do better, whatever it was trained with.")
def _bridge(answer: Any) -> None:
    normal = torch.distributions.Normal(0.0, 1.0)
    gap, slope, below = 1.5, 5.0, 0.3
    a = torch.tensor(below)
    reach = normal.cdf(normal.icdf(a) + gap / slope)
    given = torch.as_tensor(run_answer(answer, gap, slope, below)).detach()
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    expect(not close(given, reach), "That is the share below the gap and in it. Subtract what lies below.")
    expect(
        not close(given, normal.cdf(normal.icdf(a) + gap * slope) - a),
        "A steeper G needs less room in the latent: the distance there is gap / slope, not gap * slope.",
    )
    expect(
        not close(given, normal.cdf(a + gap / slope) - a),
        "Phi takes a place on the line, and `below` is a probability: first find its quantile (icdf).",
    )
    even = normal.cdf(torch.tensor(gap / slope)) - 0.5
    expect(not close(given, even), "Yours holds for even shares only. Here 0.3 lies below the gap.")
    expect(not close(given, gap / slope), "gap / slope is a distance between latents. How much of p_z lies on it?")
    expect(
        close(given, reach - a),
        f"For gap 1.5, slope 5 and 0.3 below it is {reach - a:.4f}; yours is {float(given):.4g}.",
    )
