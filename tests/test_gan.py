"""The pure step: against plain autograd loops, vmap against loop, compiled against eager, rules of play by hand."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import vmap
from torch.utils._pytree import tree_leaves, tree_map

import gan_utils as gu
from gan_utils import losses, optim, penalties
from gan_utils.functional import Functional, SeededDropout
from gan_utils.gan import PLAYS, Batch, step

B, Z = 12, 3


def nets(dropout: bool = False):
    G = nn.Sequential(nn.Linear(Z, 8), nn.Tanh(), nn.Linear(8, 2))
    D = nn.Sequential(nn.Linear(2, 8), nn.Softplus(), *[nn.Dropout(0.4)] * dropout, nn.Linear(8, 1))
    return G, D


def noise_for(gan: gu.GAN, seed: int = 0, batch: int = B, shape=(2,), dtype=torch.float64) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    k = gan.d_steps
    draw = partial(torch.randn, generator=rng, dtype=dtype)
    return Batch(
        draw(k, batch, *shape) + 1,
        draw(k + 1, batch, gan.latent),
        torch.rand(k, batch, *shape, generator=rng, dtype=dtype),
        torch.randint(2**31, (), generator=rng),
    )


def in_double(tree):
    return tree_map(lambda t: t.double() if t.is_floating_point() else t, tree)


def load(network: nn.Module, player) -> nn.Module:
    copied = copy.deepcopy(network).to(torch.float64)
    copied.load_state_dict({k: v.clone() for k, v in (player.params | player.buffers).items()})
    return copied


def written_out(table: dict, name: str):
    """What a table below holds under a name; a new loss or penalty must be written out there."""
    assert name in table, f"{name!r} is new: write it out by hand in tests/test_gan.py"
    return table[name]


def manual_penalty(kind: str, D, real, fake, u):
    """Each penalty written the usual way, with autograd.grad(create_graph=True)."""
    if kind == "none":
        return 0.0
    share = u[:, :1]
    places = {  # the point, the norm aimed at, the weight
        "r1": (real, 0, 5.0),
        "r2": (fake, 0, 5.0),
        "wgan_gp": (share * real + (1 - share) * fake, 1, 10.0),
        "dragan": (real + 0.5 * real.std(correction=0) * u, 1, 10.0),
    }
    at, target, weight = written_out(places, kind)
    at = at.detach().requires_grad_()
    (slope,) = torch.autograd.grad(D(at).sum(), at, create_graph=True)
    norm = slope.norm(dim=1)
    return (weight * (norm - target) ** 2).mean()


def manual_loss(name: str, D, real, fake):
    r, f = D(real)[:, 0], D(fake)[:, 0]
    log = torch.nn.functional.logsigmoid
    forms = {
        "saturating": lambda: -log(r) - log(-f),
        "nonsaturating": lambda: -log(r) - log(-f),
        "least_squares": lambda: 0.5 * (r - 1) ** 2 + 0.5 * f**2,
        "hinge": lambda: (1 - r).clamp(min=0) + (1 + f).clamp(min=0),
        "wasserstein": lambda: f - r,
        "relativistic": lambda: -log(r - f),
        "reverse_kl": lambda: -log(r) - log(-f),
        "bidirectional": lambda: -log(r) - log(-f),
    }
    return written_out(forms, name)().mean()


def manual_g_loss(name: str, D, real, fake):
    r, f = D(real)[:, 0], D(fake)[:, 0]
    log = torch.nn.functional.logsigmoid
    forms = {
        "saturating": lambda: log(-f),
        "nonsaturating": lambda: -log(f),
        "least_squares": lambda: 0.5 * (f - 1) ** 2,
        "hinge": lambda: -f,
        "wasserstein": lambda: -f,
        "relativistic": lambda: -log(f - r),
        "reverse_kl": lambda: -f,
        "bidirectional": lambda: -log(f) - log(-r),
    }
    return written_out(forms, name)().mean()


@pytest.mark.parametrize("d_steps", [1, 3])
@pytest.mark.parametrize("penalty", ["none", *penalties.PENALTIES])
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_step_follows_a_plain_autograd_loop(loss, penalty, d_steps):
    """SGD, so that moves are gradients; three steps, written by hand as in a first PyTorch tutorial."""
    G, D = nets()
    lr = 0.0625  # exact in single precision, in which a state is born
    chosen = () if penalty == "none" else (penalties.PENALTIES[penalty](10.0),)
    gan = gu.GAN(G, D, loss=loss, penalties=chosen, opt_g=optim.sgd(lr), opt_d=optim.sgd(lr), d_steps=d_steps, ema=0.9)
    state = in_double(gan.init(3))
    g, d = load(G, state.G), load(D, state.D)
    opt_g, opt_d = torch.optim.SGD(g.parameters(), lr), torch.optim.SGD(d.parameters(), lr)
    average = [p.detach().clone() for p in g.parameters()]
    for t in range(3):
        b = noise_for(gan, t)
        state, logs = step(gan, state, b)
        for i in range(d_steps):
            fake = g(b.z[i]).detach()
            real_mean, fake_mean = d(b.x[i]).mean().item(), d(fake).mean().item()
            d_loss = manual_loss(loss, d, b.x[i], fake) + manual_penalty(penalty, d, b.x[i], fake, b.noise[i])
            opt_d.zero_grad()
            d_loss.backward()
            opt_d.step()
        g_loss = manual_g_loss(loss, d, b.x[-1], g(b.z[-1]))
        opt_g.zero_grad()
        g_loss.backward()
        opt_g.step()
        average = [0.9 * a + 0.1 * p.detach() for a, p in zip(average, g.parameters(), strict=True)]
        want = [d_loss.item(), g_loss.item(), real_mean, fake_mean]
        assert [float(v) for v in logs] == pytest.approx(want, rel=1e-8, abs=1e-9)
    for mine, theirs in ((state.G, g), (state.D, d)):
        for name, value in theirs.named_parameters():
            torch.testing.assert_close(mine.params[name], value.detach(), rtol=1e-8, atol=1e-9)
    for mine, theirs in zip(state.average.values(), average, strict=True):
        torch.testing.assert_close(mine, theirs)


def recipes():
    G, D = nets(dropout=True)
    for name in losses.LOSSES:
        yield pytest.param(gu.GAN(G, D, loss=name, penalties=(penalties.r1(1.0), penalties.dragan(1.0))), id=name)
    for play in (*PLAYS, gu.consensus(0.3), gu.unrolled(2), gu.unrolled(2, through=False)):
        yield pytest.param(
            gu.GAN(G, D, play=play, penalties=penalties.wgan_gp(), ema=0.5), id=getattr(play, "name", play)
        )
    yield pytest.param(gu.GAN(G, gu.critics.Pac(nn.Linear(4, 1), 2), d_steps=2, loss="hinge"), id="pac")
    bn = nn.Sequential(nn.Linear(Z, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    bd = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    yield pytest.param(gu.GAN(bn, bd, penalties=(penalties.r2(1.0),)), id="batchnorm")


@pytest.mark.parametrize("gan", list(recipes()))
def test_vmap_agrees_with_a_loop_and_nothing_is_changed(gan):
    states = [in_double(gan.init(seed)) for seed in range(3)]
    noise = [noise_for(gan, seed) for seed in range(3)]
    before = copy.deepcopy((states, noise))
    alone = [step(gan, s, b) for s, b in zip(states, noise, strict=True)]
    for now, then in zip(tree_leaves((states, noise)), tree_leaves(before), strict=True):
        assert torch.equal(now, then)
    stack = lambda trees: tree_map(lambda *t: torch.stack(t), *trees)  # noqa: E731
    together = vmap(partial(step, gan))(stack(states), stack(noise))
    moved = 0
    for many, one in zip(tree_leaves(together), tree_leaves(stack(alone)), strict=True):
        torch.testing.assert_close(many, one, rtol=1e-8, atol=1e-10)
        moved += int(not torch.equal(one[0], one[1]))
    assert moved > 10  # the members do differ


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("kind", ["wgan_gp"])
def test_compiled_agrees_with_eager(kind):
    G, D = nets(dropout=True)
    gan = gu.GAN(G, D, loss="relativistic", penalties=(penalties.PENALTIES[kind](),), opt_g=optim.sgd(), ema=0.9)
    stack = lambda trees: tree_map(lambda *t: torch.stack(t), *trees)  # noqa: E731
    state = in_double(stack([gan.init(0), gan.init(1)]))
    noise = stack([noise_for(gan, 0), noise_for(gan, 1)])
    eager = vmap(partial(step, gan))
    compiled = torch.compile(eager, fullgraph=True)
    for have, want in zip(tree_leaves(compiled(state, noise)), tree_leaves(eager(state, noise)), strict=True):
        torch.testing.assert_close(have, want, rtol=1e-8, atol=1e-10)


# --- rules of play, by hand on the bilinear game min_theta max_psi theta psi (Dirac-GAN, Wasserstein loss, data at 0)


def bilinear(play, lr: float = 0.25, d_steps: int = 1) -> gu.GAN:
    dirac = gu.models.DiracGenerator(1.0), gu.models.DiracDiscriminator(1.0)
    rule = optim.sgd(lr)
    return gu.GAN(*dirac, loss="wasserstein", opt_g=rule, opt_d=rule, play=play, d_steps=d_steps)


def play_on(gan: gu.GAN, steps: int) -> tuple[float, float]:
    state = in_double(gan.init(0))
    k = gan.d_steps
    zeros = torch.zeros(k, 4, 1, dtype=torch.float64)
    b = Batch(zeros, torch.zeros(k + 1, 4, 1, dtype=torch.float64), zeros, torch.tensor(0))
    for _ in range(steps):
        state, _ = step(gan, state, b)
    return float(state.G.params["theta"]), float(state.D.params["psi"])


def by_hand(rule: str, steps: int, h: float = 0.25, gamma: float = 0.7) -> tuple[float, float]:
    # D minimises theta psi (its gradient: theta), G minimises -theta psi (its gradient: -psi).
    theta = psi = 1.0
    for _ in range(steps):
        if rule in ("alternating", "reusing"):  # this game has no noise
            psi -= h * theta
            theta += h * psi
        elif rule == "simultaneous":
            theta, psi = theta + h * psi, psi - h * theta
        elif rule == "extragradient":
            theta_ahead, psi_ahead = theta + h * psi, psi - h * theta
            theta, psi = theta + h * psi_ahead, psi - h * theta_ahead
        elif rule == "consensus":  # both also descend on gamma (theta^2 + psi^2) / 2
            theta, psi = theta + h * psi - h * gamma * theta, psi - h * theta - h * gamma * psi
        else:
            raise AssertionError(f"{rule!r} is new: write it out by hand in by_hand")
    return theta, psi


@pytest.mark.parametrize("rule", [*PLAYS, "consensus"])
def test_rules_of_play_on_the_bilinear_game(rule):
    gan = bilinear(gu.consensus(0.7) if rule == "consensus" else rule)
    for steps in (1, 2, 25):
        assert play_on(gan, steps) == pytest.approx(by_hand(rule, steps), rel=1e-10, abs=1e-12)


def families():
    G, D = nets()
    pair = gu.models.WithEncoder(nn.Linear(Z, 2), nn.Linear(2, Z)), nn.Linear(2 + Z, 1)
    batchnorm = nn.Sequential(nn.Linear(Z, 8), nn.BatchNorm1d(8, momentum=1.0), nn.ReLU(), nn.Linear(8, 2))
    yield "penalties", gu.GAN(G, D, penalties=(penalties.r1(1.0), penalties.wgan_gp()), d_steps=3, ema=0.5)
    yield "pairs", gu.GAN(G, D, loss="relativistic", penalties=(penalties.r1(1.0), penalties.r2(1.0)))
    yield "terms", gu.GAN(G, D, terms=(gu.terms.msgan(1.0), gu.terms.feature_matching(1.0)))
    yield "joint", gu.GAN(*pair, joint=True)
    yield "replay", gu.GAN(G, D, replay=gu.memory.replay(16))
    yield "batchnorm", gu.GAN(batchnorm, D)  # momentum 1: a second pass over the same batch changes no running mean


@pytest.mark.parametrize("gan", [pytest.param(gan, id=name) for name, gan in families()])
def test_reusing_is_alternating_on_noise_that_repeats(gan):
    state, b = in_double(gan.init(0)), noise_for(gan)
    again = b._replace(z=torch.cat([b.z[:-2], b.z[-1:], b.z[-1:]]))  # D's last fakes are G's
    have, want = step(replace(gan, play="reusing"), state, b), step(gan, state, again)
    for mine, theirs in zip(tree_leaves(have), tree_leaves(want), strict=True):
        if mine.is_floating_point():
            torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)
    assert not torch.equal(want[1].g_loss, step(gan, state, b)[1].g_loss)  # fresh noise tells another tale


def test_simultaneous_norm_has_its_closed_form():
    theta, psi = play_on(bilinear("simultaneous"), 50)
    assert (theta**2 + psi**2) ** 0.5 == pytest.approx(2**0.5 * (1 + 0.25**2) ** 25, rel=1e-10)


@pytest.mark.parametrize("rule", ["alternating", "simultaneous"])
def test_d_steps_on_the_bilinear_game(rule):
    theta, psi = play_on(bilinear(rule, d_steps=3), 1)
    assert psi == pytest.approx(1 - 3 * 0.25)
    assert theta == pytest.approx(1 + 0.25 * (1 - (3 if rule == "alternating" else 2) * 0.25))


def test_each_d_step_sees_its_own_batch_and_g_the_last():
    gan = bilinear("alternating", d_steps=2)
    state = in_double(gan.init(0))
    x = torch.tensor([[[1.0]], [[3.0]]], dtype=torch.float64)
    b = Batch(x, torch.zeros(3, 1, 1, dtype=torch.float64), x, torch.tensor(0))
    state, logs = step(gan, state, b)
    psi = 1 - 0.25 * (1 - 1.0)  # gradient of fake - real = psi (theta - x)
    assert float(logs.d_real) == pytest.approx(3 * psi)
    assert float(state.D.params["psi"]) == pytest.approx(psi - 0.25 * (1 - 3.0))


# --- buffers, dropout, initialisation


def test_batchnorm_follows_torchs_running_statistics():
    """One step passes G twice (for D, for itself), D three times: real, fake, then G's fakes."""
    G = nn.Sequential(nn.Linear(Z, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    D = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8, momentum=0.3), nn.Tanh(), nn.Linear(8, 1))
    gan = gu.GAN(G, D, opt_g=optim.sgd(0.125), opt_d=optim.sgd(0.125), penalties=(penalties.r1(2.0),))
    state = in_double(gan.init(0))
    g, d = load(G, state.G), load(D, state.D)
    b = noise_for(gan)
    state, _ = step(gan, state, b)
    quiet = copy.deepcopy(d)  # the penalty's own pass leaves the statistics alone
    fake = g(b.z[0]).detach()
    loss = manual_loss("nonsaturating", d, b.x[0], fake)
    at = b.x[0].clone().requires_grad_()
    (slope,) = torch.autograd.grad(
        torch.func.functional_call(quiet, dict(d.named_parameters()), (at,)).sum(), at, create_graph=True
    )
    (loss + slope.square().sum(1).mean()).backward()
    torch.optim.SGD(d.parameters(), 0.125).step()
    d(g(b.z[-1]))
    for player, network in ((state.G, g), (state.D, d)):
        for name, value in network.named_buffers():
            torch.testing.assert_close(player.buffers[name], value)
        assert player.buffers["1.num_batches_tracked"] == (2 if network is g else 3)
    for name, value in d.named_parameters():
        torch.testing.assert_close(state.D.params[name], value.detach())


def test_buffers_that_a_module_assigns_anew_are_kept():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)
            self.register_buffer("passes", torch.zeros(()))

        def forward(self, x):
            self.passes = self.passes + 1
            return self.layer(x)

    network = Functional(Counting(), "D")
    params, buffers = network.draw()
    _, after = network(params, buffers, torch.ones(3, 2))
    assert float(after["passes"]) == 1 and float(buffers["passes"]) == 0
    gan = gu.GAN(nets()[0], Counting())
    state, _ = step(gan, gan.init(0), noise_for(gan, dtype=torch.float32))
    assert float(state.D.buffers["passes"]) == 3


def mask(p=0.5, layer=0, key=0, shape=(200, 100), **more) -> torch.Tensor:
    dropout = SeededDropout(p, layer, **more)
    dropout._key.fill_(key)
    return dropout(torch.ones(shape))


def share_within(kept: torch.Tensor, p: float, sds: float = 5.0) -> bool:
    # 5 sd of a binomial: a fair coin fails once in 1.7 million; the masks are fixed, so it fails never or always.
    n = kept.numel()
    return abs(float(kept.double().mean()) - p) <= sds * (p * (1 - p) / n) ** 0.5


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_dropout_has_its_rate_and_scale(p):
    for key in (0, 1, 2**31 - 1):
        out = mask(p, key=key)
        assert sorted(out.unique().tolist()) == pytest.approx([0.0, 1 / (1 - p)])
        assert share_within(out > 0, 1 - p)
    rates = torch.stack([mask(p, key=k, shape=(40,)) > 0 for k in range(2_000)])
    assert share_within(rates, 1 - p)
    spread = rates.double().sum(1).var() / (40 * p * (1 - p))  # 1 for independent keys; sd about (2 / 2000)^(1/2) = .03
    assert abs(float(spread) - 1) < 0.2


def test_dropout_is_independent_between_layers_keys_and_neighbours():
    base = mask(key=12345) > 0
    others = {
        "next key": mask(key=12346) > 0,
        "key of the next critic step": mask(key=12345 + 8) > 0,
        "next layer": mask(key=12345, layer=1) > 0,
        "right neighbour": base.roll(1, 1),
        "row below": base.roll(1, 0),
        "16 on": base.flatten().roll(16).view_as(base),
    }
    for name, other in others.items():
        assert share_within(base == other, 0.5), name
    assert torch.equal(base, mask(key=12345) > 0)


def test_dropout_edges():
    x = torch.randn(5, 4)
    assert torch.equal(SeededDropout(0.0, 0)(x), x)
    assert torch.equal(SeededDropout(1.0, 0)(x), torch.zeros(5, 4))
    assert torch.equal(SeededDropout(0.5, 0).eval()(x), x)
    channelwise = mask(0.5, shape=(50, 20, 3, 3), channels=True)
    assert torch.equal(channelwise, channelwise[..., :1, :1].expand_as(channelwise))
    assert share_within(channelwise[:, :, 0, 0] > 0, 0.5)
    assert SeededDropout(0.5, 0)(x.double()).dtype == torch.float64


def test_a_dropout_layer_used_twice_draws_two_masks_wherever_it_stands():
    drop = nn.Dropout(0.5)

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.drop = nn.Linear(400, 1), drop

        def forward(self, x):
            return torch.cat([self.drop(torch.ones_like(x)), self.drop(torch.ones_like(x))]) + 0 * self.layer(x).mean()

    network = Functional(Twice(), "D")
    first, second = network(*network.draw(), torch.ones(20, 400), 7)[0].split(20)
    assert share_within((first > 0) == (second > 0), 0.5)
    assert torch.equal(network(*network.draw(), torch.ones(20, 400), 7)[0][:20] > 0, first > 0)
    shared = Functional(nn.Sequential(nn.Linear(3, 3), drop, nn.Linear(3, 3), drop), "D")
    shared(*shared.draw(), torch.ones(4, 3), 1)
    state = shared.draw()
    before = torch.random.get_rng_state()
    one, two = (shared(*state, torch.ones(4, 3), 5)[0] for _ in range(2))
    assert torch.equal(one, two) and torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("build", [nets, lambda: (gu.models.DCGANGenerator(5, 2), gu.models.DCGANDiscriminator(2))])
@pytest.mark.parametrize("as_builder", [False, True])
def test_init_equals_seeding_and_building(build, as_builder):
    G, D = build()
    if as_builder:
        gan = gu.GAN(
            lambda: build()[0], lambda: build()[1], latent=G[0].in_features if isinstance(G, nn.Sequential) else 5
        )
    else:
        gan = gu.GAN(G, D)
    torch.manual_seed(99)
    outside = torch.random.get_rng_state()
    state = gan.init(11)
    assert torch.equal(outside, torch.random.get_rng_state())
    torch.manual_seed(11)
    if as_builder:
        want_g, want_d = build()[0], None  # a builder of both would draw D's numbers in between
    else:
        want_g, want_d = build()
    for player, network in ((state.G, want_g), (state.D, want_d)):
        if network is not None:
            assert set(player.params) == {name for name, _ in network.named_parameters()}
            for name, value in network.state_dict().items():
                assert torch.equal((player.params | player.buffers)[name], value), name
    other = gan.init(12)
    assert not torch.equal(next(iter(other.G.params.values())), next(iter(state.G.params.values())))
    again = gan.init(11)
    assert all(torch.equal(a, b) for a, b in zip(tree_leaves(again), tree_leaves(state), strict=True))


def test_modules_are_copied_never_changed():
    G, D = nets(dropout=True)
    before = copy.deepcopy(D.state_dict())
    gan = gu.GAN(G, D)
    gan.init(5)
    step(gan, gan.init(0), noise_for(gan, dtype=torch.float32))
    assert isinstance(D[2], nn.Dropout) and all(torch.equal(v, before[k]) for k, v in D.state_dict().items())


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x * self.scale


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(G=3), TypeError, "G must be an nn.Module or a function that builds one; got int"),
        (dict(D=nn.Linear), TypeError, "D must be a module, or a function that builds one"),
        (dict(D=lambda: 3), TypeError, r"D\(\) must return an nn.Module; it returned int"),
        (dict(D=nn.ReLU()), ValueError, "D has no parameters"),
        (dict(G=Bare()), ValueError, r"G has parameters that no reset_parameters\(\) sets \(scale\)"),
        (dict(G=Bare), ValueError, "latent cannot be read off G"),
        (dict(latent=0), ValueError, "latent must be at least 1; got 0"),
        (dict(latent=2.0), TypeError, "latent must be a whole number"),
        (dict(loss="hing"), ValueError, r"loss='hing' is not known. Did you mean 'hinge'\?"),
        (dict(loss=None), ValueError, "loss=None is not known"),
        (dict(penalties=["r1"]), TypeError, r"penalties must hold values such as r1\(10.0\)"),
        (dict(penalties=(penalties.r1,)), TypeError, "penalties must hold values"),
        (dict(terms=["msgan"]), TypeError, r"terms must hold values such as msgan\(1.0\)"),
        (dict(terms=gu.terms.msgan), TypeError, "terms must hold values"),
        (dict(penalties=5), TypeError, "penalties must hold values"),
        (dict(replay=0.5), TypeError, r"replay must be a value such as replay\(1_024\) or None; got 0.5"),
        (dict(joint=True), ValueError, "joint=True needs a G with an encoder, such as models.WithEncoder"),
        (dict(terms=gu.terms.reconstruction()), ValueError, "the term reconstruction needs a G with an encoder"),
        (dict(opt_g="adam"), TypeError, "opt_g must be an optimiser"),
        (dict(opt_d=optim.adam), TypeError, "opt_d must be an optimiser"),
        (dict(d_steps=0), ValueError, "d_steps must be at least 1; got 0"),
        (dict(d_steps=True), TypeError, "d_steps must be a whole number"),
        (
            dict(play=gu.consensus),
            TypeError,
            r"play must be a rule, such as consensus\(\) or unrolled\(\) gives; got the",
        ),
        (
            dict(play=gu.unrolled),
            TypeError,
            r"play must be a rule, such as consensus\(\) or unrolled\(\) gives; got the",
        ),
        (dict(play="simultanous"), ValueError, r"play='simultanous' is not known. Did you mean 'simultaneous'\?"),
        (dict(ema=1.0), ValueError, "ema must be a finite number at least 0, at most 0.999999; got 1.0"),
        (dict(ema=-0.1), ValueError, "ema must be a finite number"),
    ],
)
def test_bad_recipes_are_named(arguments, error, words):
    G, D = nets()
    with pytest.raises(error, match=words):
        gu.GAN(**({"G": G, "D": D} | arguments))


@settings(max_examples=25)
@given(
    name=st.sampled_from(["d_steps", "ema", "latent"]),
    value=st.one_of(
        st.none(), st.text(max_size=3), st.floats(max_value=-1e-9), st.integers(max_value=-1), st.lists(st.none())
    ),
)
def test_no_bad_number_gets_through(name, value):
    if name == "latent" and value is None:
        return
    with pytest.raises((ValueError, TypeError), match=f"^{name} must be"):
        gu.GAN(*nets(), **{name: value})


def test_recipes_that_train_differently_are_told_apart():
    G, D = nets()
    base = gu.GAN(G, D).describe()
    others = [
        gu.GAN(D=D, G=nn.Sequential(nn.Linear(Z, 9), nn.Linear(9, 2))),
        gu.GAN(G, D, loss="hinge"),
        gu.GAN(G, D, penalties=penalties.r1(1.0)),
        gu.GAN(G, D, penalties=penalties.r1(2.0)),
        gu.GAN(G, D, opt_g=optim.adam(2e-3)),
        gu.GAN(G, D, opt_d=optim.optimistic(optim.adam())),
        gu.GAN(G, D, d_steps=2),
        gu.GAN(G, D, play="simultaneous"),
        *(
            gu.GAN(G, D, penalties=penalties.gradient_penalty(at, target=0, weight=1, name="mine"))
            for at in penalties.PLACES
        ),
        gu.GAN(G, D, play=gu.consensus(1.0)),
        gu.GAN(G, D, play=gu.consensus(2.0)),
        gu.GAN(G, D, play=gu.unrolled(2)),
        gu.GAN(G, D, play=gu.unrolled(3)),
        gu.GAN(G, D, play=gu.unrolled(3, through=False)),
        gu.GAN(G, D, terms=gu.terms.msgan(1.0)),
        gu.GAN(G, D, terms=gu.terms.msgan(2.0)),
        gu.GAN(G, D, replay=gu.memory.replay(8)),
        gu.GAN(G, D, replay=gu.memory.replay(8, 0.25)),
        gu.GAN(G, gu.critics.InstanceNoise(D, 0.1)),
        gu.GAN(G, gu.critics.InstanceNoise(D, 0.1, 50)),
        gu.GAN(G, gu.critics.Spectral(D)),
        gu.GAN(G, D, ema=0.9),
        gu.GAN(gu.models.DiracGenerator(1.0), D),
        gu.GAN(gu.models.DiracGenerator(2.0), D),
    ]
    shown = [str(r) for r in (base, *(o.describe() for o in others))]
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize("value", [gu.penalties.r1(), gu.terms.msgan()], ids=["penalty", "term"])
def test_what_a_compiled_step_calls_is_no_named_tuple(value):
    """The compiler of PyTorch 2.9 cannot call one: a recipe with a penalty would run uncompiled, and many times as slow."""
    assert callable(value) and not isinstance(value, tuple)
    with pytest.raises(AttributeError):
        value.weight = 2.0


def test_weights_of_ones_own_are_not_thrown_away_without_a_word():
    """A module's weights are drawn anew by its parts' rules. Where that gives another spread, it is said, at this line."""

    def as_dcgan(part):
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, 0.0, 0.02)

    D = gu.models.mlp(2, 64, 1)
    with pytest.warns(UserWarning, match="G's weights are drawn anew for every seed.* To keep yours") as told:
        gu.GAN(gu.models.mlp(4, 64, 64, 2).apply(as_dcgan), D)
    assert len(told) == 1 and told[0].filename == __file__
    gu.GAN(lambda: gu.models.mlp(4, 64, 64, 2).apply(as_dcgan), D)  # kept, so nothing is to be said
    for G in (
        gu.models.mlp(4, 64, 64, 2),
        nn.Sequential(nn.Linear(4, 64), nn.LSTM(64, 64)),
        gu.models.DCGANGenerator(),
    ):
        gu.GAN(G, D)
