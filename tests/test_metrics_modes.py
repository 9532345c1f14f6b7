"""Known modes: closed forms, known defects, ensembles, the fragile count of stacked MNIST."""

from __future__ import annotations

import math

import pytest
import torch
from collapsed import DEFECTS, RING, N, defective
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

import gan_utils as gu
from gan_utils.data import Mixture, grid, mnist, ring
from gan_utils.metrics import label_coverage, mode_coverage, stacked_labels

GOOD = 1 - math.exp(-4.5)  # a perfect sampler's share within 3 sd, in two dimensions
LOG2 = math.log(2)
# The square [-3, 3]^2 holds 8 discs of radius .15 = 3 sd.
KNOWN = {  # modes, fair, good, reverse KL
    "none": (8, 8, GOOD, 0),
    "one mode": (1, 1, GOOD, 3 * LOG2),
    "four modes": (4, 4, GOOD, LOG2),
    "within": (8, 8, 1, 0),
    "noise": (8, 0, 8 * math.pi * 0.15**2 / 36, 0),
    "memorised": (8, 8, GOOD, 0),  # modes say nothing of copies
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_defects(name):
    c = mode_coverage(defective(name), RING)
    modes, fair, good, kl = KNOWN[name]
    assert (int(c.modes), int(c.fair)) == (modes, fair)
    assert float(c.good) == pytest.approx(good, abs=5 * math.sqrt(good * (1 - good) / N) + 1e-12)
    floor = (int(c.modes) - 1) / (2 * N * float(c.good))  # over the modes that are there
    assert 0 <= float(c.reverse_kl) - kl <= 5 * floor + 1e-12
    assert float(c.floor) == pytest.approx(7 / (2 * int(c.counts.sum())))


def test_twenty_duplicates_have_twenty_samples_worth_of_evenness():
    x = defective("duplicates")
    once, often = mode_coverage(x[:20], RING), mode_coverage(x, RING)
    assert torch.equal(often.counts, 100 * once.counts) and float(often.good) == float(once.good)
    assert (
        float(often.reverse_kl) == pytest.approx(float(once.reverse_kl)) and float(often.reverse_kl) > 10 * often.floor
    )


def test_shares_agree_with_scipy():
    uneven = Mixture(10 * torch.eye(3), [0.1, 0.2, 0.3], [1.0, 2.0, 5.0])
    x = torch.cat([uneven.means[[0] * 5 + [1] * 3 + [2] * 2], torch.full((6, 3), 4.0)])
    c = mode_coverage(x, uneven)
    p, q = [0.5, 0.3, 0.2], [1 / 8, 2 / 8, 5 / 8]
    assert c.counts.tolist() == [5, 3, 2] and float(c.good) == 10 / 16 and float(c.floor) == pytest.approx(2 / 20)
    assert float(c.reverse_kl) == pytest.approx(entropy(p, q), rel=1e-6)
    assert float(c.js) == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-6)
    assert int(c.fair) == 2  # mode 2 has 2 of 16 samples, fewer than a quarter of 5/8
    assert int(mode_coverage(x, uneven, least=3).modes) == 2


def test_a_quarter_of_the_fair_share_is_enough():
    """Of 64 samples a mode of eight should get eight: two are enough, one is not, and bad samples count in the 64."""
    labels = torch.tensor([0] * 30 + [1] * 2 + [2] + [3] * 3 + [-1] * 28)
    c = label_coverage(labels, 8)
    assert (int(c.modes), int(c.fair), float(c.good)) == (4, 3, 36 / 64)


def test_distance_is_l2_in_standard_deviations_of_the_nearest_mode():
    x = torch.tensor([[1.0299, 0.0], [1.0301, 0.0], [1.0 + 0.025, 0.025]])  # the last: inside the box, outside the disc
    assert mode_coverage(x, ring()).counts.sum() == 1
    assert mode_coverage(x, ring(), within=4).counts.sum() == 3


@pytest.mark.parametrize("source, n", [(ring(), 2_500), (grid(), 2_500)], ids=["ring", "grid"])
def test_a_perfect_sampler_is_at_the_floor(source, n):
    x = torch.stack([source.sample(n, gu.generator(0, i)) for i in range(200)])
    c, k = mode_coverage(x, source), source.modes
    # 2 n KL is nearly chi-square with K - 1 degrees of freedom, whose variance is 2 (K - 1).
    error = 5 * math.sqrt(2 * (k - 1) / 200) / (2 * n * GOOD)
    assert float(c.reverse_kl.mean()) == pytest.approx(float(c.floor.mean()), abs=error)
    assert float(c.good.mean()) == pytest.approx(GOOD, abs=5 * math.sqrt(GOOD * (1 - GOOD) / (200 * n)))
    assert float(c.js.mean()) == pytest.approx(float(c.floor.mean()) / 4, rel=0.1)


def test_member_of_an_ensemble_equals_it_alone():
    x = torch.stack([defective(name, 400) for name in DEFECTS])
    x[1, :3] = torch.nan
    x[2, 0, 0] = torch.inf
    together = mode_coverage(x, RING)
    for i, member in enumerate(x):
        for field, alone in zip(together, mode_coverage(member, RING), strict=True):
            torch.testing.assert_close(field[i], alone, rtol=0, atol=0, equal_nan=True)
    two = mode_coverage(torch.stack([x, x]), RING)
    assert two.counts.shape == (2, len(DEFECTS), 8) and torch.equal(two.counts[1], together.counts)


def test_without_a_good_sample_there_are_no_shares():
    for x in (torch.full((5, 2), 50.0), torch.full((5, 2), torch.nan), torch.full((5, 2), torch.inf)):
        c = mode_coverage(x, RING)
        assert (int(c.modes), int(c.fair), float(c.good)) == (0, 0, 0.0)
        assert c.reverse_kl.isnan() and c.js.isnan() and c.floor.isnan()


@settings(max_examples=40)
@given(st.lists(st.integers(-1, 5), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_labels_in_any_order_and_by_any_name(labels, random):
    c = label_coverage(torch.tensor(labels), 6)
    assert c.counts.tolist() == [labels.count(i) for i in range(6)]
    order, names = random.sample(labels, len(labels)), random.sample(range(6), 6)
    other = label_coverage(torch.tensor([names[i] if i >= 0 else i for i in order]), 6)
    for field, value in zip(other[1:], c[1:], strict=True):
        torch.testing.assert_close(field, value, equal_nan=True)
    if max(labels) >= 0:
        assert 0 <= float(c.js) <= LOG2 and 0 <= float(c.reverse_kl) <= math.log(6) + 1e-12


def test_a_classifiers_errors_count_as_modes():
    """One per cent of errors a digit: ten triples look like 244, and like ten when 13 samples are asked for."""
    n, rng = 26_000, gu.generator(3)
    found = {1: [], 13: []}
    for _ in range(10):
        digits = torch.randperm(1000, generator=rng)[:10][torch.randint(10, (n,), generator=rng)]
        digits = torch.stack([digits // 100, digits // 10 % 10, digits % 10], 1)
        wrong = torch.rand(n, 3, generator=rng) < 0.01
        digits = torch.where(wrong, (digits + torch.randint(1, 10, (n, 3), generator=rng)) % 10, digits)
        labels = digits @ torch.tensor([100, 10, 1])
        for least, modes in found.items():
            modes.append(int(label_coverage(labels, 1000, least=least).modes))
    assert sum(found[1]) / 10 == pytest.approx(244, abs=10) and sum(found[13]) / 10 == pytest.approx(10, abs=1)


def test_stacked_labels_read_the_channels_in_order():
    data = mnist()
    images, digits = data.labelled(90, gu.generator(0))
    label = stacked_labels(images.view(30, 3, 28, 28))
    true = digits.view(30, 3) @ torch.tensor([100, 10, 1])
    said = gu.classifier.classifier().predict(images)
    right = (said.digit == digits).view(30, 3).all(1)
    assert right.sum() >= 28 and torch.equal(label[right], true[right]) and label.dtype == torch.int64
    sure = stacked_labels(images.view(30, 3, 28, 28), reject=True)
    assert torch.equal(sure == -1, ~said.is_digit.view(30, 3).all(1)) and (sure[sure >= 0] == label[sure >= 0]).all()
    images.view(30, 3, 28, 28)[4:, 1] = 0.0  # grey is no digit
    sure = stacked_labels(images.view(30, 3, 28, 28), reject=True)
    assert (sure[4:] == -1).all() and (sure[:4] >= 0).any()
    assert float(label_coverage(sure, 1000).good) == float((sure >= 0).double().mean())


def test_input_is_not_changed_and_needs_no_gradient():
    x = defective("none", 50).requires_grad_()
    before = x.detach().clone()
    c = mode_coverage(x, RING)
    assert torch.equal(x, before) and not any(field.requires_grad for field in c)
    assert mode_coverage(torch.tensor([[1, 0], [3, 3]]), RING).counts.tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: mode_coverage(torch.zeros(4, 3), RING), ValueError, r"samples must have shape \[n, 2\]; got \[4, 3\]"),
        (lambda: mode_coverage(torch.zeros(0, 2), RING), ValueError, "samples must have shape"),
        (lambda: mode_coverage(torch.zeros(2), RING), ValueError, "samples must have shape"),
        (lambda: mode_coverage([[0.0, 1.0]], RING), TypeError, "samples must be a tensor of shape"),
        (
            lambda: mode_coverage(torch.zeros(4, 2), RING, within=0),
            ValueError,
            "within must be a finite number above 0",
        ),
        (lambda: mode_coverage(torch.zeros(4, 2), RING, least=0), ValueError, "least must be at least 1; got 0"),
        (lambda: label_coverage(torch.tensor([0, 8]), 8), ValueError, r"below modes = 8; got \[2\] up to 8"),
        (lambda: label_coverage(torch.zeros(0, dtype=torch.int64), 8), ValueError, r"labels must be .*; got \[0\]"),
        (lambda: label_coverage(torch.tensor(3), 8), ValueError, "labels must be"),
        (
            lambda: label_coverage(torch.zeros(3), 8),
            TypeError,
            r"labels must be .* of integers; got \[3\], torch.float32",
        ),
        (lambda: label_coverage([1], 8), TypeError, "labels must be a tensor or NumPy array of integers; got list"),
        (lambda: label_coverage(torch.tensor([0]), 0), ValueError, "modes must be at least 1"),
        (lambda: stacked_labels(torch.zeros(2, 1, 28, 28)), ValueError, r"images must have shape \[n, 3, 28, 28\]"),
        (lambda: stacked_labels(torch.full((1, 3, 28, 28), torch.nan)), ValueError, "NaN or Inf"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
