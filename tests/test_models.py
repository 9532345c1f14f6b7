"""The book's networks: shapes, exact parameter counts, how they are drawn."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from gan_utils import models


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def linear(*widths: int) -> int:
    return sum(a * b + b for a, b in pairwise(widths))


def test_the_reference_generator_is_exactly_as_published():
    G = models.mnist_generator()
    kinds = [type(part).__name__ for part in G]
    assert kinds == ["Flatten", *["Linear", "ReLU"] * 3, "Linear", "Tanh", "Unflatten"]
    assert count(G) == linear(100, 256, 512, 1024, 784) == 1_486_352
    out = G(torch.randn(5, 100)).detach()
    assert out.shape == (5, 1, 28, 28) and float(out.abs().max()) <= 1
    assert models.mnist_generator(16)(torch.randn(2, 16)).shape == (2, 1, 28, 28)


def test_the_reference_discriminator_is_exactly_as_published():
    D = models.mnist_discriminator()
    kinds = [type(part).__name__ for part in D]
    assert kinds == ["Flatten", *["Linear", "LeakyReLU", "Dropout"] * 3, "Linear"]
    assert count(D) == linear(784, 1024, 512, 256, 1) == 1_460_225
    assert {p.negative_slope for p in D if isinstance(p, nn.LeakyReLU)} == {0.2}
    assert {p.p for p in D if isinstance(p, nn.Dropout)} == {0.3}
    assert D(torch.randn(5, 1, 28, 28)).shape == (5, 1)


def test_dcgan():
    G, D = models.DCGANGenerator(10, width=4), models.DCGANDiscriminator(width=4)
    assert G(torch.randn(3, 10)).shape == (3, 1, 28, 28) and D(torch.randn(3, 1, 28, 28)).shape == (3, 1)
    assert G.latent == 10 and float(G(torch.randn(3, 10)).detach().abs().max()) <= 1
    assert count(G) == 10 * 8 * 49 + 2 * 8 + 8 * 4 * 16 + 2 * 4 + 4 * 16 + 1
    assert count(D) == 4 * 16 + 4 + 4 * 8 * 16 + 2 * 8 + 8 * 49 + 1
    plain = models.DCGANDiscriminator(width=4, norm=False)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in plain.modules())
    assert count(plain) == count(D) - 2 * 8 + 8
    assert models.DCGANGenerator(10, 4, channels=3)(torch.randn(2, 10)).shape == (2, 3, 28, 28)
    assert models.DCGANDiscriminator(4, channels=3)(torch.randn(2, 3, 28, 28)).shape == (2, 1)


def test_the_stacked_pair_is_exactly_as_published():
    """Sides and widths layer by layer, as PacGAN's code has them (D=0.25G and D=0.5G)."""
    G = models.StackedGenerator()
    sides = []
    for part in G.layers:
        if isinstance(part, (nn.ConvTranspose2d, nn.Conv2d)):
            part.register_forward_hook(lambda _, __, out: sides.append(tuple(out.shape[1:])))
    out = G(torch.randn(5, 256)).detach()
    assert sides == [(32, 7, 7), (16, 14, 14), (8, 28, 28), (3, 28, 28)]
    assert out.shape == (5, 3, 28, 28) and float(out.abs().max()) <= 1 and G.latent == 256
    ups = 9 * (64 * 32 + 32 * 16 + 16 * 8)
    assert count(G) == 256 * 1024 + ups + 2 * (64 + 32 + 16 + 8) + 9 * 8 * 3 + 3
    assert models.StackedGenerator(10)(torch.randn(2, 10)).shape == (2, 3, 28, 28)
    for size, (a, b, c) in {"quarter": (2, 4, 8), "half": (4, 8, 16)}.items():
        D = models.StackedDiscriminator(size)
        widths = [part.out_channels for part in D.layers if isinstance(part, nn.Conv2d)]
        assert widths == [a, b, c] and D(torch.randn(5, 3, 28, 28)).shape == (5, 1)
        assert count(D) == 9 * (3 * a + a * b + b * c) + 2 * (a + b + c) + 16 * c + 1
        assert {part.negative_slope for part in D.layers if isinstance(part, nn.LeakyReLU)} == {0.3}
        packed = models.StackedDiscriminator(size, channels=6)
        assert count(packed) == count(D) + 9 * 3 * a  # only the first layer grows


def test_the_stacked_pair_is_drawn_as_published():
    torch.manual_seed(0)
    for network in (models.StackedGenerator(), models.StackedDiscriminator("half")):
        for part in network.modules():
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                w = part.weight.detach()
                assert abs(float(w.mean())) < 6 * 0.02 / w.numel() ** 0.5
                assert abs(float(w.std()) / 0.02 - 1) < 6 / (2 * w.numel()) ** 0.5
                assert part.bias is None or not part.bias.any()
            elif isinstance(part, nn.BatchNorm2d):
                assert (part.weight == 1).all() and not part.bias.any()


def test_dcgan_is_drawn_as_published():
    """Weights N(0, .02), scales N(1, .02): within 6 standard errors of both moments."""
    torch.manual_seed(0)
    for network in (models.DCGANGenerator(), models.DCGANDiscriminator()):
        for part in network.modules():
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d)):
                w, centre = part.weight.detach(), float(isinstance(part, nn.BatchNorm2d))
                assert abs(float(w.mean()) - centre) < 6 * 0.02 / w.numel() ** 0.5
                assert abs(float(w.std()) / 0.02 - 1) < 6 / (2 * w.numel()) ** 0.5
                assert part.bias is None or not part.bias.any()


@pytest.mark.parametrize(
    "network", [models.DCGANGenerator(5, 2), models.StackedGenerator(), models.StackedDiscriminator()]
)
def test_reset_draws_anew_and_repeats_with_the_seed(network):
    torch.manual_seed(3)
    network.reset_parameters()
    weights = [p.detach() for p in network.parameters() if p.ndim > 1]
    first = [w.clone() for w in weights]
    network.reset_parameters()
    assert not any(map(torch.equal, weights, first))
    torch.manual_seed(3)
    network.reset_parameters()
    assert all(map(torch.equal, weights, first))


def test_mlp():
    net = models.mlp(2, 8, 8, 3, slope=0.1, dropout=0.2, last=nn.Sigmoid(), shape=(3, 1))
    kinds = [type(part).__name__ for part in net]
    assert kinds == ["Flatten", *["Linear", "LeakyReLU", "Dropout"] * 2, "Linear", "Sigmoid", "Unflatten"]
    assert net(torch.randn(4, 2)).shape == (4, 3, 1) and models.mlp(6, 1)(torch.randn(4, 2, 3)).shape == (4, 1)
    assert count(models.mlp(6, 1)) == 7


def test_dirac_players():
    G, D = models.DiracGenerator(0.5), models.DiracDiscriminator(-2.0)
    assert G(torch.randn(4, 1)).tolist() == [[0.5]] * 4 and G.latent == 1
    assert D(torch.tensor([[1.0], [3.0]])).tolist() == [[-2.0], [-6.0]]
    with torch.no_grad():
        G.theta.fill_(9)
    G.reset_parameters()
    assert float(G.theta.detach()) == 0.5 and count(G) == count(D) == 1
    assert "theta=0.5" in str(G) and "psi=-2" in str(D)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: models.mlp(2), ValueError, "widths must name at least the input and the output"),
        (lambda: models.mlp(2, 0, 1), ValueError, "widths must be at least 1; got 0"),
        (lambda: models.mlp(2, 3.5), TypeError, "widths must be a whole number"),
        (lambda: models.mlp(2, 1, slope=-1), ValueError, "slope must be"),
        (lambda: models.mlp(2, 1, dropout=1.5), ValueError, "dropout must be"),
        (lambda: models.mnist_generator(0), ValueError, "latent must be at least 1"),
        (lambda: models.DCGANGenerator(width=-1), ValueError, "width must be at least 1"),
        (lambda: models.DCGANDiscriminator(channels="3"), TypeError, "channels must be a whole number"),
        (
            lambda: models.StackedDiscriminator("quater"),
            ValueError,
            "size='quater' is not known. Did you mean 'quarter'",
        ),
        (lambda: models.StackedDiscriminator(channels=0), ValueError, "channels must be at least 1; got 0"),
        (lambda: models.StackedGenerator(2.5), TypeError, "latent must be a whole number"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
