"""Nearest neighbours: brute force and SciPy as oracles, known defects, copies, birthdays, blocks of rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from collapsed import FRESH, HELD_OUT, TRAIN, defective
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu, poisson

import gan_utils as gu
from gan_utils.metrics import birthday, memorisation, neighbours, prdc

ALL = 1.0


def normal(n: int, d: int, *key: int) -> torch.Tensor:
    return torch.randn(n, d, generator=gu.generator(*key), dtype=torch.float64)


def brute_force(real, fake, k):
    """The four definitions, written out with whole distance matrices."""
    rr, ff, rf = (cdist(a, b) for a, b in ((real, real), (fake, fake), (real, fake)))
    r, f = (np.sort(d, axis=1)[:, k] for d in (rr, ff))
    return (
        (rf <= r[:, None]).any(0).mean(),
        (rf <= f[None]).any(1).mean(),
        (rf <= r[:, None]).sum() / (k * len(fake)),
        (rf.min(1) <= r).mean(),
    )


@pytest.mark.parametrize(
    "n, m, d, k, shift", [(200, 150, 8, 5, 0.0), (60, 90, 2, 1, 1.0), (30, 40, 300, 3, 0.1), (9, 9, 1, 8, 5)]
)
def test_prdc_agrees_with_whole_matrices(n, m, d, k, shift):
    real, fake = normal(n, d, 0), normal(m, d, 1) + shift
    assert prdc(real, fake, k) == pytest.approx(brute_force(real, fake, k), abs=1e-12)
    far = real + 1e6  # an offset shared by all changes nothing
    assert prdc(far, fake + 1e6, k) == pytest.approx(prdc(real, fake, k), abs=1e-12)


@pytest.mark.parametrize("cells", [1, 64, 1000])
def test_blocks_change_nothing(monkeypatch, cells):
    real, fake = normal(70, 5, 0), normal(90, 5, 1)
    fake[:10] = real[:10]

    def measure():
        return prdc(real, fake), birthday(torch.cat([real, fake]), 0.5), memorisation(real, normal(50, 5, 2), fake)

    whole = measure()
    monkeypatch.setattr(neighbours, "CELLS", cells)
    assert measure()[:2] == whole[:2] and measure()[2] == pytest.approx(whole[2], rel=1e-12)


def test_no_block_is_larger_than_its_bound(monkeypatch):
    monkeypatch.setattr(neighbours, "CELLS", 1000)
    sizes = [square.numel() for _, square in neighbours._squares(normal(333, 3, 0), normal(77, 3, 1))]
    assert max(sizes) <= 1000 and sum(sizes) == 333 * 77


def test_by_hand():
    """Real 0, 1, 2, 10 with k = 1: radii 1, 1, 1, 8. Fakes 1.5, 1.6, 30: radii .1, .1, 28.4."""
    real, fake = torch.tensor([[0.0], [1.0], [2.0], [10.0]]), torch.tensor([[1.5], [1.6], [30.0]])
    # 1.5 is within 1's and 2's ball, 1.6 too, and 10's ball (2 to 18) holds neither; 30 is in none.
    assert prdc(real, fake, 1) == pytest.approx((2 / 3, 2 / 4, 4 / 3, 2 / 4))  # 30's ball reaches from 1.6: to 2 and 10


def test_precision_and_recall_are_not_swapped():
    few, many = defective("one mode"), defective("none")
    assert prdc(many, few).precision > 0.9 and prdc(many, few).recall < 0.2
    assert prdc(few, many).precision < 0.2 and prdc(few, many).recall > 0.9


KNOWN = {  # precision, recall, density, coverage: low and high
    "none": ((0.95, 1), (0.95, 1), (0.9, 1.1), (0.93, 1)),
    "one mode": ((0.95, 1), (0.08, 0.17), (0.9, 1.1), (0.08, 0.17)),  # an eighth of the modes
    "four modes": ((0.95, 1), (0.44, 0.55), (0.9, 1.1), (0.44, 0.55)),  # half
    "duplicates": (
        (0.85, 1),
        (0, 0),
        (0.6, 1.5),
        (0.02, 0.1),
    ),  # balls of radius 0 recall nothing; 20 points, 2 k balls each
    "within": ((0.99, 1), (0, 0.1), (0.9, 1.3), (0.01, 0.2)),
    "noise": ((0, 0.1), (0, 1), (0, 0.1), (0, 0.2)),  # recall is fooled: few fakes have wide balls
    "memorised": ((1, 1), (0.97, 1), (1.1, 1.3), (0.98, 1)),  # better than any honest sampler: see `memorisation`
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_defects(name):
    # Copies are measured against the very training data; the rest against data that nobody has seen.
    measured = prdc(TRAIN if name == "memorised" else HELD_OUT, defective(name))
    for field, value, (low, high) in zip(measured._fields, measured, KNOWN[name], strict=True):
        assert low <= value <= high, (field, measured)


def test_identical_sets():
    x = normal(100, 3, 0)
    assert prdc(x, x) == (
        1,
        1,
        6 / 5,
        1,
    )  # (k + 1) / k: each ball holds its k neighbours, the surface included, and itself
    many = x[:10].repeat(20, 1)  # each point more than k times: radii of 0, where `<` would score 0
    p = prdc(many, many)
    assert p[:2] == (1, 1) and p.coverage == 1 and p.density == 20 / 5
    assert prdc(many, many + 1e-3)[:2] == (0, 0)


def test_high_dimensions_have_low_floors():
    """Identical normal distributions: precision and recall fall, density and coverage hardly."""
    p = prdc(normal(400, 1000, 0), normal(400, 1000, 1))
    assert 0.3 < p.precision < 0.7 and 0.3 < p.recall < 0.7 and 0.8 < p.density < 1.3 and p.coverage > 0.9


def test_one_far_outlier_does_not_blur_the_rest():
    real, fake = normal(100, 2, 0), normal(100, 2, 1)
    fake[0] = 1e9
    expected = brute_force(real.numpy(), fake.numpy(), 5)
    assert prdc(real, fake) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.floats(1e-3, 1e3), st.floats(-100, 100), st.integers(1, 4))
def test_invariances(seed, scale, shift, d):
    rng = gu.generator(seed)
    real, fake = torch.randn(40, d, generator=rng).double(), torch.randn(30, d, generator=rng).double() + 0.3
    turn = torch.linalg.qr(torch.randn(d, d, generator=rng).double()).Q
    order, other = torch.randperm(40, generator=rng), torch.randperm(30, generator=rng)
    moved = scale * (real[order] @ turn) + shift, scale * (fake[other] @ turn) + shift
    assert prdc(*moved, 3) == pytest.approx(prdc(real, fake, 3), abs=1e-12)
    assert memorisation(real[:20], real[20:], fake) == pytest.approx(
        memorisation(scale * real[:20] + shift, scale * real[20:] + shift, scale * fake + shift), rel=1e-6, abs=1e-9
    )


def test_memorisation_by_hand():
    points = [torch.tensor(x)[:, None] for x in ([0.0], [1.0, 2.0, 3.0], [1.0, 5.0])]
    # The fake at 1 ties with one of three, and is nearer than two; that at 5 is nearer than none.
    assert memorisation(*points) == pytest.approx((1 / 2, 2.5 / 6, 1 / 2))


def test_memorisation_agrees_with_scipy():
    train, held_out, fake = normal(300, 4, 0), normal(120, 4, 1), 0.9 * normal(170, 4, 2)
    fake[:15], held_out[:2] = train[:15], train[15:17]
    ours, others = (cdist(x, train).min(1) for x in (fake, held_out))
    m = memorisation(train, held_out, fake)
    assert m.ratio == pytest.approx(np.sort(ours)[84] / np.sort(others)[59], rel=1e-6)
    assert m.nearer == pytest.approx(mannwhitneyu(others, ours).statistic / (120 * 170), abs=1e-9)
    assert math.isnan(m.copied)  # two of 120 held-out points are copies themselves, more than 1 %
    m = memorisation(train, held_out[2:], fake)
    assert m.copied == pytest.approx((ours <= np.sort(others[2:])[1]).mean(), abs=1e-12) and m.copied >= 15 / 170


SPREAD = ((2 * 2000 + 1) / (12 * 2000**2)) ** 0.5  # of `nearer`, for a perfect sampler
COPIES = {  # ratio, nearer, copied: low and high
    "none": ((0.9, 1.1), (0.5 - 5 * SPREAD, 0.5 + 5 * SPREAD), (0, 0.03)),
    "memorised": ((0, 0), (1, 1), (1, 1)),
    "within": ((0.3, 0.8), (0.6, 0.9), (0, 0.05)),  # nearer, where data are dense, yet no copies
    "noise": ((10, 1e3), (0, 0.1), (0, 0.03)),
    "one mode": ((0.8, 1.2), (0.4, 0.6), (0, 0.04)),  # missing modes are no copies
}


@pytest.mark.parametrize("name", COPIES)
def test_known_copies(name):
    m = memorisation(TRAIN, HELD_OUT, defective(name))
    for field, value, (low, high) in zip(m._fields, m, COPIES[name], strict=True):
        assert low <= value <= high, (field, m)


def test_half_copied():
    fake = torch.cat([TRAIN[:500], FRESH[:500]])
    m = memorisation(TRAIN, HELD_OUT, fake)
    assert 0.49 < m.copied < 0.54 and m.nearer == pytest.approx(0.75, abs=5 * SPREAD)


def test_held_out_data_that_were_trained_on_say_nothing():
    assert all(math.isnan(value) for value in memorisation(TRAIN, TRAIN[:500], FRESH))


@pytest.mark.parametrize("outputs, n", [(1, 50), (20, 200), (1000, 2000), (100_000, 3000)])
def test_birthdays_of_equally_likely_outputs(outputs, n):
    draws = torch.randint(outputs, (n,), generator=gu.generator(n))
    b = birthday(draws[:, None].double(), 0)
    assert b.pairs == sum(c * (c - 1) // 2 for c in draws.bincount().tolist())
    pairs = n * (n - 1) / 2
    sd = math.sqrt(pairs / outputs * (1 - 1 / outputs))  # pairs agree pairwise independently
    assert b.pairs == pytest.approx(pairs / outputs, abs=4 * sd) and b.support == pairs / b.pairs
    assert b.at_least < b.support


@pytest.mark.parametrize("pairs", [0, 1, 5, 30, 400])
def test_lower_bound_is_the_poisson_limit(pairs):
    """At the rate behind ``at_least``, so few pairs or fewer have a chance of 5 %."""
    x = torch.arange(2000.0)[:, None]
    x[:pairs] = x[1000 : 1000 + pairs]
    b = birthday(x, 0)
    assert b.pairs == pairs and math.isnan(b.support) == (pairs == 0)
    assert poisson.cdf(pairs, 2000 * 1999 / 2 / b.at_least) == pytest.approx(0.05, abs=0.002)


def test_uneven_outputs_lower_the_support():
    rng = gu.generator(0)
    draws = torch.multinomial(torch.tensor([0.5] + [0.5 / 999] * 999), 3000, replacement=True, generator=rng)
    assert birthday(draws[:, None].float(), 0).support == pytest.approx(1 / (0.25 + 0.25 / 999), rel=0.1)  # 4 of 1,000


def test_birthdays_of_known_defects():
    assert birthday(defective("duplicates"), 0).support == pytest.approx(20, rel=0.01)
    assert birthday(defective("none"), 0).pairs == 0
    memorised = birthday(defective("memorised"), 0)
    assert memorised.support == pytest.approx(len(TRAIN), rel=0.15) and memorised.at_least < len(TRAIN)
    within = 0.01  # of the mode's width .05: what real data score is the scale
    assert birthday(defective("within"), within).support < birthday(FRESH, within).support / 10
    assert birthday(defective("one mode"), within).support == pytest.approx(
        birthday(FRESH, within).support / 8, rel=0.2
    )


def test_distance_of_a_birthday_includes_its_end():
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [100.0, 0.0]])
    assert [birthday(x, w).pairs for w in (4.999, 5.0)] == [0, 1]


def test_nothing_is_changed_and_no_gradient_asked():
    x, y = normal(20, 2, 0).requires_grad_(), normal(20, 2, 1)
    before = x.detach().clone()
    prdc(x, y), memorisation(y, x, x), birthday(x, 1)
    assert torch.equal(x, before)


BAD = torch.zeros(9, 2).index_put((torch.tensor(3), torch.tensor(1)), torch.tensor(math.nan))
OK = normal(9, 2, 0).float()


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: prdc(OK, OK[:5]), ValueError, "fake must have at least 6 rows here; got 5"),
        (lambda: prdc(OK[:5], OK), ValueError, "real must have at least 6 rows here; got 5"),
        (lambda: prdc(OK, torch.zeros(9, 3)), ValueError, r"fake must have shape \[n, 2\]; got \[9, 3\]"),
        (lambda: prdc(OK, torch.zeros(0, 2)), ValueError, r"fake must have shape \[n, 2\]; got \[0, 2\]"),
        (
            lambda: prdc(torch.zeros(9, 1, 28, 28), OK),
            ValueError,
            r"real must have shape .*: flatten\(1\) makes rows of it",
        ),
        (lambda: prdc(BAD, OK), ValueError, r"real holds 1 NaN or Inf values, the first at index \(3, 1\)"),
        (lambda: prdc(OK, BAD), ValueError, "fake holds 1 NaN"),
        (lambda: prdc(OK.long(), OK), TypeError, "real must hold floats; got torch.int64"),
        (lambda: prdc(OK.tolist(), OK), TypeError, "real must be a tensor"),
        (lambda: prdc(OK, OK, 0), ValueError, "k must be at least 1"),
        (lambda: prdc(OK, OK, 2.0), TypeError, "k must be a whole number"),
        (lambda: prdc(torch.ones(9, 2), OK), ValueError, "real must hold different points"),
        (lambda: memorisation(OK, OK, OK[:, :1]), ValueError, r"fake must have shape \[n, 2\]"),
        (lambda: memorisation(OK, BAD, OK), ValueError, "held_out holds 1 NaN"),
        (lambda: memorisation(OK[:0], OK, OK), ValueError, "train must have shape"),
        (lambda: birthday(OK[:1], 0), ValueError, "samples must have at least 2 rows"),
        (lambda: birthday(OK, -1), ValueError, "within must be a finite number at least 0"),
        (lambda: birthday(BAD, 1), ValueError, "samples holds 1 NaN"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
