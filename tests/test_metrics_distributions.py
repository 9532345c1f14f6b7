"""Whole distributions: closed forms, SciPy and scikit-learn as oracles, known defects."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from collapsed import HELD_OUT, RING, TRAIN, defective
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist, jensenshannon
from scipy.stats import norm

import gan_utils as gu
from gan_utils.data import Mixture
from gan_utils.metrics import frechet_distance, mode_width, ndb, vendi


def normal(n: int, d: int, *key: int) -> torch.Tensor:
    return torch.randn(n, d, generator=gu.generator(*key), dtype=torch.float64)


def exactly(n: int, d: int, *key: int) -> torch.Tensor:
    """Points whose sample mean is 0 and whose sample covariance is the identity."""
    x = normal(n, d, *key)
    x = x - x.mean(0)
    return torch.linalg.qr(x).Q * math.sqrt(n - 1)


# Fréchet distance


def test_frechet_distance_of_gaussians_in_closed_form():
    x, y = exactly(50, 3, 0), exactly(70, 3, 1)
    assert frechet_distance(x, y) == pytest.approx(0, abs=1e-10)
    s, t, m = (torch.tensor(v).double() for v in ([1.0, 2.0, 0.5], [3.0, 2.0, 1.0], [1.0, -2.0, 4.0]))
    expected = float(((s - t) ** 2).sum() + (m**2).sum())  # commuting covariances: |m|^2 + sum (s - t)^2
    turn = torch.linalg.qr(normal(3, 3, 2)).Q
    assert frechet_distance(x * s, y * t + m) == pytest.approx(expected, rel=1e-10)
    assert frechet_distance(x * s @ turn, (y * t + m) @ turn) == pytest.approx(expected, rel=1e-10)
    assert frechet_distance(x[:, :1], 3 * y[:, :1] + 5) == pytest.approx(4 + 25, rel=1e-10)


def test_frechet_distance_agrees_with_scipys_square_root():
    x, y = normal(60, 5, 0) @ normal(5, 5, 1), normal(80, 5, 2) @ normal(5, 5, 3) + 1
    a, b = np.cov(x.T), np.cov(y.T)
    shift = float((x.mean(0) - y.mean(0)).square().sum())
    assert frechet_distance(x, y) == pytest.approx(shift + np.trace(a + b - 2 * sqrtm(a @ b).real), rel=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0.01, 100), st.floats(-50, 50), st.integers(1, 6))
def test_frechet_distance_invariances(seed, scale, shift, d):
    rng = gu.generator(seed)
    x, y = torch.randn(20, d, generator=rng).double(), 2 * torch.randn(9, d, generator=rng).double() + 1
    value = frechet_distance(x, y)
    turn = torch.linalg.qr(torch.randn(d, d, generator=rng).double()).Q
    assert frechet_distance(y, x) == pytest.approx(value, rel=1e-6)
    moved = x[torch.randperm(20, generator=rng)] @ turn * scale + shift, y @ turn * scale + shift
    assert frechet_distance(*moved) == pytest.approx(scale**2 * value, rel=1e-6)


def test_frechet_distance_of_singular_covariances():
    """Fewer points than dimensions, constant features, and the same set twice: no NaN, never below 0."""
    few = normal(4, 30, 0)
    assert 0 <= frechet_distance(few, few) < 1e-6
    point = torch.zeros(5, 30)
    assert frechet_distance(point, few) == pytest.approx(float(few.mean(0).square().sum() + few.var(0).sum()), rel=1e-9)
    assert frechet_distance(point, point + 2) == pytest.approx(30 * 4)


FRECHET = {  # the ring has mean 0 and variance 1/2 + .05^2 on each axis; the rest by (s - t)^2 and |m|^2
    "none": 0.0,
    "memorised": 0.0,
    "within": 0.0,  # two moments do not see it
    "one mode": 1 + 2 * (math.sqrt(0.5025) - 0.05) ** 2,
    "noise": 2 * (math.sqrt(3) - math.sqrt(0.5025)) ** 2,
}


@pytest.mark.parametrize("name", FRECHET)
def test_frechet_distance_of_known_defects(name):
    assert frechet_distance(HELD_OUT, defective(name)) == pytest.approx(FRECHET[name], rel=0.05, abs=5e-3)


# Number of statistically different bins


def test_a_perfect_sampler_has_the_share_of_the_level():
    shares = {level: [] for level in (0.05, 0.3)}
    for seed in range(40):
        real, fake = normal(1000, 2, 0, seed), normal(1000, 2, 1, seed)
        for level, found in shares.items():
            found.append(ndb(real, fake, 25, level=level, seed=seed).share)
    for level, found in shares.items():  # 1,000 bins; k-means looked at the real points, so not quite the level
        assert np.mean(found) == pytest.approx(level, abs=5 * math.sqrt(level * (1 - level) / 1000))


KNOWN_NDB = {  # bins of 8 that differ, JS in nats
    "none": (0, 0.0),
    "within": (0, 0.0),  # finer bins would see it
    "memorised": (0, 0.0),
    "one mode": (8, None),
    "four modes": (8, None),
}


@pytest.mark.parametrize("name", KNOWN_NDB)
def test_ndb_of_known_defects(name):
    """With 8 bins, k-means finds the ring's 8 modes; level 1e-6, so that chance plays no part."""
    result = ndb(TRAIN, defective(name), 8, level=1e-6)
    assert sorted(result.real.tolist()) == sorted(torch.bincount(RING.nearest(TRAIN)[0]).tolist())
    share = {"one mode": 1, "four modes": 4}.get(name, 8)
    assert sorted((result.fake > 0).tolist()) == [False] * (8 - share) + [True] * share
    assert result.share == KNOWN_NDB[name][0] / 8
    p, q = (counts.numpy() / counts.sum().item() for counts in (result.real, result.fake))
    assert result.js == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-12)


def test_finer_bins_see_width_and_noise():
    assert ndb(TRAIN, defective("none"), 50).share < 0.2
    assert min(ndb(TRAIN, defective(name), 50).share for name in ("within", "noise", "duplicates")) > 0.7


def test_two_proportions_by_hand():
    """100 points at 0 and 100 at 1, against 120 and 80: z = 2.0101, p = .0444 (a chi-square test without correction)."""
    real, fake = (torch.tensor([0.0] * a + [1.0] * b)[:, None] for a, b in ((100, 100), (120, 80)))
    z = 0.1 / math.sqrt(0.55 * 0.45 * (2 / 200))
    p = 2 * norm.sf(z)
    assert ndb(real, fake, 2, level=p * 1.001).share == 1 and ndb(real, fake, 2, level=p * 0.999).share == 0
    result = ndb(real, fake, 2)
    assert sorted(zip(result.real.tolist(), result.fake.tolist(), strict=True)) == [(100, 80), (100, 120)]
    assert ndb(real, torch.zeros(50, 1), 2).js == pytest.approx(jensenshannon([0.5, 0.5], [1, 0]) ** 2)


def test_far_from_the_origin_nothing_changes():
    real, fake = normal(300, 2, 0), normal(300, 2, 1)
    near, far = ndb(real, fake, 20), ndb(real + 1e8, fake + 1e8, 20)
    assert near.share == far.share and torch.equal(near.real, far.real) and torch.equal(near.fake, far.fake)
    assert vendi(real + 1e6, "gaussian", bandwidth=0.1) == pytest.approx(
        vendi(real, "gaussian", bandwidth=0.1), rel=1e-6
    )
    assert frechet_distance(real + 1e6, fake + 1e6) == pytest.approx(frechet_distance(real, fake), rel=1e-6)


def test_seeds_and_the_order_of_fakes():
    real, fake = normal(400, 2, 0), normal(300, 2, 1)
    a, b, c = (ndb(real, fake, 10, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(a.real, b.real) and not torch.equal(a.real, c.real)
    other = ndb(real, fake.flip(0), 10, seed=3)
    assert torch.equal(other.fake, a.fake) and other.share == a.share


# Vendi score


@pytest.mark.parametrize("n, d", [(50, 4), (4, 50), (30, 30)])
def test_vendi_agrees_with_the_definition(n, d):
    x = normal(n, d, 0) + 0.5
    u = (x / x.norm(dim=1, keepdim=True)).numpy()
    for kernel, gram, options in (
        ("cosine", u @ u.T, {}),
        ("gaussian", np.exp(-(cdist(x, x) ** 2) / (2 * 1.7**2)), {"bandwidth": 1.7}),
    ):
        w = np.linalg.eigvalsh(gram / n)
        w = w[w > 1e-14]
        assert vendi(x, kernel, **options) == pytest.approx(np.exp(-(w * np.log(w)).sum()), rel=1e-6)


def test_vendi_counts_what_is_different():
    assert vendi(torch.eye(7)) == pytest.approx(7) and vendi(torch.eye(7).repeat(5, 1)) == pytest.approx(7)
    assert vendi(torch.ones(9, 3)) == pytest.approx(1) and vendi(torch.ones(1, 3)) == pytest.approx(1)
    uneven = torch.eye(2).repeat_interleave(torch.tensor([3, 1]), 0)  # shares 3/4 and 1/4
    assert vendi(uneven) == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))


def normals(std: float, bandwidth: float) -> float:
    """The score of a normal distribution in the plane: on each axis the eigenvalues fall geometrically, by b."""
    a, c = 1 / (4 * std**2), 1 / (2 * bandwidth**2)
    b = c / (a + c + math.sqrt(a**2 + 2 * a * c))
    return math.exp(2 * (-math.log(1 - b) - b / (1 - b) * math.log(b)))


VENDI = {
    "none": (8, 0.05),
    "one mode": (1, 0.05),
    "four modes": (4, 0.05),
    "within": (8, 0.005),
    "memorised": (8, 0.05),
}


@pytest.mark.parametrize("name", VENDI)
@pytest.mark.parametrize("bandwidth", [0.1, 0.2])
def test_vendi_of_known_defects(name, bandwidth):
    """Modes far apart for the bandwidth add up; a mode is one sample, or more as it is wide."""
    modes, std = VENDI[name]
    expected = modes * normals(std, bandwidth)
    assert vendi(defective(name, 800), "gaussian", bandwidth=bandwidth) == pytest.approx(expected, rel=0.06)


def test_vendi_does_not_ask_for_quality():
    assert vendi(defective("noise", 400), "gaussian", bandwidth=0.2) > 20
    assert vendi(defective("duplicates", 400), "gaussian", bandwidth=1e-4) == pytest.approx(20, rel=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.floats(0.01, 100), st.integers(1, 8))
def test_vendi_invariances(seed, scale, d):
    rng = gu.generator(seed)
    x = torch.randn(12, d, generator=rng).double()
    turn = torch.linalg.qr(torch.randn(d, d, generator=rng).double()).Q
    order = torch.randperm(12, generator=rng)
    for kernel, width in (("cosine", {}), ("gaussian", {"bandwidth": 0.8})):
        value = vendi(x, kernel, **width)
        assert 1 - 1e-9 <= value <= (min(12, d) if kernel == "cosine" else 12) + 1e-9
        wider = {key: w * scale for key, w in width.items()}
        assert vendi(scale * x[order] @ turn, kernel, **wider) == pytest.approx(value, rel=1e-6)
        assert vendi(torch.cat([x, x]), kernel, **width) == pytest.approx(
            value, rel=1e-6
        )  # twice as many, no more kinds


# Width within modes and classes


@pytest.mark.parametrize("d, within", [(1, 1.0), (2, 3.0), (2, 1.0), (5, 2.0), (20, 4.0)])
def test_a_perfect_sampler_has_width_one_wherever_it_is_cut(d, within):
    far = Mixture(1000 * torch.eye(max(d, 2))[:2, :d], [0.5, 2.0], [1, 3])
    width = mode_width(far.sample(40_000, gu.generator(d)), far, within=within)
    assert width.tolist() == pytest.approx([1, 1], abs=0.05)


WIDTH = {"none": [1] * 8, "within": [0.01] * 8, "memorised": [1] * 8, "four modes": [1] * 4 + [math.nan] * 4}


@pytest.mark.parametrize("name", WIDTH)
def test_mode_width_of_known_defects(name):
    kept = 1 - 4.5 * math.exp(-4.5) / (1 - math.exp(-4.5))  # of the variance within 3 sd, in two dimensions
    expected = [w / kept if w < 0.5 else w for w in WIDTH[name]]  # a narrow mode loses nothing by the cut
    assert mode_width(defective(name), RING).tolist() == pytest.approx(expected, rel=0.25, nan_ok=True)


def test_mode_width_by_hand():
    two = Mixture(torch.tensor([[0.0], [100.0]]), [2.0, 1.0])
    kept = 1 - 2 * 3 * norm.pdf(3) / (norm.cdf(3) - norm.cdf(-3))  # the variance of a normal cut at 3 sd
    width = mode_width(torch.tensor([[-1.0], [1.0], [5.9], [6.1], [100.0]]), two)
    assert width.tolist() == pytest.approx(
        [float(torch.tensor([-1.0, 1.0, 5.9]).var()) / 4 / kept, math.nan], nan_ok=True
    )
    assert mode_width(torch.tensor([[-3.0], [-3.0]]), two)[0] == 0  # one output, off the mean: no width


OK = normal(40, 2, 0).float()
BAD = OK.clone().index_fill(0, torch.tensor(7), math.nan)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: frechet_distance(OK, OK[:1]), ValueError, "fake must have at least 2 rows here; got 1"),
        (lambda: frechet_distance(OK, OK[:, :1]), ValueError, r"fake must have shape \[n, 2\]; got \[40, 1\]"),
        (lambda: frechet_distance(BAD, OK), ValueError, r"real holds 2 NaN or Inf values, the first at index \(7, 0\)"),
        (lambda: frechet_distance(OK.int(), OK), TypeError, "real must hold floats; got torch.int32"),
        (lambda: ndb(OK, OK), ValueError, "real must have at least 1000 rows here; got 40"),
        (lambda: ndb(OK, OK[:30], 4), ValueError, "fake must have at least 40 rows here; got 30"),
        (lambda: ndb(OK, OK, 1), ValueError, "bins must be at least 2"),
        (lambda: ndb(torch.ones(40, 2), OK, 4), ValueError, "real needs at least bins = 4 different points; got 1"),
        (lambda: ndb(OK, OK, 4, level=0), ValueError, "level must be a finite number above 0, at most 1; got 0"),
        (lambda: ndb(OK, BAD, 4), ValueError, "fake holds 2 NaN"),
        (lambda: vendi(BAD), ValueError, "x holds 2 NaN"),
        (lambda: vendi(torch.zeros(0, 2)), ValueError, r"x must have shape \[n, d\]; got \[0, 2\]"),
        (lambda: vendi(torch.zeros(3, 2)), ValueError, "x holds 3 rows of zeros"),
        (lambda: vendi(OK, "gauss"), ValueError, "kernel='gauss' is not known. Did you mean 'gaussian'"),
        (lambda: vendi(OK, "gaussian"), ValueError, "bandwidth must be a finite number above 0; got None"),
        (lambda: mode_width(BAD, RING), ValueError, "samples holds 2 NaN"),
        (lambda: mode_width(OK[:, :1], RING), ValueError, r"samples must have shape \[n, 2\]; got \[40, 1\]"),
        (lambda: mode_width(OK, RING, within=-1), ValueError, "within must be a finite number above 0"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
