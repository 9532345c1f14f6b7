"""Mixtures and point sets: densities against SciPy, distinct modes, moments, the share of a perfect sampler."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

import gan_utils as gu
from gan_utils.data import Mixture, Points, gaussians_1d, grid, offsets, ring
from gan_utils.metrics import mode_coverage

UNEVEN = Mixture(torch.tensor([[0.0, 1.0], [2.0, -1.0], [-3.0, 0.5]]), [0.2, 0.5, 1.0], [1.0, 2.0, 5.0])
ALL = [ring(), grid(), gaussians_1d(), gaussians_1d((-1.0, 0.0, 3.0), (0.1, 0.5, 1.0), (1, 2, 1)), UNEVEN]


@pytest.mark.parametrize("source", ALL, ids=lambda s: s.describe())
def test_log_density_agrees_with_scipy(source):
    x = source.sample(50, gu.generator(0)).double()
    x = torch.cat([x, x + 0.3])
    parts = zip(source.weights.double(), source.means.double(), source.std.double(), strict=True)
    logs = [
        math.log(w) + stats.multivariate_normal(m.numpy(), float(s) ** 2).logpdf(x.numpy()).reshape(-1)
        for w, m, s in parts
    ]
    np.testing.assert_allclose(source.log_prob(x).numpy(), np.logaddexp.reduce(logs, axis=0), rtol=1e-9, atol=1e-9)


def test_density_integrates_to_one():
    x = torch.linspace(-12, 12, 40_001, dtype=torch.float64)
    for source in ALL[2:4]:
        assert float(torch.trapezoid(source.log_prob(x[:, None]).exp(), x)) == pytest.approx(1, abs=1e-6)


def test_log_density_is_finite_far_away():
    assert ring().log_prob(torch.tensor([[1e3, 1e3]])).isfinite().all()


@pytest.mark.parametrize("modes", [1, 2, 7, 8, 25])
def test_ring_has_distinct_modes_evenly_spaced(modes):
    """``linspace(0, 2 pi, 8)``, as in a published notebook, includes its endpoint and gives 7 distinct modes."""
    means = ring(modes, radius=2.0).means.double()
    gaps = torch.cdist(means, means) + 9 * torch.eye(modes)
    assert means.shape == (modes, 2) and torch.allclose(means.norm(dim=1), torch.tensor(2.0).double())
    if modes > 1:
        torch.testing.assert_close(
            gaps.min(1).values, torch.full((modes,), 4 * math.sin(math.pi / modes)).double(), rtol=1e-5, atol=1e-6
        )


def test_defaults_are_the_published_benchmarks():
    assert (ring().modes, float(ring().means[0, 0]), float(ring().std[0])) == (8, 1.0, pytest.approx(0.01))
    ticks = [-4.0, -2.0, 0.0, 2.0, 4.0]
    assert sorted(map(tuple, grid().means.tolist())) == sorted((a, b) for a in ticks for b in ticks)
    assert float(grid().std[0]) == pytest.approx(0.05) and grid(2, 1.0).means.abs().unique().tolist() == [0.5]


@pytest.mark.parametrize("source", ALL, ids=lambda s: s.describe())
def test_samples_have_the_mixtures_moments(source):
    n = 40_000
    x = source.sample(n, gu.generator(1)).double()
    w, m, s = source.weights.double(), source.means.double(), source.std.double()
    mean = (w[:, None] * m).sum(0)
    variance = (w[:, None] * ((m - mean) ** 2 + s[:, None] ** 2)).sum(0)
    assert x.shape == (n, *source.shape) and source.sample(3, gu.generator(0)).dtype == torch.float32
    assert ((x.mean(0) - mean).abs() < 5 * (variance / n).sqrt()).all()
    torch.testing.assert_close(x.var(0), variance, rtol=0.06, atol=0)
    if not torch.equal(source.means, UNEVEN.means):  # modes far apart: each gets its share, within 5 sd
        near = [stats.binom(n, float(share)) for share in w]
        counts = torch.bincount(source.nearest(x)[0], minlength=source.modes)
        if source.name != "gaussians_1d":
            assert all(abs(int(c) - b.mean()) < 5 * b.std() for c, b in zip(counts, near, strict=True))


def test_offsets_have_noise_in_700_of_1200_dimensions():
    source = offsets()
    x = source.sample(500, gu.generator(0))
    mode = source.nearest(x)[0]
    assert x.shape == (500, 1200) and torch.equal(x[:, 700:], source.means[mode][:, 700:])
    noise = x[:, :700] - source.means[mode][:, :700]
    assert abs(float(noise.mean())) < 5 / 350_000**0.5 and abs(float(noise.var()) - 1) < 5 * (2 / 350_000) ** 0.5
    assert sorted(source.means[:, 0].tolist()) == [-13.0, -5.5, -2.5, -2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 10.0]
    assert [float(mode_coverage(x, source, within=within).good) for within in (10, 30)] == [0, 1]
    assert int(mode_coverage(x, source, within=30).modes) == 10
    with pytest.raises(ValueError, match="has no density"):
        source.log_prob(x)


def test_nearest_mode_and_distance_in_its_standard_deviations():
    mode, distance = UNEVEN.nearest(torch.tensor([[0.0, 1.4], [2.0, -1.0], [-3.0, 2.5]]))
    assert mode.tolist() == [0, 1, 2]
    torch.testing.assert_close(distance, torch.tensor([2.0, 0.0, 2.0]))
    x = torch.randn(100, 2)
    brute = ((x[:, None] - UNEVEN.means) ** 2).sum(-1).argmin(1)
    assert torch.equal(UNEVEN.nearest(x)[0], brute)


@pytest.mark.parametrize("source", [ring(), grid()], ids=["ring", "grid"])
def test_a_perfect_sampler_scores_989_per_mille(source):
    """In two dimensions the share within 3 sd is 1 - exp(-9/2) = .98889; 6 binomial sd around it."""
    n, share = 50_000, 1 - math.exp(-4.5)
    good = int((source.nearest(source.sample(n, gu.generator(2)))[1] < 3).sum())
    assert abs(good - n * share) < 6 * math.sqrt(n * share * (1 - share))


@pytest.mark.parametrize(
    "source", [*ALL, offsets(), Points(torch.arange(12.0).reshape(4, 3))], ids=lambda s: s.describe()
)
def test_the_generator_alone_decides(source):
    before = torch.random.get_rng_state()
    a, b, c = (source.sample(9, gu.generator(key)) for key in (5, 5, 6))
    assert torch.equal(a, b) and not torch.equal(a, c) and torch.equal(before, torch.random.get_rng_state())


def test_points_are_drawn_with_replacement_and_evenly():
    source = Points(torch.arange(4.0).reshape(4, 1), name="four")
    counts = torch.bincount(source.sample(40_000, gu.generator(0))[:, 0].long())
    assert len(counts) == 4 and ((counts - 10_000).abs() < 5 * (40_000 * 3 / 16) ** 0.5).all()
    assert source.shape == (1,) and source.describe().startswith("four(4 of shape [1]")


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: ring(0), ValueError, "modes must be at least 1; got 0"),
        (lambda: ring(8.0), TypeError, "modes must be a whole number"),
        (lambda: ring(radius=-1), ValueError, "radius must be a finite number above 0; got -1"),
        (lambda: ring(std=0), ValueError, "std must be a finite number above 0"),
        (lambda: grid(side=-2), ValueError, "side must be at least 1"),
        (lambda: grid(spacing=float("inf")), ValueError, "spacing must be a finite number"),
        (lambda: gaussians_1d((0.0, float("nan"))), ValueError, "means holds 1 NaN or Inf values"),
        (
            lambda: gaussians_1d(std=(1.0, 2.0, 3.0)),
            ValueError,
            r"std must be one number or 2 numbers; got shape \[3\]",
        ),
        (lambda: gaussians_1d(weights=(1.0, 0.0)), ValueError, "weights must be positive"),
        (lambda: gaussians_1d(()), ValueError, "means must have shape"),
        (lambda: Mixture([[0.0]], 1.0), TypeError, "means must be a tensor"),
        (lambda: Mixture(torch.zeros(3), 1.0), ValueError, r"means must have shape \[n, d\]; got \[3\]"),
        (lambda: ring().sample(0), ValueError, "n must be at least 1"),
        (lambda: ring().log_prob(torch.zeros(4, 3)), ValueError, r"x must have shape \[n, 2\]; got \[4, 3\]"),
        (lambda: ring().nearest(torch.zeros(2)), ValueError, "x must have shape"),
        (lambda: Points(torch.zeros(0, 2)), ValueError, "points must be a tensor"),
        (lambda: Points(torch.zeros(3, 2, dtype=torch.uint8)), TypeError, "points hold bytes: gu.data.Images"),
        (lambda: Points([1.0]), ValueError, r"points must be a tensor \[N, \*shape\] with N >= 1; got list"),
        (lambda: Points(torch.tensor([[0.0], [math.nan]])), ValueError, r"points holds 1 NaN.* index \(1, 0\)"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
