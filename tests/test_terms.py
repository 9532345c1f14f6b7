"""What G sees beside its loss, and what D sees beside this step's fakes: terms, joint games, look-ahead, replay; by hand."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy, softplus
from torch.utils._pytree import tree_map

import gan_utils as gu
from gan_utils import optim, terms
from gan_utils.gan import Batch, step
from gan_utils.terms import TERMS, View

B, Z = 8, 2
LR = 0.0625


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def view(**more) -> View:
    fake, real = draw(B, 3, seed=1), draw(B, 3, seed=2) + 1
    parts = {"z": draw(B, Z), "sample": fake, "fake": fake, "real": real, "features": torch.tanh}
    return View(**(parts | {"encode": lambda x: x[:, :Z]} | more))


def in_double(tree):
    return tree_map(lambda t: t.double() if t.is_floating_point() else t, tree)


def batch(gan: gu.GAN, seed: int = 0) -> Batch:
    k = gan.d_steps
    key = torch.tensor(77 + seed)
    return Batch(draw(k, B, 2, seed=seed) + 1, draw(k + 1, B, gan.latent, seed=seed + 50), torch.zeros(k, 0), key)


# --- terms


@pytest.mark.parametrize("name", TERMS)
def test_conformance(name):
    """Every term: named, a finite scalar, in proportion to its weight, differentiable, alone or under vmap."""
    term, seen = TERMS[name](), view()
    value = term(seen)
    assert term.name == name and value.shape == () and value.dtype == torch.float64 and value.isfinite()
    torch.testing.assert_close(TERMS[name](3.0)(seen), 3 * value)

    def of(fake):
        return term(seen._replace(fake=fake, sample=fake))

    slope = grad(of)(seen.fake)
    assert slope.isfinite().all() and slope.abs().max() > 0
    change = draw(B, 3, seed=9) * 1e-6
    assert float(of(seen.fake + change) - of(seen.fake - change)) / 2 == pytest.approx(
        float((slope * change).sum()), rel=1e-3
    )
    both = torch.stack([seen.fake, 2 * seen.fake])
    torch.testing.assert_close(vmap(grad(of))(both)[0], slope)
    with pytest.raises(ValueError, match="weight must be a finite number at least 0"):
        TERMS[name](-1)


def test_feature_matching_by_hand():
    fake, real = torch.tensor([[0.0, 2.0], [2.0, 4.0]]), torch.tensor([[1.0, 1.0], [3.0, 0.0]])
    seen = view(fake=fake, real=real, features=lambda x: 2 * x)
    # Mean features (2, 6) and (4, 1).
    assert float(terms.feature_matching(0.5)(seen)) == pytest.approx(0.5 * ((2 - 4) ** 2 + (6 - 1) ** 2))


class Tailed(nn.Module):
    """A D that does something with its answer before it returns it."""

    def __init__(self, norm=lambda layer: layer, tail=lambda a: a) -> None:
        super().__init__()
        self.body, self.head, self.tail = nn.Linear(2, 5), norm(nn.Linear(5, 1)), tail

    def forward(self, x):
        return self.tail(self.head(self.body(x).relu()))


TAILS = {"none": lambda a: a, "view": lambda a: a.view(-1), "first": lambda a: a[:, 0], "mean": lambda a: a.mean(1)}
NORMS = [
    torch.nn.utils.parametrizations.spectral_norm,
    torch.nn.utils.parametrizations.weight_norm,
    gu.critics.Spectral,
]


@pytest.mark.parametrize(
    "D",
    [*(Tailed(tail=tail) for tail in TAILS.values()), *(Tailed(norm) for norm in NORMS)],
    ids=[*TAILS, "sn", "wn", "ours"],
)
def test_features_are_what_enters_the_last_layer_whatever_comes_after(D):
    pure = gu.functional.Functional(lambda: copy.deepcopy(D), "D")
    params, buffers = pure.draw()
    x = draw(6, 2).float()
    body = functional_call(pure._train.body, {k[5:]: v for k, v in params.items() if k.startswith("body.")}, (x,))
    for again in (pure, copy.deepcopy(pure)):
        torch.testing.assert_close(again.features(params, buffers, x), body.relu())
    many = vmap(lambda x: pure.features(params, buffers, x))(torch.stack([x, x + 1]))
    torch.testing.assert_close(many[0], body.relu())


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_msgan_of_a_linear_generator(scale):
    """G(z) = s z has the ratio s, whatever the latents: 1 / (s + 1e-5). A collapsed one costs 1e5."""
    z = draw(7, Z)  # odd: one is left out
    assert float(terms.msgan()(view(z=z, sample=scale * z))) == pytest.approx(1 / (scale + 1e-5), rel=1e-12)
    assert float(terms.msgan()(view(z=z, sample=torch.ones(7, 5).double()))) == pytest.approx(1e5)


def test_msgan_is_a_ratio_of_means():
    z, x = torch.tensor([[1.0], [5.0], [0.0], [2.0]]), torch.tensor([[2.0], [0.0], [0.0], [9.0]])
    # Pairs (0, 2) and (1, 3): |dx| = 2, 9 and |dz| = 1, 3; the mean of the ratios would be 2.5, the ratio of means is 2.75.
    assert float(terms.msgan()(view(z=z, sample=x))) == pytest.approx(1 / (2.75 + 1e-5))


def test_gdpp_against_the_eigen_decomposition_written_out():
    seen = view()
    parts = []
    for x in (seen.fake, seen.real):
        f = np.tanh(x.numpy())
        f = f / np.linalg.norm(f, axis=1, keepdims=True)
        # f has 3 columns: the five other eigenvalues are 0, and weigh nothing. From the small side: f^T f.
        small, vectors = np.linalg.eigh(f.T @ f)
        parts.append((np.r_[np.zeros(B - 3), small], f @ vectors / np.sqrt(small)))
    (fake, fake_vectors), (real, real_vectors) = parts
    cosines = np.abs((fake_vectors * real_vectors).sum(0))
    want = 1e-4 * ((fake - real) ** 2).mean() - (real[-3:] / real.max() * cosines).sum()
    assert float(terms.gdpp()(seen)) == pytest.approx(want, rel=1e-4)
    alike = float(terms.gdpp()(seen._replace(fake=seen.real)))
    assert alike == pytest.approx(-(real / real.max()).sum(), rel=1e-4) and alike < want


def test_gdpp_is_finite_where_samples_coincide():
    collapsed = view(features=lambda x: x).real[:1].expand(B, 3)
    for features in (lambda x: x, lambda x: 0 * x):
        seen = view(features=features)
        slope = grad(lambda fake, seen=seen: terms.gdpp()(seen._replace(fake=fake)))(collapsed)
        assert slope.isfinite().all()


def test_reconstruction_by_hand():
    z = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
    seen = view(z=z, sample=2 * z, encode=lambda x: x)
    assert float(terms.reconstruction()(seen)) == pytest.approx((1 + 4 + 0 + 1) / 2)


def test_telling_apart_is_the_cross_entropy_of_the_generators_number():
    z = torch.tensor([[-2.0, 0.0], [-0.1, 0.0], [0.1, 0.0], [2.0, 0.0]], dtype=torch.float64)
    logits = draw(4, 4)
    value = terms.telling_apart()(view(z=z, sample=z, encode=lambda x: logits))
    torch.testing.assert_close(value, cross_entropy(logits, torch.arange(4)))


def test_latents_choose_generators_evenly():
    z = torch.randn(40_000, 2, generator=torch.Generator().manual_seed(0))
    shares = torch.bincount(terms.chosen(z, 5), minlength=5) / 40_000
    assert shares.tolist() == pytest.approx([0.2] * 5, abs=0.01)  # five standard errors
    assert terms.chosen(torch.tensor([[-40.0], [0.0], [40.0]]), 2).tolist() == [0, 1, 1]


def test_each_generator_is_its_own_first_layer_and_the_shared_rest():
    torch.manual_seed(0)
    shared = nn.Linear(4, 2)
    G = gu.models.Generators(3, 5, 4, shared)
    z = torch.randn(20, 6)
    out = G(z)
    assert G.latent == 6
    for i, k in enumerate(terms.chosen(z, 3).tolist()):
        first = G.first.weight[4 * k : 4 * k + 4] @ z[i, 1:] + G.first.bias[4 * k : 4 * k + 4]
        torch.testing.assert_close(out[i], shared(first.relu()))


def test_terms_are_added_to_gs_loss_and_only_to_his():
    G, D = gu.models.mlp(Z, 6, 2), gu.models.mlp(2, 5, 1, slope=0.2)
    plain, more = (gu.GAN(G, D, terms=t) for t in ((), (terms.msgan(0.5), terms.feature_matching(2.0))))
    state = in_double(plain.init(0))
    b = batch(plain)
    (after, logs), (_, logs_more) = step(plain, state, b), step(more, state, b)
    assert torch.equal(logs.d_loss, logs_more.d_loss) and not torch.equal(logs.g_loss, logs_more.g_loss)
    fake = plain.G(state.G.params, {}, b.z[-1])[0]
    features = partial(plain.D.features, after.D.params, {})
    seen = View(b.z[-1], fake, fake, b.x[-1], features, None)
    extra = sum(term(seen) for term in more.terms)
    assert float(logs_more.g_loss) == pytest.approx(float(logs.g_loss + extra), rel=1e-9)


# --- joint games


def players(seed: int = 0):
    torch.manual_seed(seed)
    return gu.models.mlp(Z, 6, 2), gu.models.mlp(2, 6, Z, slope=0.2), gu.models.mlp(2 + Z, 6, 1, slope=0.2)


def joint(loss: str, **more) -> gu.GAN:
    G, E, D = players()
    sgd = optim.sgd(LR)
    return gu.GAN(gu.models.WithEncoder(G, E), D, loss=loss, joint=True, opt_g=sgd, opt_d=sgd, **more)


@pytest.mark.parametrize("kind", ["ali", "veegan"])
def test_joint_games_follow_a_plain_autograd_loop(kind):
    extra = {"terms": terms.reconstruction(0.5)} if kind == "veegan" else {}
    gan = joint("bidirectional" if kind == "ali" else "reverse_kl", **extra)
    state = in_double(gan.init(0))
    G, E, D = (net.double() for net in players())
    for net, player, prefix in ((G, state.G, "generator."), (E, state.G, "encoder."), (D, state.D, "")):
        net.load_state_dict({name: player.params[prefix + name].clone() for name in net.state_dict()})
    ours, theirs = [*G.parameters(), *E.parameters()], list(D.parameters())
    for t in range(3):
        b = batch(gan, t)
        state, logs = step(gan, state, b)
        real, fake = (torch.cat(pair, 1).detach() for pair in ((b.x[0], E(b.x[0])), (G(b.z[0]), b.z[0])))
        d_loss = (softplus(-D(real)) + softplus(D(fake))).mean()
        moves = torch.autograd.grad(d_loss, theirs)
        with torch.no_grad():
            _ = [p.sub_(LR * g) for p, g in zip(theirs, moves, strict=True)]
        sample = G(b.z[1])
        on_fake, on_real = D(torch.cat([sample, b.z[1]], 1)), D(torch.cat([b.x[0], E(b.x[0])], 1))
        if kind == "ali":
            g_loss = (softplus(-on_fake) + softplus(on_real)).mean()
        else:
            g_loss = -on_fake.mean() + 0.5 * (b.z[1] - E(sample)).square().sum(1).mean()
        moves = torch.autograd.grad(g_loss, ours)
        with torch.no_grad():
            _ = [p.sub_(LR * g) for p, g in zip(ours, moves, strict=True)]
        assert [float(logs.d_loss), float(logs.g_loss)] == pytest.approx([d_loss.item(), g_loss.item()], rel=1e-9)
    for net, player, prefix in ((G, state.G, "generator."), (E, state.G, "encoder."), (D, state.D, "")):
        for name, value in net.state_dict().items():
            torch.testing.assert_close(player.params[prefix + name], value, rtol=1e-8, atol=1e-10)


def test_penalties_and_judging_work_on_pairs():
    gan = joint("bidirectional", penalties=(gu.penalties.wgan_gp(), gu.penalties.dragan()))
    run = gu.fit(gan, gu.data.ring(), steps=2, seeds=2, batch=B, compile=False, progress=False)
    assert run.sample(5).shape == (2, 5, 2) and not run.diverged.any()
    x = gu.data.ring().sample(5, gu.generator(0))
    own = {k: v[1] for k, v in run.state.G.params.items()}
    code = gan.G(own, {}, x, encode=True)[0]
    want = gan.D({k: v[1] for k, v in run.state.D.params.items()}, {}, torch.cat([x, code], 1))[0].flatten()
    torch.testing.assert_close(run.judge(x)[1], want)
    image = gu.models.mlp(3, 4, 12, shape=(3, 2, 2))
    G = gu.models.WithEncoder(image, gu.models.mlp(12, 4, 3))
    both = (gu.penalties.wgan_gp(), gu.penalties.dragan())
    gan = gu.GAN(G, gu.models.mlp(15, 4, 1), joint=True, loss="bidirectional", penalties=both)
    source = gu.data.Points(draw(9, 3, 2, 2))
    run = gu.fit(gan, source, steps=2, batch=B, compile=False, progress=False)
    assert not run.diverged.any() and run.judge(source.points).shape == (1, 9)


def test_misfits_of_a_joint_game_are_named():
    def fitting(E, D):
        gan = gu.GAN(gu.models.WithEncoder(gu.models.mlp(Z, 4, 2), E), D, joint=True)
        gu.fit(gan, gu.data.ring(), steps=1, batch=B, progress=False)

    with pytest.raises(ValueError, match=r"G's encoder\(data\) must have shape \[8, 2\]; got \[8, 5\]"):
        fitting(gu.models.mlp(2, 4, 5), gu.models.mlp(4, 1))
    with pytest.raises(ValueError, match=r"G's encoder cannot take data \[8, 2\]"):
        fitting(gu.models.mlp(3, 4, 2), gu.models.mlp(4, 1))
    with pytest.raises(ValueError, match=r"D cannot take pairs \[8, 4\]"):
        fitting(gu.models.mlp(2, 4, 2), gu.models.mlp(2, 1))


# --- look-ahead


def unrolled_by_hand(gan, state, b, k, through, move):
    """G's gradient by autograd with create_graph, D's steps written out."""
    g = {n: v.clone().requires_grad_() for n, v in state.G.params.items()}
    d = {n: v.clone().requires_grad_() for n, v in state.D.params.items()}
    fake = functional_call(gan.G._train, g, (b.z[0],)).detach()
    D = lambda p, x: functional_call(gan.D._train, p, (x,))[:, 0]  # noqa: E731
    loss = lambda p, x, f: (softplus(-D(p, x)) + softplus(D(p, f))).mean()  # noqa: E731
    opt = state.D.opt
    first = torch.autograd.grad(loss(d, b.x[0], fake), list(d.values()))
    d, opt = move(d, dict(zip(d, first, strict=True)), opt)
    ahead = {n: v.detach().requires_grad_() for n, v in d.items()}
    fake = functional_call(gan.G._train, g, (b.z[1],))
    for _ in range(k):
        slopes = torch.autograd.grad(loss(ahead, b.x[0], fake), list(ahead.values()), create_graph=True)
        ahead, opt = move(ahead, dict(zip(ahead, slopes, strict=True)), opt)
    if not through:
        ahead = {n: v.detach() for n, v in ahead.items()}
    grads = torch.autograd.grad(softplus(-D(ahead, fake)).mean(), list(g.values()))
    return dict(zip(g, grads, strict=True)), d


@pytest.mark.parametrize("through", [True, False])
@pytest.mark.parametrize("k", [0, 1, 3])
@pytest.mark.parametrize("opt_d", [optim.sgd(0.3), optim.adam(0.05)], ids=["sgd", "adam"])
def test_unrolling_against_autograd_written_out(k, through, opt_d):
    G, D = gu.models.mlp(Z, 6, 2), gu.models.mlp(2, 6, 1, slope=0.2)
    gan = gu.GAN(G, D, opt_g=optim.sgd(LR), opt_d=opt_d, play=gu.unrolled(k, through))
    state = in_double(gan.init(1))
    b = batch(gan)
    after, _ = step(gan, state, b)
    grads, d = unrolled_by_hand(gan, state, b, k, through, opt_d.update)
    for name, slope in grads.items():
        torch.testing.assert_close(after.G.params[name], state.G.params[name] - LR * slope, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(after.D.params["1.weight"], d["1.weight"].detach())  # D has moved once, not k times


def test_unrolled_by_no_step_is_alternating_play_and_the_gradient_through_makes_a_difference():
    G, D = gu.models.mlp(Z, 6, 2), gu.models.mlp(2, 6, 1, slope=0.2)
    build = partial(gu.GAN, G, D, opt_g=optim.sgd(LR), opt_d=optim.sgd(0.5))
    rules = {"alternating": "alternating", "none": gu.unrolled(0), "with": gu.unrolled(2)}
    rules["without"] = gu.unrolled(2, through=False)
    moved = {}
    for name, rule in rules.items():
        gan = build(play=rule)
        moved[name] = step(gan, in_double(gan.init(0)), batch(gan))[0].G.params["1.weight"]
    assert torch.equal(moved["none"], moved["alternating"])
    gaps = [float((moved["with"] - moved[n]).abs().max()) for n in ("without", "none")]
    assert min(gaps) > 1e-4


@pytest.mark.parametrize("through", [True, False])
def test_unrolling_on_the_bilinear_game(through, h=0.25, k=3):
    """G minimises -theta psi_k with psi_k = psi - k h theta: its gradient is -psi_k, and through the steps k h theta more."""
    dirac = gu.models.DiracGenerator(1.0), gu.models.DiracDiscriminator(1.0)
    gan = gu.GAN(*dirac, loss="wasserstein", opt_g=optim.sgd(h), opt_d=optim.sgd(h), play=gu.unrolled(k, through))
    zeros = torch.zeros(1, 4, 1, dtype=torch.float64)
    state = in_double(gan.init(0))
    theta = psi = 1.0
    for _ in range(5):
        state, _ = step(gan, state, Batch(zeros, torch.zeros(2, 4, 1).double(), zeros, torch.tensor(0)))
        psi -= h * theta
        theta -= h * (-(psi - k * h * theta) + (k * h * theta if through else 0))
    assert (float(state.G.params["theta"]), float(state.D.params["psi"])) == pytest.approx((theta, psi))


def test_unrolling_survives_dead_units():
    def D():
        net = gu.models.mlp(2, 6, 1)
        nn.init.constant_(net[1].bias, -50.0)  # no unit ever fires: most of D's gradient is 0, and so is Adam's square
        return net

    gan = gu.GAN(gu.models.mlp(Z, 6, 2), D, play=gu.unrolled(3))
    after, _ = step(gan, in_double(gan.init(0)), batch(gan))
    assert all(v.isfinite().all() for v in after.G.params.values())


def test_looking_ahead_leaves_ds_buffers_where_they_were():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)
            self.register_buffer("passes", torch.zeros(()))

        def forward(self, x):
            self.passes = self.passes + 1
            return self.layer(x)

    for through in (True, False):
        gan = gu.GAN(gu.models.mlp(Z, 6, 2), Counting(), play=gu.unrolled(3, through))
        after, _ = step(gan, in_double(gan.init(0)), batch(gan))
        assert float(after.D.buffers["passes"]) == 2  # on real and on fake, in D's own turn


# --- replay


def test_replay_swaps_and_loses_nothing():
    pool, fake = torch.arange(10.0)[:, None], 100 + torch.arange(6.0)[:, None]
    kept = pool.clone(), fake.clone()
    shown, after = gu.memory.replay(10, 0.5).swap(pool, fake, torch.tensor(5))
    assert torch.equal(pool, kept[0]) and torch.equal(fake, kept[1])
    assert torch.equal(shown[:3], fake[:3]) and (shown[3:] < 100).all() and len(shown[3:].unique()) == 3
    assert sorted(torch.cat([shown, after]).flatten().tolist()) == sorted(torch.cat([pool, fake]).flatten().tolist())
    changed = (after != pool).flatten()
    assert torch.equal(after[changed].sort(0).values, fake[3:]) and torch.equal(pool[changed], shown[3:].sort(0).values)
    other = gu.memory.replay(10, 0.5).swap(pool, fake, torch.tensor(6))[0]
    assert not torch.equal(other, shown)
    times = torch.stack([(gu.memory.replay(10, 0.5).swap(pool, fake, torch.tensor(k))[1] >= 100) for k in range(2_000)])
    assert (times.float().mean(0) - 0.3).abs().max() < 0.052  # each place, five standard errors


@pytest.mark.parametrize("share, lent", [(0.0, 0), (0.25, 2), (1.0, 4)])
def test_replay_lends_its_share_at_most_all_it_has(share, lent):
    shown, after = gu.memory.replay(4, share).swap(torch.zeros(4, 1), torch.ones(8, 1), torch.tensor(1))
    assert int((shown == 0).sum()) == lent == int((after == 1).sum())


def test_the_pool_begins_with_fakes_of_the_untrained_generator_and_grows_up():
    gan = gu.GAN(gu.models.mlp(Z, 6, 2), gu.models.mlp(2, 6, 1), replay=gu.memory.replay(20))
    state = gan.init(3)
    plain = gu.GAN(gu.models.mlp(Z, 6, 2), gu.models.mlp(2, 6, 1)).init(3)
    assert all(torch.equal(v, plain.D.params[k]) for k, v in state.D.params.items())  # drawn after the networks
    pool = state.memory["fakes"]
    hidden = nn.functional.linear(pool - state.G.params["3.bias"], torch.linalg.pinv(state.G.params["3.weight"]))
    again = nn.functional.linear(hidden, state.G.params["3.weight"], state.G.params["3.bias"])
    assert pool.shape == (20, 2)
    torch.testing.assert_close(again, pool)
    b = tree_map(lambda t: t.float() if t.is_floating_point() else t, batch(gan))
    after, _ = step(gan, state, b)
    fakes = gan.G(state.G.params, {}, b.z[0])[0]
    fresh = (after.memory["fakes"] != pool).any(1)
    assert int(fresh.sum()) == B // 2
    new = after.memory["fakes"][fresh]
    assert (torch.cdist(new, fakes[B // 2 :]).min(1).values < 1e-6).all()


def test_d_learns_from_old_fakes_too():
    """With a share of 1 and a pool of one far point, D's mean logit on `fake` is that on the far point."""
    gan = gu.GAN(gu.models.mlp(Z, 6, 2), gu.models.mlp(2, 1), replay=gu.memory.replay(B, 1.0))
    state = in_double(gan.init(0))
    far = torch.full((B, 2), 30.0, dtype=torch.float64)
    _, logs = step(gan, state._replace(memory={"fakes": far}), batch(gan))
    assert float(logs.d_fake) == pytest.approx(float(gan.D(state.D.params, {}, far)[0].mean()))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: gu.memory.replay(0), "size must be at least 1"),
        (lambda: gu.memory.replay(share=1.5), "share must be a finite number at least 0, at most 1"),
        (lambda: gu.unrolled(-1), "k must be at least 0; got -1"),
        (lambda: gu.unrolled(2.5), "k must be a whole number"),
        (lambda: gu.models.Generators(0, 1, 1, nn.Linear(1, 1)), "k must be at least 1"),
        (lambda: gu.models.Generators(2, 1, 0, nn.Linear(1, 1)), "width must be at least 1"),
    ],
)
def test_bad_settings_are_named(call, words):
    with pytest.raises((ValueError, TypeError), match=f"^{words}"):
        call()


@pytest.mark.parametrize("play", ["extragradient", gu.gan.unrolled(3), gu.gan.unrolled(3, through=False)])
def test_looking_ahead_d_sees_old_fakes_at_every_look(play, monkeypatch):
    """With a share of 1 and a pool of far points, all that D ever takes for a fake is far."""
    seen = []
    whole = gu.gan.d_objective

    def noted(params, gan, buffers, real, fake, noise, key):
        seen.append(fake.detach())
        return whole(params, gan, buffers, real, fake, noise, key)

    monkeypatch.setattr(gu.gan, "d_objective", noted)
    gan = gu.GAN(gu.models.mlp(Z, 6, 2), gu.models.mlp(2, 6, 1), play=play, replay=gu.memory.replay(B, 1.0))
    state = in_double(gan.init(0))
    after, _ = step(gan, state._replace(memory={"fakes": torch.full((B, 2), 30.0, dtype=torch.float64)}), batch(gan))
    assert len(seen) == (2 if play == "extragradient" else 4)
    assert all(float(torch.as_tensor(fake).min()) == 30 for fake in seen)
    assert float(after.memory["fakes"].max()) < 30  # this step's fakes wait there for the next one


def test_batchnorm_in_a_classifier_beside_g_learns_its_averages():
    ring = gu.data.ring()
    classifier = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    G = gu.models.WithEncoder(gu.models.mlp(2, 8, 2), classifier)
    gan = gu.GAN(G, gu.models.mlp(2, 8, 1), terms=gu.terms.telling_apart())
    run = gu.fit(gan, ring, steps=5, seeds=2, batch=16, compile=False, progress=False)
    buffers = run.state.G.buffers
    assert buffers["encoder.1.num_batches_tracked"].tolist() == [5, 5]
    assert (buffers["encoder.1.running_mean"] != 0).any(1).all()


@pytest.mark.parametrize("loss", ["nonsaturating", "hinge", "wasserstein"])
def test_a_joint_game_whose_encoder_nothing_trains_is_refused(loss):
    with pytest.raises(ValueError, match=f"loss='{loss}' never trains G's encoder"):
        gu.fit(joint(loss), gu.data.ring(), steps=1, batch=B, progress=False)
    for loss_, more in (("bidirectional", {}), (loss, {"terms": terms.reconstruction()})):
        gan = joint(loss_, **more)
        run = gu.fit(gan, gu.data.ring(), steps=1, batch=B, progress=False, device="cpu")
        before = gan.init(0).G.params
        moved = [not torch.equal(v[0], before[k]) for k, v in run.state.G.params.items() if k.startswith("encoder")]
        assert all(moved) and moved
