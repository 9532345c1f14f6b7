"""The training loops of popular GAN tutorials, written plainly: what the package's step is timed against.

Their habits, kept on purpose: sigmoid and binary cross-entropy, a DataLoader with PIL transforms, fresh noise for G,
weight gradients of D computed (and thrown away) in G's step, ``.item()`` at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

import gan_utils as gu

Steps = Callable[[int], None]  # does so many steps


def _adam(network: nn.Module, lr: float, betas: tuple[float, float]) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=lr, betas=betas)


def _bce_loop(G: nn.Module, D: nn.Module, batches: Iterator[Tensor], latent: int, lr: float) -> Steps:
    opt_g, opt_d = _adam(G, lr, (0.5, 0.999)), _adam(D, lr, (0.5, 0.999))
    bce = nn.BCELoss()
    losses: list[tuple[float, float]] = []

    def steps(n: int) -> None:
        for _ in range(n):
            real = next(batches)
            ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            opt_d.zero_grad()
            fake = G(torch.randn(len(real), latent))
            d_loss = bce(D(real), ones) + bce(D(fake.detach()), zeros)
            d_loss.backward()
            opt_d.step()
            opt_g.zero_grad()
            g_loss = bce(D(G(torch.randn(len(real), latent))), ones)
            g_loss.backward()
            opt_g.step()
            losses.append((d_loss.item(), g_loss.item()))

    return steps


def ring_loop(width: int, batch: int) -> Steps:
    """A GAN on the ring: MLPs of this width with two hidden layers, Adam 1e-3."""
    G = gu.models.mlp(2, width, width, 2)
    D = nn.Sequential(gu.models.mlp(2, width, width, 1, slope=0.2), nn.Sigmoid())
    return _bce_loop(G, D, _ring_batches(batch), 2, 1e-3)


def _ring_batches(batch: int) -> Iterator[Tensor]:
    source = gu.data.ring()
    while True:
        yield source.sample(batch)


class _PILImages(torch.utils.data.Dataset):
    """MNIST as torchvision serves it: a PIL image made and transformed for every sample."""

    def __init__(self) -> None:
        from torchvision import transforms

        self.images = gu.data.mnist().images[:, 0].numpy()
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Tensor:
        from PIL import Image

        return self.transform(Image.fromarray(self.images[i]))


def mnist_loop(batch: int = 64) -> Steps:
    """The reference MLP GAN on MNIST: DataLoader with PIL transforms, Adam 2e-4."""
    G = gu.models.mnist_generator()
    D = nn.Sequential(gu.models.mnist_discriminator(), nn.Sigmoid())
    return _bce_loop(G, D, _mnist_batches(batch), 100, 2e-4)


def _mnist_batches(batch: int) -> Iterator[Tensor]:
    loader = torch.utils.data.DataLoader(_PILImages(), batch_size=batch, shuffle=True, drop_last=True)
    while True:
        yield from loader


def wgan_gp_loop(width: int, batch: int, d_steps: int = 5) -> Steps:
    """WGAN-GP on the ring: ``autograd.grad(create_graph=True)`` for the penalty, five critic steps a step of G."""
    G, D = gu.models.mlp(2, width, width, 2), gu.models.mlp(2, width, width, 1, slope=0.2)
    opt_g, opt_d = _adam(G, 1e-4, (0.5, 0.9)), _adam(D, 1e-4, (0.5, 0.9))
    batches = _ring_batches(batch)
    losses: list[tuple[float, float]] = []

    def penalty(real: Tensor, fake: Tensor) -> Tensor:
        alpha = torch.rand(len(real), 1)
        between = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
        out = D(between)
        (slope,) = torch.autograd.grad(out, between, torch.ones_like(out), create_graph=True, retain_graph=True)
        return ((slope.norm(2, dim=1) - 1) ** 2).mean()

    def steps(n: int) -> None:
        for _ in range(n):
            for _ in range(d_steps):
                real = next(batches)
                opt_d.zero_grad()
                fake = G(torch.randn(batch, 2)).detach()
                d_loss = D(fake).mean() - D(real).mean() + 10 * penalty(real, fake)
                d_loss.backward()
                opt_d.step()
            opt_g.zero_grad()
            g_loss = -D(G(torch.randn(batch, 2))).mean()
            g_loss.backward()
            opt_g.step()
            losses.append((d_loss.item(), g_loss.item()))

    return steps
