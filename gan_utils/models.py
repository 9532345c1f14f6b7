"""The networks of the book, as modules: small MLPs, the MNIST pair, DCGAN for 28 x 28, the stacked-MNIST pair, the Dirac-GAN.

Generators carry ``latent``, the length of their input. Discriminators end in one logit, without a sigmoid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from gan_utils import checks
from gan_utils.terms import chosen

__all__ = [
    "DCGANDiscriminator", "DCGANGenerator", "DiracDiscriminator", "DiracGenerator", "Generators",
    "StackedDiscriminator", "StackedGenerator", "WithEncoder", "mlp", "mnist_discriminator", "mnist_generator",
]  # fmt: skip


def mlp(
    *widths: int,
    slope: float = 0.0,
    dropout: float = 0.0,
    last: nn.Module | None = None,
    shape: tuple[int, ...] | None = None,
) -> nn.Sequential:
    """Return a multi-layer perceptron ``[B, *, widths[0] in total] -> [B, widths[-1]]``.

    Args:
        widths: layer widths, input first; at least two.
        slope: negative slope of the (leaky) ReLU between layers; 0 is the plain ReLU.
        dropout: share of hidden activations dropped, after each activation.
        last: module after the last layer, for example ``nn.Tanh()``.
        shape: shape of one output, if it is not a vector.

    Example:
        >>> G = gu.models.mlp(16, 32, 784, last=torch.nn.Tanh(), shape=(1, 28, 28))
        >>> G(torch.randn(5, 16)).shape
        torch.Size([5, 1, 28, 28])
    """
    if len(widths) < 2:
        raise ValueError(f"widths must name at least the input and the output; got {widths}.")
    widths = tuple(checks.integer("widths", width) for width in widths)
    slope = checks.number("slope", slope, least=0)
    dropout = checks.number("dropout", dropout, least=0, most=1)
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in pairwise(widths[:-1]):
        layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(slope) if slope else nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
    layers += [nn.Linear(widths[-2], widths[-1])]
    layers += [checks.kind("last", last, nn.Module)] if last is not None else []
    if shape is not None:
        shape = tuple(checks.integer("shape", size) for size in checks.kind("shape", shape, Sequence))
        if math.prod(shape) != widths[-1]:
            raise ValueError(f"shape must hold the {widths[-1]} numbers of the last layer; got {shape}.")
        layers += [nn.Unflatten(1, shape)]
    return nn.Sequential(*layers)


def mnist_generator(latent: int = 100) -> nn.Sequential:
    """The reference MLP generator: latent-256-512-1024-784, ReLU, tanh; ``[B, latent] -> [B, 1, 28, 28]`` in [-1, 1]."""
    return mlp(checks.integer("latent", latent), 256, 512, 1024, 784, last=nn.Tanh(), shape=(1, 28, 28))


def mnist_discriminator() -> nn.Sequential:
    """The reference MLP discriminator: 784-1024-512-256-1, LeakyReLU 0.2, dropout 0.3; ``[B, 1, 28, 28] -> [B, 1]``."""
    return mlp(784, 1024, 512, 256, 1, slope=0.2, dropout=0.3)


class _Drawn(nn.Module):
    """A network of ``layers`` that begins as DCGAN's (Radford et al., 2016): weights N(0, 0.02), no shift."""

    layers: nn.Sequential
    noisy_scale = True  # BatchNorm's scale begins at N(1, 0.02) too; otherwise at 1 exactly

    def reset_parameters(self) -> None:
        """Draw the initial weights."""
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.normal_(part.weight, 0.0, 0.02)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
            elif isinstance(part, nn.BatchNorm2d):
                part.reset_parameters()
                if self.noisy_scale:
                    nn.init.normal_(part.weight, 1.0, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class DCGANGenerator(_Drawn):
    """DCGAN's generator (Radford et al., 2016) for 28 x 28: ``[B, latent] -> [B, channels, 28, 28]`` in [-1, 1].

    A linear layer to 7 x 7 maps, then two transposed convolutions (4 x 4, stride 2), with BatchNorm and ReLU.
    """

    def __init__(self, latent: int = 64, width: int = 32, channels: int = 1) -> None:
        super().__init__()
        self.latent = checks.integer("latent", latent)
        width, channels = checks.integer("width", width), checks.integer("channels", channels)
        self.layers = nn.Sequential(
            nn.Linear(latent, 2 * width * 49, bias=False),
            nn.Unflatten(1, (2 * width, 7, 7)),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        self.reset_parameters()


class DCGANDiscriminator(_Drawn):
    """DCGAN's discriminator for 28 x 28: ``[B, channels, 28, 28] -> [B, 1]``; strided convolutions, LeakyReLU 0.2.

    ``norm=False`` leaves BatchNorm out, as gradient penalties ask for.
    """

    def __init__(self, width: int = 32, channels: int = 1, *, norm: bool = True) -> None:
        super().__init__()
        width, channels = checks.integer("width", width), checks.integer("channels", channels)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=not norm),
            nn.BatchNorm2d(2 * width) if norm else nn.Identity(),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * width * 49, 1),
        )
        self.reset_parameters()


class WithEncoder(nn.Module):
    """A generator with a network beside it that reads samples and trains in G's turn; ``encode=True`` asks for that one.

    Args:
        generator: latents ``[B, latent] -> [B, *shape]``.
        encoder: samples ``[B, *shape] -> [B, *]``: latents for ALI and VEEGAN, logits of K generators for MGAN.
        latent: length of a latent; by default the generator's attribute, or its first layer's width.
    """

    def __init__(self, generator: nn.Module, encoder: nn.Module, latent: int | None = None) -> None:
        super().__init__()
        self.generator = checks.kind("generator", generator, nn.Module)
        self.encoder = checks.kind("encoder", encoder, nn.Module)
        self.latent = getattr(generator, "latent", None) if latent is None else checks.integer("latent", latent)

    def forward(self, x: Tensor, *, encode: bool = False) -> Tensor:
        return self.encoder(x) if encode else self.generator(x)


class Generators(nn.Module):
    """K generators that share all but their first layer (MGAN, Hoang et al., 2018): ``[B, latent + 1] -> [B, *shape]``.

    The first entry of a latent says which one makes the sample, each with probability 1 / K
    (:func:`~gan_utils.terms.chosen`). What it gives, ``[B, width]``, goes through ReLU and then ``shared``.
    """

    def __init__(self, k: int, latent: int, width: int, shared: nn.Module) -> None:
        super().__init__()
        self.k, self.latent = checks.integer("k", k), checks.integer("latent", latent) + 1
        self.first = nn.Linear(latent, self.k * checks.integer("width", width))
        self.shared = checks.kind("shared", shared, nn.Module)

    def forward(self, z: Tensor) -> Tensor:
        each = self.first(z[:, 1:]).view(len(z), self.k, -1)
        mine = chosen(z, self.k)[:, None, None].expand(-1, 1, each.shape[2])
        return self.shared(each.gather(1, mine)[:, 0].relu())

    def extra_repr(self) -> str:
        return f"k={self.k}"


class StackedGenerator(_Drawn):
    """The small generator for stacked MNIST of Metz et al. (2017): ``[B, 256] -> [B, 3, 28, 28]`` in [-1, 1].

    A linear layer to 4 x 4 maps of 64 channels, transposed convolutions (3 x 3, stride 2) to 32, 16 and 8, each with
    BatchNorm and ReLU, and a 3 x 3 convolution to three channels with tanh. The paper gives the widths; how 4 becomes 28
    we take from PacGAN's code (Lin et al., 2018): 4 -> 7 -> 14 -> 28, that is padding 1, and one more row and column
    (``output_padding``) in the last two; and so is BatchNorm after the linear layer. Weights begin as DCGAN's, N(0, 0.02).
    There are no biases where BatchNorm, which follows, would take them out again.
    """

    noisy_scale = False  # PacGAN's code leaves it as its framework makes it

    def __init__(self, latent: int = 256) -> None:
        super().__init__()
        self.latent = checks.integer("latent", latent)
        self.first = nn.Linear(latent, 16 * 64, bias=False)
        layers = [nn.BatchNorm2d(64), nn.ReLU()]
        for width, extra in ((32, 0), (16, 1), (8, 1)):
            up = nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=extra, bias=False)
            layers += [up, nn.BatchNorm2d(width), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8, 3, 3, padding=1), nn.Tanh())
        self.reset_parameters()

    def forward(self, z: Tensor) -> Tensor:
        # Channels innermost in memory, as in PacGAN's code: on a CPU these convolutions then take half the time.
        return self.layers(self.first(z).view(-1, 4, 4, 64).permute(0, 3, 1, 2))


SIZES = {"quarter": 2, "half": 4}  # channels of the first layer; G's last layers have 8


class StackedDiscriminator(_Drawn):
    """The discriminators that go with it: ``[B, channels, 28, 28] -> [B, 1]``; convolutions 3 x 3 of stride 2, leaky 0.3.

    ``size="quarter"`` has 2, 4 and 8 channels, ``"half"`` 4, 8 and 16, of G's 8, 16 and 32: in parameters D is 502 or 154
    times smaller than G. BatchNorm follows every convolution, the first too, as in PacGAN's code. For PacGAN give
    three channels for each packed stack, ``Pac(StackedDiscriminator("quarter", channels=6), 2)``; the width stays.
    """

    noisy_scale = False

    def __init__(self, size: str = "quarter", channels: int = 3) -> None:
        super().__init__()
        width = SIZES[checks.choice("size", size, SIZES)]
        widths = (checks.integer("channels", channels), width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            down = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False)
            layers += [down, nn.BatchNorm2d(n_out), nn.LeakyReLU(0.3)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * width * 16, 1))
        self.reset_parameters()


class _OneNumber(nn.Module):
    """A player of the Dirac-GAN: one parameter, which begins where it is told to."""

    def __init__(self, name: str, start: float) -> None:
        super().__init__()
        self.name, self.start = name, checks.number(name, start)
        self.register_parameter(name, nn.Parameter(torch.empty(())))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Return the parameter to its start."""
        nn.init.constant_(getattr(self, self.name), self.start)

    def extra_repr(self) -> str:
        return f"{self.name}={self.start:g}"


class DiracGenerator(_OneNumber):
    """The Dirac-GAN's generator (Mescheder et al., 2018): one point theta, whatever the latent; ``[B, 1] -> [B, 1]``."""

    latent = 1
    theta: Tensor

    def __init__(self, theta: float = 1.0) -> None:
        super().__init__("theta", theta)

    def forward(self, z: Tensor) -> Tensor:
        return self.theta.expand(z.shape[0], 1)


class DiracDiscriminator(_OneNumber):
    """The Dirac-GAN's discriminator: the line ``psi * x``; ``[B, 1] -> [B, 1]``."""

    psi: Tensor

    def __init__(self, psi: float = 1.0) -> None:
        super().__init__("psi", psi)

    def forward(self, x: Tensor) -> Tensor:
        return self.psi * x
