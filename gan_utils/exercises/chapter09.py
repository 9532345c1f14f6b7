"""Checks of chapter 9, "Measuring on images"."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import close, exercise, expect, run_answer

# Points for which each of the mistakes below gives another number.
_REAL = torch.tensor([[4.5], [10.0], [12.5], [17.5], [21.0], [21.5], [22.5]])
_FAKE = torch.tensor([[20.5], [3.0], [-2.5], [1.0], [29.0], [24.5], [31.5], [29.0], [-0.5]])


def _share(balls: Tensor, points: Tensor, k: int, *, strict: bool = False) -> Tensor:
    radius = torch.cdist(balls, balls).sort(dim=1).values[:, k, None]
    distance = torch.cdist(balls, points)
    return (distance < radius if strict else distance <= radius).any(0).double().mean()


@exercise("9.1", praise="And with the two sets in exchanged places it is recall.")
def _precision(answer: Any) -> None:
    given, wanted = run_answer(answer, _REAL.clone(), _FAKE.clone(), 2), _share(_REAL, _FAKE, 2)
    expect(torch.as_tensor(given).ndim == 0, "Return one number, the share of fakes.")
    expect(
        not close(given, _share(_REAL, _FAKE, 1)),
        "Your balls reach to the (k - 1)-th neighbour: the nearest point of all is the point itself, at distance 0.",
    )
    expect(
        not close(given, _share(_FAKE, _REAL, 2)),
        "That is recall: the share of real points in the fakes' balls. Precision has the balls around the real points.",
    )
    nearest = torch.cdist(_REAL, _FAKE)
    radius = torch.cdist(_REAL, _REAL).sort(dim=1).values[:, 2]
    pairs = (nearest <= radius[:, None]).double()
    expect(
        not close(given, pairs.sum() / (2 * len(_FAKE))),
        "That is density, which counts every ball that a fake lies in. For precision one ball is enough.",
    )
    expect(
        not close(given, pairs.any(1).double().mean()),
        "That is coverage: a share of the real points. Precision is a share of the fakes; mind which dim `any` goes over.",
    )
    expect(
        not close(given, pairs.sum(0).clamp(max=1).sum() / len(_REAL)),
        "Divide by the number of fakes, not of real points.",
    )
    expect(
        close(given, wanted), f"For the test points precision with k = 2 is {wanted:.3f}; yours is {float(given):.3f}."
    )
    crossed = run_answer(answer, torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[2.5]]), 1)
    expect(close(crossed, 1.0), "A fake may lie in the ball of a real point that is not its nearest: ask all balls.")
    many = _REAL[:3].repeat(4, 1)  # each point four times, so that the balls of k = 2 have radius 0
    expect(
        close(run_answer(answer, many, many.clone(), 2), 1.0),
        "Points that are there more than k times have balls of radius 0, which hold the point itself: use <=, not <.",
    )
    expect(
        close(run_answer(answer, many, many + 0.25, 2), 0.0),
        "The copies of a point are other points: leave out the point itself, not all that lie at distance 0.",
    )


def _kernel() -> Tensor:
    x = torch.randn(9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.exp(-torch.cdist(x, x).square() / 2)


@exercise("9.2", praise="Equal samples count once, and rare kinds count less than common ones.")
def _vendi(answer: Any) -> None:
    kernel = _kernel()
    value = torch.linalg.eigvalsh(kernel / len(kernel))
    entropy = torch.special.entr(value).sum()
    given = torch.as_tensor(run_answer(answer, kernel.clone())).detach()
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    expect(not close(given, entropy), "That is the entropy of the eigenvalues. The score is its exponential.")
    expect(not close(given, -entropy), "That is minus the entropy. The score is exp(- sum of l log l).")
    expect(not close(given, (-entropy).exp()), "A sign is missing: the sum of l log l is negative, the entropy is not.")
    whole = torch.special.entr(torch.linalg.eigvalsh(kernel).clamp(min=0)).sum()
    expect(
        not close(given, whole) and not close(given, whole.exp()),
        "Divide the matrix by n first, or the eigenvalues sum to n and are no shares.",
    )
    expect(
        not close(given, (entropy / math.log(2)).exp()),
        "You took log2, and then exp. Use the natural logarithm in both.",
    )
    expect(
        not close(given, 1 / value.square().sum()),
        "That is 1 / (sum of squares), another effective number. The Vendi score uses the entropy.",
    )
    expect(close(given, entropy.exp()), "Not the exponential of the entropy of the eigenvalues of kernel / n.")
    same = torch.as_tensor(run_answer(answer, torch.ones(6, 6, dtype=torch.float64))).detach()
    expect(
        bool(torch.isfinite(same)),
        "For six equal samples yours is not a number: 0 log 0 counts as 0, and rounding makes eigenvalues below 0.",
    )
    expect(close(same, 1.0), f"Six equal samples are effectively one; yours says {float(same):.3g}.")


@exercise("9.3", praise="One popular output pulls it down: it estimates 1 over the sum of the squared chances.")
def _support(answer: Any) -> None:
    names = torch.tensor([4, 0, 4, 7, 2, 4, 0, 9, 5, 1])  # counts 3 and 2: 3 + 1 pairs
    given = torch.as_tensor(run_answer(answer, names.clone())).detach()
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    expect(not close(given, 7.0), "That is how many different outputs were seen. There may be more that did not come.")
    expect(not close(given, 4.0), "That is the number of pairs. The support is n (n - 1) / (2 pairs).")
    expect(not close(given, 90 / 6), "Three equal samples are three pairs, not two: count c (c - 1) / 2.")
    expect(not close(given, 90 / 4), "Half as many: n (n - 1) / 2 is the number of pairs that could be equal.")
    expect(
        not close(given, 90 / 16) and not close(given, 90 / 12),
        "You counted each equal pair more than once: c equal samples make c (c - 1) / 2 pairs.",
    )
    expect(not close(given, 100 / 8), "A sample makes no pair with itself: n (n - 1), not n squared.")
    expect(not close(given, 90 / 18), "c equal samples make c (c - 1) / 2 pairs, not c squared over 2.")
    expect(
        close(given, 90 / 8), f"For ten samples with 4 equal pairs it is 90 / 8 = 11.25; yours is {float(given):.4g}."
    )


_BINS = (
    torch.tensor([113, 82, 46, 104, 98, 0, 117, 56, 116, 110]),
    torch.tensor([316, 189, 46, 259, 224, 0, 298, 116, 180, 276]),
)


@exercise("9.4", praise="A perfect sampler gets about 0.05, since that is how often the test is wrong.")
def _ndb(answer: Any) -> None:
    real, fake = _BINS
    n, m = real.sum(), fake.sum()
    gap, pooled = (real / n - fake / m).abs(), (real + fake) / (n + m)
    error = (pooled * (1 - pooled) * (1 / n + 1 / m)).sqrt()
    given = torch.as_tensor(run_answer(answer, real.clone(), fake.clone())).detach()
    expect(given.ndim == 0, f"Return one share; yours has shape {list(given.shape)}.")
    wanted = (gap > 1.96 * error).double().mean()
    expect(not close(given, 10 * wanted), "That is the number of bins that differ. Divide by the number of bins.")
    expect(not close(given, 1 - wanted), "That is the share of bins that agree.")
    expect(
        not close(given, (gap > error).double().mean()),
        "That is what one standard error gives, or `>=`, by which an empty bin differs. Take > 1.96 standard errors.",
    )
    counted = ((real - fake).abs() > 1.96 * (n + m) / 2 * error).double().mean()
    expect(
        not close(given, counted) and not close(given, ((real != fake).double().mean())),
        "You compare counts. The sets have different sizes here: compare shares.",
    )
    one = (pooled * (1 - pooled) / (n + m)).sqrt()
    expect(
        not close(given, (gap > 1.96 * one).double().mean()),
        "The variances of the two shares add up: r (1 - r) (1 / n + 1 / m), not divided by n + m.",
    )
    expect(close(given, wanted), f"For the test counts {wanted:.3f} of the bins differ; yours says {float(given):.3f}.")
    alike = run_answer(answer, torch.tensor([100, 900]), torch.tensor([125, 875]))
    expect(
        close(alike, 0.0),
        "Right so far, but 100 and 125 of 1,000 samples each are only 1.77 standard errors apart, and yours calls them "
        "different. Mind the 1.96, and that both sets have an error.",
    )
