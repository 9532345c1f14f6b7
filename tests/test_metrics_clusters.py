"""k-means against scikit-learn's, and how many modes stand out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

import gan_utils as gu
from gan_utils.metrics import find_modes, k_means, nearest_centre


def normal(n, d, *seed):
    return torch.randn(n, d, generator=gu.generator(*seed), dtype=torch.float64)


def test_k_means_is_as_good_as_scikit_learns():
    x = torch.cat([normal(200, 3, i) + 4 * normal(1, 3, 9, i) for i in range(6)])
    ours = k_means(x, 6)
    theirs = KMeans(6, n_init=1, random_state=0).fit(x.numpy())
    assert (cdist(x, ours).min(1) ** 2).sum() <= 1.1 * theirs.inertia_
    again = KMeans(6, init=ours.numpy(), n_init=1).fit(x.numpy())
    np.testing.assert_allclose(again.cluster_centers_, ours.numpy(), atol=1e-8)  # Lloyd has nothing left to do
    np.testing.assert_array_equal(nearest_centre(x, ours), cdist(x, ours).argmin(1))


@pytest.mark.parametrize(
    ("mixture", "n"),
    [
        (gu.data.ring(std=0.05), 600),
        (gu.data.grid(), 600),
        (gu.data.Mixture(gu.data.ring().means, 0.02, [1, 1, 1, 2, 2, 4, 4, 8]), 1_000),
        (gu.data.Mixture(normal(10, 64, 7).float(), 1.0), 1_000),
        (gu.data.gaussians_1d(), 300),
    ],
    ids=["ring", "grid", "uneven ring", "64-D", "line"],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_modes_that_stand_out_are_found(mixture, n, seed):
    x = mixture.sample(n, gu.generator(seed))
    found = find_modes(x, seed=seed)
    distance, mode = torch.cdist(mixture.means.double(), found).min(1)
    assert len(found) == mixture.modes and len(set(mode.tolist())) == mixture.modes
    assert (distance < 5 * mixture.std * (mixture.shape[0] * mixture.modes / n) ** 0.5).all()  # errors of a mean


@pytest.mark.parametrize("dim", [1, 2, 64])
def test_one_cloud_has_one_mode(dim):
    x = normal(800, dim, dim)
    torch.testing.assert_close(find_modes(x), x.mean(0, keepdim=True))


def test_mnist_has_ten_modes_in_the_classifiers_features_and_fewer_in_pixels():
    data = gu.data.mnist()
    images = data.sample(800, gu.generator(0))
    features = gu.classifier.classifier().features(images)
    assert len(find_modes(features)) == 10
    assert len(find_modes(images.flatten(1))) < 10


@settings(max_examples=15)
@given(n=st.integers(1, 40), d=st.integers(1, 3), repeated=st.booleans(), seed=st.integers(0, 99))
def test_few_or_equal_points_are_no_trouble(n, d, repeated, seed):
    x = normal(n, d, seed)
    x = x[:1].expand(n, d) if repeated else x
    found = find_modes(x, seed=seed)
    assert 1 <= len(found) <= max(1, n // 20) and found.isfinite().all()


def test_shifts_do_not_matter():
    x = gu.data.ring(std=0.05).sample(400, gu.generator(3)).double()
    torch.testing.assert_close(find_modes(x + 1e6), find_modes(x) + 1e6, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: k_means(torch.ones(5, 2), 2), ValueError, "at least k = 2 different points; got 1"),
        (lambda: k_means(torch.ones(5, 2), 0), ValueError, "k must be at least 1"),
        (lambda: find_modes(torch.ones(5)), ValueError, r"x must have shape \[n, d\]; got \[5\]"),
        (lambda: find_modes(torch.tensor([[float("nan")]])), ValueError, "x holds 1 NaN"),
        (lambda: find_modes(torch.ones(5, 1), strength=2), ValueError, "strength must be"),
        (lambda: find_modes(torch.ones(5, 1), most=0), ValueError, "most must be at least 1"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("far", [2_000.0, 1e5])
def test_distances_do_not_depend_on_where_the_origin_is(far):
    x = torch.randn(300, 2, generator=gu.generator(0)).mul(8).round() / 8  # exact at this distance, too
    at = x + far
    assert torch.equal(at - far, x)
    torch.testing.assert_close(gu.metrics.spread(at), gu.metrics.spread(x), rtol=1e-4, atol=0)
    chosen = nearest_centre(at[20:], at[:20])
    torch.testing.assert_close((x[20:] - x[chosen]).norm(dim=1), torch.cdist(x[20:], x[:20]).amin(1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype):
    x = gu.data.ring().sample(1_000, gu.generator(0))
    half, own = x.to(dtype), x.to(dtype).float()
    torch.testing.assert_close(gu.metrics.spread(half), gu.metrics.spread(own))


def test_modes_are_looked_for_from_least_on():
    x = gu.data.ring(modes=5).sample(500, gu.generator(0))
    assert len(find_modes(x, least=5)) == len(find_modes(x, most=5)) == 5
    assert len(find_modes(x, least=6)) == len(find_modes(x, most=4)) == 1


def test_a_member_by_itself_has_the_spread_that_it_has_among_others():
    members = torch.randn(4, 50, 2, generator=gu.generator(0))
    members[1] = 1e6  # complete collapse, far away
    members[2, 0] = torch.nan
    alone = torch.stack([gu.metrics.spread(one) for one in members])
    torch.testing.assert_close(gu.metrics.spread(members), alone, equal_nan=True, rtol=0, atol=0)
    assert alone[1] == 0 and alone.isnan().tolist() == [False, False, True, False]


def test_the_tail_of_a_skewed_cloud_is_seldom_a_mode():
    clouds = [(1.5 * torch.randn(1_000, 2, generator=gu.generator(seed))).exp() for seed in range(20)]
    assert sum(len(gu.metrics.find_modes(cloud)) > 1 for cloud in clouds) <= 6
