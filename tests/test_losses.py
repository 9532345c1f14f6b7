"""Losses: a conformance suite over the registry, and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from gan_utils import losses
from gan_utils.losses import LOSSES, Loss

PAIRED = {"relativistic", "bidirectional"}  # the losses whose generator looks at real samples


def slopes(function, *at: float) -> list[float]:
    points = [torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in at]
    return [float(g) for g in torch.autograd.grad(function(*points).sum(), points)]


def check_loss(loss: Loss) -> None:
    """What every loss must fulfil; a new line in LOSSES is tested by being there."""
    rng = torch.Generator().manual_seed(0)
    for dtype in (torch.float32, torch.float64):
        real, fake = torch.randn(7, generator=rng, dtype=dtype), torch.randn(7, generator=rng, dtype=dtype)
        before = real.clone(), fake.clone()
        asked = []
        d, g = loss.d(real, fake), loss.g(fake, lambda real=real, asked=asked: asked.append(1) or real)
        assert d.shape == g.shape == (7,) and d.dtype == g.dtype == dtype
        assert torch.equal(real, before[0]) and torch.equal(fake, before[1])
        assert bool(asked) == (loss.name in PAIRED)
        order = torch.randperm(7, generator=rng)
        torch.testing.assert_close(loss.d(real[order], fake[order]), d[order], rtol=0, atol=0)
        torch.testing.assert_close(loss.g(fake[order], lambda: real[order]), g[order], rtol=0, atol=0)  # noqa: B023

        # Each sample's loss is its own: changing one logit changes one entry.
        other = fake.clone()
        other[3] += 1.0
        assert (loss.d(real, other) != d).nonzero().flatten().tolist() in ([3], [])
        assert (loss.g(other, lambda: real) != g).nonzero().flatten().tolist() == [3]  # noqa: B023

        far = torch.tensor([-1e4, -1e2, 0.0, 1e2, 1e4], dtype=dtype)
        real, fake = (v.flatten().requires_grad_() for v in torch.meshgrid(far, far, indexing="ij"))
        for value in (loss.d(real, fake), loss.g(fake, lambda: real)):  # noqa: B023
            inputs = [t for t in (real, fake) if _reaches(value, t)]
            grads = torch.autograd.grad(value.sum(), inputs, create_graph=True)
            assert value.isfinite().all() and all(grad.isfinite().all() for grad in grads)
            for grad in grads:  # consensus and R1 go through second derivatives
                if grad.requires_grad:
                    second = torch.autograd.grad(grad.sum(), inputs, retain_graph=True, allow_unused=True)
                    assert all(s.isfinite().all() for s in second if s is not None)

    real = torch.tensor([-2.3, 0.4, 3.1], dtype=torch.float64, requires_grad=True)
    fake = torch.tensor([1.7, -0.6, -2.2], dtype=torch.float64, requires_grad=True)
    assert gradcheck(loss.d, (real, fake))
    assert (
        gradcheck(lambda f, r: loss.g(f, lambda: r), (fake, real))
        if loss.name in PAIRED
        else gradcheck(lambda f: loss.g(f, lambda: real), (fake,))
    )


def _reaches(value: torch.Tensor, leaf: torch.Tensor) -> bool:
    return torch.autograd.grad(value.sum(), leaf, retain_graph=True, allow_unused=True)[0] is not None


@pytest.mark.parametrize("name", LOSSES)
def test_conformance(name):
    assert LOSSES[name].name == name and losses.get(name) is LOSSES[name] is getattr(losses, name)
    check_loss(LOSSES[name])


def test_the_suite_notices_bad_losses():
    eps = Loss("eps", lambda r, f: -(r.sigmoid() + 1e-8).log() - (1 - f.sigmoid()).log(), losses.nonsaturating.g)
    mean = Loss("mean", lambda r, f: (r - f).mean().expand(len(r)), losses.nonsaturating.g)
    asks = Loss("asks", losses.nonsaturating.d, lambda f, real: -f + 0 * real())
    for bad in (eps, mean, asks):
        with pytest.raises(AssertionError):
            check_loss(bad)


LOG2 = math.log(2)
AT_ZERO = {  # D's and G's loss when every logit is 0, so D(x) = 1/2
    "saturating": (2 * LOG2, -LOG2),
    "nonsaturating": (2 * LOG2, LOG2),
    "least_squares": (0.5, 0.5),
    "hinge": (2.0, 0.0),
    "wasserstein": (0.0, 0.0),
    "relativistic": (LOG2, LOG2),
    "reverse_kl": (2 * LOG2, 0.0),
    "bidirectional": (2 * LOG2, 2 * LOG2),
}
SLOPES_AT_ZERO = {  # dD/dreal, dD/dfake, dG/dfake
    "saturating": (-0.5, 0.5, -0.5),
    "nonsaturating": (-0.5, 0.5, -0.5),
    "least_squares": (-1.0, 0.0, -1.0),
    "hinge": (-1.0, 1.0, -1.0),
    "wasserstein": (-1.0, 1.0, -1.0),
    "relativistic": (-0.5, 0.5, -0.5),
    "reverse_kl": (-0.5, 0.5, -1.0),
    "bidirectional": (-0.5, 0.5, -0.5),
}


@pytest.mark.parametrize("name", LOSSES)
def test_values_and_slopes_at_logit_zero(name):
    loss, zero = LOSSES[name], torch.zeros(1, dtype=torch.float64)
    assert name in AT_ZERO and name in SLOPES_AT_ZERO, f"{name!r} is new: work out its values and slopes by hand, above"
    assert (float(loss.d(zero, zero)), float(loss.g(zero, lambda: zero))) == pytest.approx(AT_ZERO[name], abs=1e-12)
    d_slopes = slopes(loss.d, 0.0, 0.0)
    g_slope = slopes(lambda f: loss.g(f, lambda: zero), 0.0)
    assert d_slopes + g_slope == pytest.approx(SLOPES_AT_ZERO[name], abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_directions(name):
    """D gains by raising real and lowering fake logits, G by raising fake ones; none gains by the contrary, near 0."""
    loss, zero = LOSSES[name], torch.zeros(1, dtype=torch.float64)
    real, fake = slopes(loss.d, -0.1, 0.1)
    assert real < 0 < fake and slopes(lambda f: loss.g(f, lambda: zero), -0.1)[0] < 0


def test_optimum_of_the_classifier_is_two_log_two():
    """For equal densities D* = 1/2 everywhere; any other logit costs more (Goodfellow et al., 2014, theorem 1)."""
    logits = torch.linspace(-3, 3, 601, dtype=torch.float64)
    cost = losses.nonsaturating.d(logits, logits)
    assert float(logits[cost.argmin()]) == pytest.approx(0, abs=1e-12)
    assert float(cost.min()) == pytest.approx(2 * LOG2, abs=1e-12)


@pytest.mark.parametrize("p, q", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.7)])
def test_optimal_logit_is_the_log_density_ratio(p, q):
    best = torch.tensor(math.log(p / q), dtype=torch.float64, requires_grad=True)
    cost = p * losses.nonsaturating.d(best, torch.tensor(-1e3)) + q * losses.nonsaturating.d(torch.tensor(1e3), best)
    assert float(torch.autograd.grad(cost, best)[0]) == pytest.approx(0, abs=1e-12)


def test_gradients_where_fakes_are_told_apart_with_ease():
    for logit in (-30.0, -300.0):
        assert slopes(lambda f: losses.nonsaturating.g(f, None), logit)[0] == pytest.approx(-1, abs=1e-12)
        assert abs(slopes(lambda f: losses.saturating.g(f, None), logit)[0]) == pytest.approx(math.exp(logit), rel=1e-9)
    assert slopes(losses.nonsaturating.d, 0.0, 30.0)[1] == pytest.approx(1, abs=1e-12)


def test_least_squares_has_the_papers_halves():
    real, fake = torch.tensor([3.0]), torch.tensor([-2.0])
    assert float(losses.least_squares.d(real, fake)) == (3 - 1) ** 2 / 2 + 2**2 / 2
    assert float(losses.least_squares.g(fake, None)) == (-2 - 1) ** 2 / 2


def test_hinge_is_flat_beyond_its_margins():
    for real, fake, cost in [(1.0, -1.0, 0.0), (5.0, -5.0, 0.0), (0.0, -5.0, 1.0), (5.0, 0.5, 1.5), (-2.0, 3.0, 7.0)]:
        assert float(losses.hinge.d(torch.tensor([real]), torch.tensor([fake]))) == pytest.approx(cost)
    assert slopes(losses.hinge.d, 2.0, -2.0) == [0, 0] and slopes(losses.hinge.d, 0.5, -0.5) == [-1, 1]


def test_relativistic_sees_only_differences():
    real, fake = torch.tensor([0.3, -1.0]), torch.tensor([2.0, 0.5])
    for shift in (-50.0, 0.0, 50.0):
        torch.testing.assert_close(losses.relativistic.d(real + shift, fake + shift), losses.relativistic.d(real, fake))
    torch.testing.assert_close(losses.relativistic.g(fake, lambda: real), losses.relativistic.d(fake, real))


@pytest.mark.parametrize("target", [0.75, 0.9, 1.0])
def test_smoothing_is_the_cross_entropy_with_a_softer_label(target):
    real, fake = torch.tensor([-2.0, 0.3, 40.0]), torch.tensor([1.0, -0.5, -40.0])
    loss = losses.smoothed("nonsaturating", target)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    want = entropy(real, torch.full((3,), target), reduction="none") + entropy(fake, torch.zeros(3), reduction="none")
    torch.testing.assert_close(loss.d(real, fake), want)
    assert loss.g is losses.nonsaturating.g and f"{target:g}" in loss.name
    check_loss(loss)


def test_smoothing_needs_labels_and_a_share():
    with pytest.raises(ValueError, match="loss='hinge' has no labels to smooth"):
        losses.smoothed("hinge")
    with pytest.raises(ValueError, match=r"real must be a finite number at least 0, at most 1; got 1\.1"):
        losses.smoothed(real=1.1)


def test_without_g_leaves_g_nothing():
    loss = losses.without_g("hinge")
    fake = torch.tensor([3.0, float("inf"), -2.0], requires_grad=True)
    assert loss.d is losses.hinge.d and loss.name == "hinge, without G's half"
    assert torch.equal(loss.g(fake, None), torch.zeros(3))


def test_unknown_names_come_with_a_suggestion():
    with pytest.raises(ValueError, match=r"loss='nonsaturing' is not known. Did you mean 'nonsaturating'\?.*'hinge'"):
        losses.get("nonsaturing")
    with pytest.raises(ValueError, match=r"loss=3 is not known\. Allowed"):
        losses.get(3)
    assert losses.get(losses.hinge) is losses.hinge
