"""Gradient penalties: a conformance suite over the registry, closed forms, and autograd as an oracle."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import grad, vmap

from gan_utils import critics
from gan_utils.penalties import PENALTIES, PLACES, Penalty, gradient_penalty, r1, r2, wgan_gp

B = 6


def data(shape: tuple[int, ...] = (3,), dtype: torch.dtype = torch.float64, seed: int = 0):
    rng = torch.Generator().manual_seed(seed)
    real, fake = (torch.randn(B, *shape, generator=rng, dtype=dtype) for _ in range(2))
    return real, fake, torch.rand(B, *shape, generator=rng, dtype=dtype)


def net(width: int = 3, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(width, 16), nn.Tanh(), nn.Linear(16, 1)).to(dtype)


def oracle(penalty: Penalty, critic, points: torch.Tensor) -> torch.Tensor:
    """The usual way: autograd.grad with create_graph, one norm per sample."""
    points = points.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return penalty.weight * (slope.flatten(1).norm(dim=1) - penalty.target) ** 2


def check_penalty(penalty: Penalty) -> None:
    """What every penalty must fulfil; a new line in PENALTIES is tested by being there."""
    for shape in ((3,), (1, 4, 4)):
        for dtype in (torch.float32, torch.float64):
            real, fake, noise = data(shape, dtype)
            critic = net(real[0].numel(), dtype)
            before = [t.clone() for t in (real, fake, noise)]
            value = penalty(lambda x: critic(x)[:, 0], real, fake, noise)  # noqa: B023
            assert value.shape == (B,) and value.dtype == dtype and (value >= 0).all() and value.isfinite().all()
            assert all(torch.equal(a, b) for a, b in zip((real, fake, noise), before, strict=True))
            order = torch.tensor([3, 0, 5, 1, 4, 2])
            again = penalty(lambda x: critic(x)[:, 0], real[order], fake[order], noise[order])  # noqa: B023
            torch.testing.assert_close(again, value[order])

    real, fake, noise = data()
    critic = net()
    call = torch.func.functional_call
    params = {k: v.detach() for k, v in critic.named_parameters()}

    def total(p):
        return penalty(lambda x: call(critic, p, (x,))[:, 0], real, fake, noise).mean()

    mine = grad(total)(params)
    points = penalty.place(real, fake, noise)
    theirs = torch.autograd.grad(
        oracle(penalty, lambda x: critic(x)[:, 0], points).mean(), list(critic.parameters())[:3]
    )
    for have, want in zip(mine.values(), theirs, strict=False):
        torch.testing.assert_close(have, want, rtol=1e-6, atol=1e-9)
    many = vmap(grad(total))({k: torch.stack([v, 2 * v]) for k, v in params.items()})
    for name in params:
        torch.testing.assert_close(many[name][0], mine[name])

    flat = {k: torch.zeros_like(v) for k, v in params.items()}
    assert all(g.isfinite().all() for g in grad(total)(flat).values())


@pytest.mark.parametrize("name", PENALTIES)
def test_conformance(name):
    penalty = PENALTIES[name]()
    assert penalty.name == name
    check_penalty(penalty)


@pytest.mark.parametrize("target", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("place", PLACES)
def test_any_place_with_any_target_conforms(place, target):
    check_penalty(gradient_penalty(place, target=target, weight=0.7))


@pytest.mark.parametrize("place", PLACES)
def test_closed_form_of_twice_x(place):
    """D(x) = 2 x has slope 2 everywhere: weight (2 - target)^2."""
    real, fake, noise = data((1,))
    for target, weight in [(0.0, 1.0), (1.0, 10.0), (3.0, 0.5)]:
        value = gradient_penalty(place, target=target, weight=weight)(lambda x: 2 * x[:, 0], real, fake, noise)
        torch.testing.assert_close(value, torch.full((B,), weight * (2 - target) ** 2, dtype=torch.float64))


@pytest.mark.parametrize("place", PLACES)
def test_closed_form_of_a_linear_critic(place):
    real, fake, noise = data((5,))
    w = torch.tensor([1.0, -2.0, 0.5, 3.0, 0.0], dtype=torch.float64)
    value = gradient_penalty(place, target=1.0, weight=10.0)(lambda x: x @ w, real, fake, noise)
    torch.testing.assert_close(value, (10 * (w.norm() - 1) ** 2).expand(B))


def test_the_norm_is_taken_per_sample():
    """One norm over a batch of 64 would charge an ideal 1-Lipschitz critic (8 - 1)^2 = 49."""
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w = torch.tensor([0.6, 0.8], dtype=torch.float64)
    value = wgan_gp(1.0)(lambda x: x @ w, x, x + 1, torch.rand(64, 1, dtype=torch.float64))
    assert float(value.max()) < 1e-20
    # D(x) = |x|^2 / 2 has slope x: every sample its own norm.
    torch.testing.assert_close(r1(3.0)(lambda x: x.square().sum(1) / 2, x, x, x), 1.5 * x.square().sum(1))


def test_r1_and_r2_use_the_half_convention():
    real, fake, noise = data()
    for penalty, at in ((r1(4.0), real), (r2(4.0), fake)):
        value = penalty(lambda x: x.square().sum(1) / 2, real, fake, noise)
        torch.testing.assert_close(value, 4.0 / 2 * at.square().sum(1))


def test_places():
    real, fake, noise = data((2, 3))
    place = {name: function(real, fake, noise) for name, (function, _) in PLACES.items()}
    assert place["real"] is real and place["fake"] is fake
    share = noise.flatten(1)[:, :1, None]
    torch.testing.assert_close(place["between"], share * real + (1 - share) * fake)
    away = (place["around_real"] - real) / real.std(correction=0)
    torch.testing.assert_close(away, 0.5 * noise)
    assert float(away.min()) >= 0 and float(away.max()) <= 0.5


def test_between_works_with_one_number_a_sample():
    real, fake, noise = data((2, 3))
    one = noise.flatten(1)[:, :1].reshape(B, 1, 1)
    function, kind = PLACES["between"]
    torch.testing.assert_close(function(real, fake, one), function(real, fake, noise))
    assert kind == "sample" and PLACES["around_real"][1] == "element"
    assert {PLACES[name][1] for name in ("real", "fake")} == {"none"}
    assert [PENALTIES[n]().noise for n in ("r1", "r2", "wgan_gp", "dragan")] == ["none", "none", "sample", "element"]


def test_a_pack_has_one_norm():
    """A critic that judges m samples at once is penalised by the gradient with respect to all m."""
    real, fake, noise = data((3,))
    w = torch.arange(1.0, 7.0, dtype=torch.float64)

    class Linear(nn.Module):
        def forward(self, x):
            return x @ w

    packed = critics.Pac(Linear(), 2)
    value = gradient_penalty("real", target=1.0, weight=2.0)(packed, real, fake, noise)
    torch.testing.assert_close(value, (2 * (w.norm() - 1) ** 2).expand(B // 2))


def test_packing_keeps_neighbours_together():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.flatten(1).sum(1)

    x = torch.arange(24.0).reshape(6, 1, 2, 2)
    assert critics.Pac(Spy(), 3)(x).shape == (2,)
    assert seen[0].shape == (2, 3, 2, 2) and torch.equal(seen[0][0], x[:3, 0])
    with pytest.raises(ValueError, match=r"batch=6 is not divisible by m=4"):
        critics.Pac(Spy(), 4)(x)
    with pytest.raises(ValueError, match="m must be at least 1; got 0"):
        critics.Pac(Spy(), 0)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match=r"at='betwen' is not known. Did you mean 'between'\?"):
        gradient_penalty("betwen", target=1, weight=1)
    for call, name in [
        (lambda: gradient_penalty("real", target=-1, weight=1), "target"),
        (lambda: gradient_penalty("real", target=0, weight=float("nan")), "weight"),
        (lambda: r1(-1.0), "gamma"),
        (lambda: r2("10"), "gamma"),
        (lambda: PENALTIES["dragan"](weight=-2), "weight"),
    ]:
        with pytest.raises(ValueError, match=f"^{name} must be a finite number at least 0"):
            call()
