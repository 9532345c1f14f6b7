"""Functional optimisers against ``torch.optim`` over many steps, and closed forms for those torch lacks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import vmap

from gan_utils import optim

STEPS = 60
quick = settings(max_examples=15)
rates = st.floats(1e-4, 0.3)


def path(update_of, params: dict, seed: int, steps: int = STEPS) -> dict:
    """Follow random gradients.

    They do not depend on where one is: if they did, Adam with beta2 = 0, say, which makes steps of a million out of
    gradients near 0, would carry the rounding of one step into all that follow.
    """
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        grads = {k: torch.randn(v.shape, generator=rng, dtype=v.dtype) for k, v in params.items()}
        params = update_of(params, grads)
    return params


def start() -> dict:
    rng = torch.Generator().manual_seed(9)
    return {"w": torch.randn(4, 3, generator=rng).double(), "b": torch.randn(3, generator=rng).double()}


def follow(mine: optim.Optimizer, theirs, seed: int) -> None:
    state = mine.init(start())

    def my_update(params, grads):
        nonlocal state
        before = {k: v.clone() for k, v in params.items()}
        new, state = mine.update(params, grads, state)
        assert all(torch.equal(params[k], before[k]) for k in params)  # pure
        return new

    leaves = {k: v.clone().requires_grad_() for k, v in start().items()}
    reference = theirs(list(leaves.values()))

    def their_update(_, grads):
        for k, leaf in leaves.items():
            leaf.grad = grads[k]
        reference.step()
        return {k: v.detach().clone() for k, v in leaves.items()}

    have, want = path(my_update, start(), seed), path(their_update, start(), seed)
    for k in have:
        torch.testing.assert_close(have[k], want[k], rtol=1e-9, atol=1e-10)


@quick
@given(lr=rates, momentum=st.sampled_from([0.0, 0.3, 0.9]), seed=st.integers(0, 999))
def test_sgd_follows_torch(lr, momentum, seed):
    follow(optim.sgd(lr, momentum), lambda p: torch.optim.SGD(p, lr=lr, momentum=momentum), seed)


@quick
@given(lr=rates, alpha=st.floats(0, 0.999), eps=st.sampled_from([1e-8, 1e-3]), seed=st.integers(0, 999))
def test_rmsprop_follows_torch(lr, alpha, eps, seed):
    follow(optim.rmsprop(lr, alpha, eps), lambda p: torch.optim.RMSprop(p, lr=lr, alpha=alpha, eps=eps), seed)


@quick
@given(
    lr=rates,
    betas=st.tuples(st.floats(0, 0.99), st.floats(0, 0.9999)),
    eps=st.sampled_from([1e-8, 1e-3]),
    seed=st.integers(0, 999),
)
def test_adam_follows_torch(lr, betas, eps, seed):
    follow(optim.adam(lr, betas, eps), lambda p: torch.optim.Adam(p, lr=lr, betas=betas, eps=eps), seed)


@pytest.mark.parametrize("name, theirs", [("sgd", "SGD"), ("rmsprop", "RMSprop"), ("adam", "Adam")])
def test_the_registry_in_single_precision(name, theirs):
    params = {k: v.float() for k, v in start().items()}
    mine = optim.OPTIMIZERS[name](1e-2)
    settings_ = {"betas": (0.5, 0.999)} if name == "adam" else {}
    leaves = {k: v.clone().requires_grad_() for k, v in params.items()}
    reference = getattr(torch.optim, theirs)(list(leaves.values()), lr=1e-2, **settings_)
    state = mine.init(params)
    for step in range(20):
        grads = {k: torch.sin(v + step) for k, v in params.items()}
        params, state = mine.update(params, grads, state)
        for k, leaf in leaves.items():
            leaf.grad = grads[k]
        reference.step()
    for k in params:
        assert params[k].dtype == torch.float32
        torch.testing.assert_close(params[k], leaves[k].detach(), rtol=1e-4, atol=1e-5)


def one(value: float) -> dict:
    return {"x": torch.tensor(value, dtype=torch.float64)}


def test_optimistic_goes_twice_and_takes_back():
    opt = optim.optimistic(optim.sgd(0.1))
    x, state = one(1.0), opt.init(one(1.0))
    grads = [2.0, -3.0, 5.0]
    want, last = 1.0, 0.0
    for g in grads:
        x, state = opt.update(x, one(g), state)
        want, last = want - 0.2 * g + 0.1 * last, g
        assert float(x["x"]) == pytest.approx(want, abs=1e-12)
    assert opt.name.startswith("optimistic(sgd(")


def test_optimistic_converges_where_plain_descent_spirals_out():
    """min_x max_y x y: (1 + lr^2)^(1/2) per step for plain descent (closed form), to zero with optimism."""
    norms = {}
    for opt in (optim.sgd(0.2), optim.optimistic(optim.sgd(0.2))):
        x, y = one(1.0), one(1.0)
        sx, sy = opt.init(x), opt.init(y)
        for _ in range(500):
            gx, gy = y, {"x": -x["x"]}
            (x, sx), (y, sy) = opt.update(x, gx, sx), opt.update(y, gy, sy)
        norms[opt.name.split("(")[0]] = float(torch.hypot(x["x"], y["x"]))
    assert norms["sgd"] == pytest.approx(2**0.5 * 1.04**250, rel=1e-9)
    assert norms["optimistic"] < 1e-3


def test_clipped_clamps_after_the_move():
    opt = optim.clipped(optim.sgd(1.0), 0.5)
    params = {"x": torch.tensor([0.2, -0.2, 0.4])}
    moved, _ = opt.update(params, {"x": torch.tensor([-1.0, 1.0, 0.1])}, opt.init(params))
    torch.testing.assert_close(moved["x"], torch.tensor([0.5, -0.5, 0.3]))


def test_historical_averaging_by_hand():
    """SGD of size h on a constant gradient g, with a pull of 2 w (x - mean of all points so far, this one included)."""
    h, g, w = 0.1, 2.0, 0.3
    opt = optim.historical(optim.sgd(h), w)
    x, state = one(1.0), opt.init(one(1.0))
    points = []
    for _ in range(6):
        points.append(float(x["x"]))
        x, state = opt.update(x, one(g), state)
        want = points[-1] - h * (g + 2 * w * (points[-1] - sum(points) / len(points)))
        assert float(x["x"]) == pytest.approx(want, abs=1e-12)
    assert float(state["mean"]["x"]) == pytest.approx(sum(points) / 6) and float(state["count"]) == 6
    free, bare = optim.historical(optim.adam(0.1), 0.0), optim.adam(0.1)
    moved, plain = free.update(x, one(g), free.init(x)), bare.update(x, one(g), bare.init(x))
    assert torch.equal(moved[0]["x"], plain[0]["x"]) and free.name.startswith("historical(adam(")


def test_a_weight_without_gradient_does_not_spoil_what_is_differentiated_through():
    for opt in (optim.adam(0.1), optim.rmsprop(0.1)):

        def after(w, opt=opt):  # the second entry has no gradient: a dead unit
            moved, _ = opt.update({"w": w}, {"w": w * torch.tensor([1.0, 0.0])}, opt.init({"w": w}))
            return moved["w"].sum()

        slope = torch.func.grad(after)(torch.tensor([0.5, 0.5]))
        assert slope.isfinite().all() and float(slope[1]) == 1


@pytest.mark.parametrize("make", [*optim.OPTIMIZERS.values(), lambda lr: optim.optimistic(optim.adam(lr))])
def test_members_of_an_ensemble_may_differ_in_their_learning_rate(make):
    rates_ = torch.tensor([0.1, 0.01, 0.0], dtype=torch.float64)
    params, grads = start(), {k: torch.cos(v) for k, v in start().items()}
    opt = make(0.5)
    states = [opt.init(params) for _ in rates_]
    for state, rate in zip(states, rates_, strict=True):
        state.get("inner", state)["lr"] = rate
    alone = [opt.update(params, grads, state)[0] for state in states]
    stacked = torch.utils._pytree.tree_map(lambda *t: torch.stack(t), *states)
    together, _ = vmap(lambda s: opt.update(params, grads, s))(stacked)
    for k in params:
        torch.testing.assert_close(together[k], torch.stack([a[k] for a in alone]))
        assert torch.equal(together[k][2], params[k]) and not torch.equal(together[k][0], together[k][1])


def test_optimisers_can_be_differentiated_through():
    """Unrolled GANs need d(params after) / d(params before)."""
    opt = optim.adam(0.1)
    params = start()

    def after(w):
        moved, _ = opt.update(params | {"w": w}, {k: v.sin() for k, v in (params | {"w": w}).items()}, opt.init(params))
        return moved["w"].square().sum()

    w = params["w"].clone().requires_grad_()
    assert torch.autograd.gradcheck(after, (w,))


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda: optim.sgd(0), "lr"),
        (lambda: optim.sgd("1e-3"), "lr"),
        (lambda: optim.sgd(0.1, momentum=-1), "momentum"),
        (lambda: optim.rmsprop(alpha=1.5), "alpha"),
        (lambda: optim.rmsprop(eps=0), "eps"),
        (lambda: optim.adam(float("nan")), "lr"),
        (lambda: optim.adam(betas=0.5), "betas"),
        (lambda: optim.adam(betas=(0.5, 1.0)), "betas"),
        (lambda: optim.adam(eps=-1), "eps"),
        (lambda: optim.clipped(optim.sgd(), 0), "limit"),
        (lambda: optim.historical(optim.sgd(), -1), "weight"),
    ],
)
def test_bad_settings_are_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        call()
