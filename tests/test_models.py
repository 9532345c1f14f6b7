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


def test_reset_draws_anew_and_repeats_with_the_seed():
    G = models.DCGANGenerator(5, 2)
    torch.manual_seed(3)
    G.reset_parameters()
    first = {k: v.clone() for k, v in G.state_dict().items()}
    G.reset_parameters()
    assert not torch.equal(G.layers[0].weight, first["layers.0.weight"])
    torch.manual_seed(3)
    G.reset_parameters()
    assert torch.equal(G.layers[0].weight, first["layers.0.weight"])


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
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
