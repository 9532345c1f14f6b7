"""Intervals: how often they hold what they should, and the scale that a perfect sampler sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from collapsed import FRESH, defective
from scipy import stats

import gan_utils as gu
from gan_utils.metrics import Interval, bootstrap, frechet_distance, prdc, real_against_real, report, wilson


def mean(x: torch.Tensor) -> float:
    return float(x.mean())


def test_bootstrap_of_a_mean_is_the_normal_interval():
    x = torch.randn(400, generator=gu.generator(0), dtype=torch.float64) * 3 + 1
    value, low, high = bootstrap(mean, x, repeats=4000)
    half = 1.96 * float(x.std(correction=0)) / 20
    assert value == mean(x)
    assert (low, high) == pytest.approx((value - half, value + half), abs=0.06 * half)  # 4,000 repeats know it to 2-3 %
    inner = bootstrap(mean, x, repeats=4000, level=0.5)
    assert inner.high - inner.low == pytest.approx(2 * half * stats.norm.ppf(0.75) / 1.96, rel=0.08)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """A share of .3 in 100 draws: in 150 trials the 90 % interval holds it about 90 % of the time."""
    hits = 0
    for seed in range(150):
        x = (torch.rand(100, generator=gu.generator(1, seed)) < 0.3).double()
        _, low, high = bootstrap(mean, x, repeats=100, seed=seed, level=0.9)
        hits += low <= 0.3 <= high
    low, high = wilson(hits, 150, z=3)
    assert low < 0.9 < high


def test_sets_are_drawn_independently_and_rows_stay_whole():
    x, y = torch.arange(40.0)[:, None].repeat(1, 3), torch.arange(100.0, 130.0)
    seen = []

    def look(a, b):
        assert a.shape == x.shape and b.shape == y.shape and (a == a[:, :1]).all() and b.min() >= 100
        seen.append((a[:, 0].tolist(), b.tolist()))
        return 0.0

    assert bootstrap(look, x, y, repeats=5) == (0, 0, 0)
    whole, *drawn = seen
    assert whole == (x[:, 0].tolist(), y.tolist()) and len(drawn) == 5
    assert len({tuple(a) for a, _ in drawn}) == 5 and all(len(set(a)) < 40 for a, _ in drawn)
    same = []
    bootstrap(lambda a, b: same.append(torch.equal(a, b)) or 0.0, x, x, repeats=5)
    assert same == [True] + [False] * 5


def test_the_seed_alone_decides():
    x = torch.rand(50, generator=gu.generator(0))
    before = torch.random.get_rng_state()
    a, b, c = (bootstrap(mean, x, seed=seed) for seed in (1, 1, 2))
    assert a == b and a[1:] != c[1:] and torch.equal(before, torch.random.get_rng_state())
    d, e, f = (real_against_real(lambda x, y: mean(x) - mean(y), x, seed=seed) for seed in (1, 1, 2))
    assert d == e and d != f


def test_a_statistic_that_cannot_say_has_no_interval():
    x = torch.tensor([0.0, 1.0, 2.0])
    value, low, high = bootstrap(lambda a: math.nan if a.max() < 2 else 1.0, x)
    assert value == 1 and math.isnan(low) and math.isnan(high)
    assert all(math.isnan(part) for part in real_against_real(lambda a, b: math.nan, torch.rand(8)))


def test_halves_are_disjoint_and_as_large_as_can_be():
    x, sizes = torch.arange(11.0)[:, None], []

    def look(a, b):
        sizes.append((len(a), len(b), len(set(a[:, 0].tolist()) | set(b[:, 0].tolist()))))
        return len(sizes)

    assert real_against_real(look, x, repeats=4) == Interval(2.5, 1, 4)
    assert sizes == [(5, 5, 10)] * 4


def test_scale_of_a_difference_of_means():
    """The mean square of 400 differences of halves of normal data is 4 / n, within 5 sd of that estimate."""
    x = torch.randn(200, generator=gu.generator(0), dtype=torch.float64)
    scores = []
    real_against_real(lambda a, b: scores.append(mean(a) - mean(b)) or 0.0, x, repeats=400)
    expected = 4 / 200 * float(x.var())
    assert np.mean(np.square(scores)) == pytest.approx(expected, rel=5 * math.sqrt(2 / 400))


@pytest.mark.parametrize("metric, worse", [(frechet_distance, 1), (lambda r, f: prdc(r, f).coverage, -1)])
def test_perfect_samples_are_on_the_scale_and_collapsed_ones_off_it(metric, worse):
    real = FRESH[:800]
    scale = real_against_real(metric, real, repeats=40)
    margin = scale.high - scale.low
    scored = [float(metric(real[:400], defective("none", 400, seed))) for seed in range(5)]
    assert all(scale.low - margin < score < scale.high + margin for score in scored)
    for name in ("one mode", "noise"):
        score = float(metric(real[:400], defective(name, 400)))
        assert score > scale.high + margin if worse > 0 else score < scale.low - margin


def test_report_by_hand():
    scale = torch.arange(101.0) / 100
    table = report(
        {"a": torch.tensor([0.025, 0.5, 0.976, -1.0]), "b": torch.tensor([2, 2, 2])},  # an end of the range is inside
        {"b": torch.tensor([2, 2, 2, 3]), "a": scale},
    )
    assert list(table.index) == ["a", "b"] and table[["inside", "seeds", "valued"]].values.tolist() == [
        [2, 4, 4],
        [3, 3, 3],
    ]
    assert table.loc["a", ["perfect", "perfect_low", "perfect_high"]].tolist() == pytest.approx([0.5, 0.025, 0.975])
    seeds = torch.tensor([0.025, 0.5, 0.976, -1.0], dtype=torch.float64)
    assert table.loc["a", ["mean", "low", "high"]].tolist() == pytest.approx(
        bootstrap(mean, seeds, repeats=2_000), abs=1e-6
    )
    assert table.loc["b", ["mean", "low", "high", "perfect"]].tolist() == [2, 2, 2, 2]
    half = report({"a": seeds}, {"a": scale}, level=0.5).loc["a"]
    assert [half.perfect_low, half.perfect_high, half.inside] == pytest.approx([0.25, 0.75, 1])
    assert half.high - half.low < 0.6 * (table.loc["a", "high"] - table.loc["a", "low"])


def test_report_leaves_out_what_has_no_value_and_says_so():
    nan, scale = math.nan, {name: torch.ones(9) for name in "abc"} | {"d": torch.tensor([1.0, math.nan])}
    given = {"a": torch.tensor([1.0, nan, 3.0]), "b": torch.full((3,), nan), "c": torch.tensor([nan, nan, 1.0])}
    table = report(given | {"d": torch.ones(3)}, scale)
    assert table["valued"].tolist() == [2, 0, 1, 3] and table["inside"].tolist() == [1, 0, 1, 0]
    assert table["mean"].tolist() == pytest.approx([2, nan, 1, 1], nan_ok=True)
    assert table["low"].isna().tolist() == [False, True, True, False] and table.loc["d"].isna().sum() == 3


def test_a_perfect_recipe_is_inside_as_often_as_the_level_says():
    draws = torch.randn(4_000, generator=gu.generator(5))
    for level in (0.5, 0.95):
        row = report({"x": draws[:2_000]}, {"x": draws[2_000:]}, level=level).loc["x"]
        low, high = wilson(int(row.inside), 2_000, z=4.5)  # two samples scatter: 3 sd of their difference
        assert low < level < high and row.low < 0.1 and row.high > -0.1


OK = torch.rand(9, 2)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: bootstrap(mean), ValueError, "samples must be tensors or arrays of at least 2 rows; got none"),
        (lambda: bootstrap(mean, OK, OK[:1]), ValueError, r"samples must be .* got \[9, 2\], .*, \[1, 2\]"),
        (lambda: bootstrap(mean, [1.0, 2.0]), ValueError, "samples must be .* got list"),
        (lambda: bootstrap(mean, torch.tensor(1.0)), ValueError, "samples must be tensors"),
        (lambda: bootstrap(mean, OK, repeats=1), ValueError, "repeats must be at least 2; got 1"),
        (lambda: bootstrap(mean, OK, level=1.5), ValueError, "level must be a finite number above 0, at most 1"),
        (lambda: bootstrap(mean, OK, seed=-1), ValueError, "key must be at least 0"),
        (
            lambda: real_against_real(frechet_distance, OK[:3]),
            ValueError,
            r"real must be .* at least 4 rows; got \[3, 2\]",
        ),
        (lambda: real_against_real(frechet_distance, OK, repeats=0), ValueError, "repeats must be at least 1"),
        (lambda: real_against_real(frechet_distance, None), ValueError, "real must be tensors"),
        (lambda: report({"a": OK[:, 0]}, {"b": OK[:, 0]}), ValueError, r"perfect must hold .* \['a'\]; got \['b'\]"),
        (
            lambda: report({"a": OK}, {"a": OK[:, 0]}),
            ValueError,
            r"measured\['a'\] must have shape \[n\]; got \[9, 2\]",
        ),
        (
            lambda: report({"a": OK[:, 0]}, {"a": 0.5}),
            TypeError,
            r"perfect\['a'\] must be .* of shape \[n\]; got float",
        ),
        (
            lambda: report({"a": OK[:, 0]}, {"a": OK[:, 0]}, level=0),
            ValueError,
            "level must be a finite number above 0",
        ),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_measure_of_several_numbers_is_named():
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(TypeError, match="metric must return one number; got PRDC: take one field"):
        real_against_real(prdc, x)
    with pytest.raises(TypeError, match=r"statistic must return one number; got \[2\], torch.float32: take one"):
        bootstrap(lambda rows: rows.mean(0), x)
    assert 0 <= real_against_real(lambda a, b: prdc(a, b).recall, x, repeats=2).low <= 1
