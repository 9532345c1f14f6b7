"""Discriminator tricks against brute force, torch's own spectral norm, and what their random numbers must fulfil."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

import gan_utils as gu
from gan_utils.critics import DiffAugment, InstanceNoise, MinibatchDiscrimination, MinibatchStddev, Pac, Spectral
from gan_utils.functional import Functional, Seeded, random_bits


def points(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class Same(nn.Module):
    """Returns what it is given, so that a wrapper shows what it does to samples."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def reset_parameters(self):
        nn.init.zeros_(self.weight)

    def forward(self, x):
        return x


def shown(wrapper: nn.Module, x: torch.Tensor, key: int = 3, **more) -> torch.Tensor:
    network = Functional(wrapper, "D")
    return network(*network.draw(), x, key, **more)[0]


# --- spectral normalisation


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 6, 3, stride=2), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(54, 1)).double()


def test_spectral_divides_by_the_largest_singular_value():
    D, x = convolutional(), points(5, 1, 7, 7)
    network = Functional(Spectral(D), "D")
    params, buffers = {f"D.{k}": v.detach() for k, v in D.named_parameters()}, network.draw()[1]
    for _ in range(300):
        out, buffers = network(params, buffers, x)
    divided = {
        k: v / torch.linalg.svdvals(v.flatten(1))[0] if v.ndim > 1 else v for k, v in dict(D.named_parameters()).items()
    }
    torch.testing.assert_close(out, torch.func.functional_call(D, divided, (x,)).detach(), rtol=1e-9, atol=1e-10)
    at_rest, same = network(params, buffers, x, training=False)
    torch.testing.assert_close(at_rest, out)
    assert all(torch.equal(same[k], buffers[k]) for k in buffers) and set(buffers) == {"u_0_weight", "u_3_weight"}


def test_spectral_has_the_value_and_gradient_of_torchs_once_both_have_converged():
    D, x = convolutional(), points(5, 1, 7, 7)
    network = Functional(Spectral(D), "D")
    params = {f"D.{k}": v.detach() for k, v in D.named_parameters()}
    buffers = network.draw()[1]
    for _ in range(300):
        _, buffers = network(params, buffers, x)
    mine = torch.func.grad(lambda p: network(p, buffers, x)[0].square().sum())(params)
    theirs = convolutional()
    for layer in (theirs[0], theirs[3]):
        nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=300)
    theirs(x).square().sum().backward()
    for name, layer in (("0", theirs[0]), ("3", theirs[3])):
        want = layer.parametrizations.weight.original.grad
        torch.testing.assert_close(mine[f"D.{name}.weight"], want, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(mine[f"D.{name}.bias"], layer.bias.grad, rtol=1e-6, atol=1e-8)


def test_spectral_makes_one_power_iteration_a_pass_and_a_fresh_one_fifteen():
    network = Functional(Spectral(nn.Linear(4, 3)), "D")
    torch.manual_seed(5)
    params, buffers = network.draw()
    weight, u = params["D.weight"], buffers["u_weight"]
    torch.manual_seed(5)
    nn.Linear(4, 3).reset_parameters(), nn.Linear(4, 3).reset_parameters()
    _, after = network(params, buffers, torch.zeros(2, 4))
    want = weight @ nn.functional.normalize(weight.T @ u, dim=0)
    torch.testing.assert_close(after["u_weight"], want / want.norm())
    top = torch.linalg.svdvals(weight)[0]
    assert float((weight.T @ u).norm()) == pytest.approx(float(top), rel=1e-2) and float(u.norm()) == pytest.approx(1)


def test_spectral_leaves_nothing_behind_in_the_module():
    inner = nn.Linear(2, 1)
    before = inner.weight.detach().clone()
    wrapper = Spectral(inner)
    wrapper(torch.ones(3, 2))
    assert torch.equal(inner.weight, before) and isinstance(inner.weight, nn.Parameter)


def test_spectral_scale_multiplies_the_output():
    D, x = gu.models.mlp(2, 8, 1), points(5, 2).float()
    torch.manual_seed(0)
    plain = Spectral(D).eval()
    torch.manual_seed(0)
    torch.testing.assert_close(Spectral(D, scale=16.0).eval()(x), 16 * plain(x))
    with pytest.raises(ValueError, match="scale must be a finite number above 0; got 0"):
        Spectral(D, scale=0)


# --- looking across the batch


def test_minibatch_discrimination_by_brute_force():
    layer = MinibatchDiscrimination(4, kernels=3, dims=2).double().requires_grad_(False)
    x = points(5, 4)
    out = layer(x)
    assert torch.equal(out[:, :4], x) and out.shape == (5, 7)
    T = layer.T.view(4, 3, 2)
    for i in range(5):
        for k in range(3):
            others = [j for j in range(5) if j != i]
            want = sum(math.exp(-float(((x[i] - x[j]) @ T[:, k]).abs().sum())) for j in others)
            assert float(out[i, 4 + k]) == pytest.approx(want, rel=1e-10)
    twice = layer(x[:1].expand(6, 4))
    torch.testing.assert_close(twice[:, 4:], torch.full((6, 3), 5.0, dtype=torch.float64))  # all alike: B - 1


@pytest.mark.parametrize("shape", [(3,), (3, 2, 2)])
def test_minibatch_stddev_by_brute_force(shape):
    x = points(6, *shape)
    out = MinibatchStddev(3)(x)
    assert torch.equal(out[:, :3], x) and out.shape == (6, 4, *shape[1:])
    for start in (0, 3):
        group = x[start : start + 3].flatten(1)
        spread = [math.sqrt(float(((c - c.mean()) ** 2).mean()) + 1e-8) for c in group.T]
        want = sum(spread) / len(spread)
        assert out[start : start + 3, 3].flatten().tolist() == pytest.approx([want] * out[:3, 3].numel())
    alike = MinibatchStddev(2)(torch.ones(4, 3))
    torch.testing.assert_close(alike[:, 3], torch.full((4,), 1e-4))
    with pytest.raises(ValueError, match="batch=6 is not divisible by group=4"):
        MinibatchStddev()(x)
    with pytest.raises(ValueError, match="group must be at least 2; got 1"):
        MinibatchStddev(1)


def test_who_judges_alone():
    """Fit sends real and fake through D together only where neighbours make no difference."""
    width = gu.models.mlp(2, 8, 8, slope=0.2)
    look = lambda layer, n: nn.Sequential(*width, layer, nn.Linear(8 + n, 1))  # noqa: E731
    cases = [
        (Spectral(gu.models.mlp(2, 8, 1)), True),
        (InstanceNoise(gu.models.mlp(2, 8, 1), 0.5), True),
        (InstanceNoise(nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))), False),
        (look(MinibatchDiscrimination(8, 2, 2), 2), False),
        (look(MinibatchStddev(4), 1), True),
        (look(MinibatchStddev(8), 1), True),
        (Pac(gu.models.mlp(4, 8, 1), 2), True),
    ]
    for D, alone in cases:
        network = Functional(D, "D")
        x = points(16, 2, dtype=torch.float32)
        assert network.judges_alone(*network.draw(), x[:8], x[8:]) is alone, D


def test_tricks_compose():
    """PacGAN, spectral norm, instance noise and R1 in one expression."""
    G, ring = gu.models.mlp(2, 8, 2), gu.data.ring()
    D = InstanceNoise(Spectral(Pac(gu.models.mlp(4, 8, 1), 2)), 0.1)
    gan = gu.GAN(G, D, loss="hinge", penalties=gu.penalties.r1(1.0))
    run = gu.fit(gan, ring, steps=3, seeds=2, batch=8, compile=False, progress=False)
    assert not run.diverged.any() and float(run.state.D.buffers["_age"][0]) == 3


# --- random numbers


def test_uniform_and_normal_numbers_have_their_distributions():
    class Draw(Seeded):
        def forward(self, x):
            return torch.stack([self.uniform(200, 100), self.normal(200, 100)])

    u, n = Draw()(None)
    assert float(u.min()) > 0 and float(u.max()) < 1 and n.isfinite().all()
    # 20,000 numbers: standard errors .0020 and .0071 of the means, .0050 of n's standard deviation; five of each.
    assert abs(float(u.mean()) - 0.5) < 0.0102 and abs(float(n.mean())) < 0.035 and abs(float(n.std()) - 1) < 0.025
    counts = torch.histc(u, 10, 0, 1)
    assert float(((counts - 2_000) ** 2 / 2_000).sum()) < 33.7  # chi-squared of 9 degrees: 1e-4
    assert abs(float((n.abs() < 1).float().mean()) - 0.6827) < 0.0165
    assert abs(float(torch.corrcoef(torch.stack([u.flatten(), n.flatten()]))[0, 1])) < 0.035  # two calls: unrelated


@pytest.mark.parametrize("bits", [-(2**31), 2**31 - 1])
def test_the_extreme_bits_give_finite_numbers(bits, monkeypatch):
    monkeypatch.setattr(Seeded, "bits", lambda self, *shape: torch.full(shape, bits, dtype=torch.int32))
    assert 0 < float(Seeded().uniform(1)) < 1 and Seeded().normal(1).isfinite().all()


def test_bits_are_a_function_of_key_and_place():
    key = torch.tensor(7)
    assert torch.equal(random_bits((3, 5), key), random_bits((15,), key).view(3, 5))
    assert not torch.equal(random_bits((15,), key), random_bits((15,), key + 1))
    bits = random_bits((1_000,), key)
    assert bits.dtype == torch.int32 and int(bits.min()) < -(2**31) * 0.98 and int(bits.max()) > 2**31 * 0.98


def test_bits_are_the_hash_in_exact_integers():
    def mix(bits):
        for _ in range(2):
            bits = ((bits >> 16 ^ bits) * 0x45D9F3B) % 2**32
        return bits >> 16 ^ bits

    key = 2**33 + 12_345  # more than 32 bits: the rest is left out
    exact = [mix(place ^ mix(key % 2**32)) - 2**31 for place in range(1_000)]
    assert random_bits((1_000,), torch.tensor(key)).tolist() == exact


def test_no_two_modules_of_a_network_draw_the_same_numbers():
    drop = nn.Dropout(0.5)
    network = Functional(
        InstanceNoise(InstanceNoise(nn.Sequential(drop, nn.Linear(2, 1), nn.Dropout(0.1)), 1.0), 1.0), "D"
    )
    assert sorted(part.layer for part in network._train.modules() if isinstance(part, Seeded)) == [0, 1, 2, 3]
    once, twice = (shown(wrapper, torch.zeros(500, 2)) for wrapper in (InstanceNoise(Same(), 1.0), _nested(1.0)))
    assert float(twice.std()) == pytest.approx(2**0.5, abs=0.16) and not torch.allclose(twice, 2 * once)


def _nested(std: float) -> nn.Module:
    return InstanceNoise(InstanceNoise(Same(), std), std)


def test_instance_noise_has_its_size_and_follows_the_key():
    x = points(400, 25)
    noise = shown(InstanceNoise(Same(), 0.7), x) - x
    assert noise.dtype == torch.float64 and float(noise.std()) == pytest.approx(0.7, abs=0.025)
    assert torch.equal(shown(InstanceNoise(Same(), 0.7), x) - x, noise)
    other = shown(InstanceNoise(Same(), 0.7), x, key=4) - x
    assert abs(float((noise * other).mean())) < 0.025
    assert torch.equal(shown(InstanceNoise(Same(), 0.7), x, training=False), x)


def test_instance_noise_fades_with_the_steps():
    network = Functional(InstanceNoise(Same(), 0.8, steps=100), "D")
    params, buffers = network.draw()
    x = torch.zeros(300, 30)
    for age, left in [(0, 1.0), (25, 0.75), (100, 0.0), (1_000, 0.0)]:
        noise = network(params, buffers | {"_age": torch.tensor(float(age))}, x)[0]
        assert float(noise.std()) == pytest.approx(0.8 * left, abs=0.03)
    older = network.older(buffers)
    assert float(older["_age"]) == 1 and float(buffers["_age"]) == 0


@pytest.mark.parametrize("play", ["alternating", "extragradient", gu.consensus(0.1), gu.unrolled(2)])
def test_noise_ages_by_one_a_step_whatever_the_play(play):
    D = InstanceNoise(gu.models.mlp(2, 4, 1), 0.5, 100)
    gan = gu.GAN(gu.models.mlp(2, 4, 2), D, play=play, d_steps=2)
    run = gu.fit(gan, gu.data.ring(), steps=4, seeds=2, batch=4, compile=False, progress=False)
    assert run.state.D.buffers["_age"].tolist() == [4, 4]


# --- DiffAugment


augment = partial(DiffAugment, Same())


def test_brightness_adds_one_number_a_sample():
    x = points(600, 2, 6, 6)
    added = shown(augment(shift=0, cutout=0), x) - x
    torch.testing.assert_close(added, added[:, :1, :1, :1].expand_as(added))
    values = added[:, 0, 0, 0]
    assert -0.5 < float(values.min()) < -0.45 and 0.45 < float(values.max()) < 0.5


def test_shift_moves_by_whole_pixels_and_fills_with_zero():
    x = points(400, 1, 8, 8)
    out = shown(augment(brightness=0, shift=0.25, cutout=0), x)
    padded = nn.functional.pad(x, (2, 2, 2, 2))
    seen = set()
    for i in range(len(x)):
        fits = [(r, c) for r in range(5) for c in range(5) if torch.equal(out[i], padded[i, :, r : r + 8, c : c + 8])]
        assert len(fits) == 1
        seen.update(fits)
    assert len(seen) == 25


def test_cutout_sets_a_square_to_zero_wherever_its_centre_is():
    x = torch.ones(500, 1, 8, 8)
    out = shown(augment(brightness=0, shift=0, cutout=0.5), x)
    rows, columns = (out[:, 0] == 0).any(2), (out[:, 0] == 0).any(1)
    assert torch.equal(out[:, 0] == 0, rows[:, :, None] & columns[:, None])
    heights = rows.sum(1)  # the centre, from 0 to 8, may lie so that half of the square is outside
    assert set(heights.tolist()) == {2, 3, 4} and set(out.unique().tolist()) == {0.0, 1.0}
    assert float((heights == 4).float().mean()) == pytest.approx(5 / 9, abs=0.11)
    assert float(torch.corrcoef(torch.stack([heights, columns.sum(1)]).double())[0, 1]) < 0.2


def test_augmentation_lets_gradients_through_and_rests_in_evaluation():
    x = points(3, 1, 8, 8)
    network = Functional(augment(), "D")
    slope = torch.func.grad(lambda x: network(*network.draw(), x, 3)[0].sum())(x)
    assert set(slope.unique().tolist()) == {0.0, 1.0}  # a pixel is seen once, or cut out or shifted away
    assert torch.equal(shown(augment(), x, training=False), x)
    with pytest.raises(ValueError, match=r"DiffAugment takes images \[B, c, h, w\]; got \[3, 2\]"):
        augment()(torch.zeros(3, 2))


# --- features


def test_features_are_what_enters_the_last_layer():
    body = nn.Sequential(nn.Linear(4, 5), nn.LeakyReLU(0.2))
    D = nn.Sequential(*body, nn.Linear(5, 1))
    network = Functional(Pac(D, 2), "D")
    params, buffers = network.draw()
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    features = network.features(params, buffers, x)
    assert features.shape == (3, 5)
    torch.testing.assert_close(network(params, buffers, x)[0], features @ params["D.2.weight"].T + params["D.2.bias"])
    spectral = Functional(Spectral(D), "D")
    params, buffers = spectral.draw()
    w = params["D.2.weight"]
    seen = spectral.features(params, buffers, x.view(3, 4))
    torch.testing.assert_close(spectral(params, buffers, x.view(3, 4))[0], seen @ (w / w.norm()).T + params["D.2.bias"])
    line = Functional(nn.Linear(2, 1), "D")
    assert torch.equal(line.features(*line.draw(), x), x)
    dirac = Functional(gu.models.DiracDiscriminator(), "D")
    assert torch.equal(dirac.features(*dirac.draw(), x[:, :1]), x[:, :1])


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: MinibatchDiscrimination(0), "features must be at least 1"),
        (lambda: MinibatchDiscrimination(4, kernels=0), "kernels must be at least 1"),
        (lambda: MinibatchDiscrimination(4, dims=1.5), "dims must be a whole number"),
        (lambda: InstanceNoise(Same(), -1), "std must be a finite number at least 0"),
        (lambda: InstanceNoise(Same(), 1, 0), "steps must be at least 1"),
        (lambda: DiffAugment(Same(), cutout=2), "cutout must be a finite number at least 0, at most 1"),
    ],
)
def test_bad_settings_are_named(call, words):
    with pytest.raises((ValueError, TypeError), match=f"^{words}"):
        call()


class HeadFirst(nn.Module):
    """Names its layers in another order than it calls them; ``aux`` is named last and never called."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.body, self.aux = nn.Linear(6, 1), nn.Linear(2, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.body(x).relu())


@pytest.mark.parametrize("norm", [lambda layer: layer, nn.utils.parametrizations.weight_norm])
def test_features_go_by_the_order_of_the_calls(norm):
    def critic():
        D = HeadFirst()
        D.head = norm(D.head)
        return D

    network = Functional(critic, "D")
    params, buffers = network.draw()
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    features = network.features(params, buffers, x)
    torch.testing.assert_close(features, (x @ params["body.weight"].T + params["body.bias"]).relu())
