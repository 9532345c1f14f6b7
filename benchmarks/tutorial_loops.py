"""The training loops of popular GAN tutorials and libraries, written plainly: what the package's step is timed against.

Their habits, kept on purpose: sigmoid and binary cross-entropy, a DataLoader with PIL transforms, fresh noise for G,
weight gradients of D computed (and thrown away) in G's step, ``.item()`` at every step.

:data:`LOOPS` has those that ``peers.py`` compares. Where a library cannot be installed, we wrote the pattern of its step
ourselves, after reading it: what is computed in which order, and what is brought back to Python. No code is copied.
"""

from __future__ import annotations

import importlib.util
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from measuring import Steps
from torch import Tensor, nn

import gan_utils as gu

Loop = Callable[
    [nn.Module, nn.Module, Iterator[Tensor], int, float], Steps
]  # G, D (of logits), data, latent, Adam's lr


def _adam(network: nn.Module, lr: float, betas: tuple[float, float]) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=lr, betas=betas)


def tutorial(G: nn.Module, D: nn.Module, batches: Iterator[Tensor], latent: int, lr: float) -> Steps:
    """The usual tutorial: D on real and fake samples, then G on fresh ones; both losses brought back at every step."""
    D = nn.Sequential(D, nn.Sigmoid())
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
    D = gu.models.mlp(2, width, width, 1, slope=0.2)
    return tutorial(G, D, _ring_batches(batch), 2, 1e-3)


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
    return tutorial(G, gu.models.mnist_discriminator(), mnist_loader(batch), 100, 2e-4)


def mnist_loader(batch: int) -> Iterator[Tensor]:
    """MNIST as the tutorials feed it: a DataLoader over PIL images."""
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


def points_loader(source: gu.Source, batch: int, points: int = 10_000) -> Iterator[Tensor]:
    """Points as the tutorials feed them: a shuffling DataLoader over a fixed set, sample by sample."""
    fixed = torch.utils.data.TensorDataset(source.sample(points, gu.generator(0)))
    loader = torch.utils.data.DataLoader(fixed, batch_size=batch, shuffle=True, drop_last=True)
    while True:
        for (real,) in loader:
            yield real


def resident(source: gu.Source, batch: int) -> Iterator[Tensor]:
    """Return the package's own data path: batches drawn straight from a source in memory."""
    generator = gu.generator(0)
    while True:
        yield source.sample(batch, generator)


def pytorch_gan(G: nn.Module, D: nn.Module, batches: Iterator[Tensor], latent: int, lr: float) -> Steps:
    """As eriklindernoren/PyTorch-GAN: G first, D on the same fakes, noise from NumPy, a line printed at every step."""
    D = nn.Sequential(D, nn.Sigmoid())
    opt_g, opt_d = _adam(G, lr, (0.5, 0.999)), _adam(D, lr, (0.5, 0.999))
    bce, screen, rng = nn.BCELoss(), io.StringIO(), np.random.default_rng(0)

    def steps(n: int) -> None:
        for i in range(n):
            real = next(batches)
            ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            opt_g.zero_grad()
            fake = G(torch.tensor(rng.normal(size=(len(real), latent)), dtype=torch.float32))
            g_loss = bce(D(fake), ones)
            g_loss.backward()
            opt_g.step()
            opt_d.zero_grad()
            d_loss = (bce(D(real), ones) + bce(D(fake.detach()), zeros)) / 2
            d_loss.backward()
            opt_d.step()
            print(f"[batch {i}] [D loss: {d_loss.item():f}] [G loss: {g_loss.item():f}]", file=screen)

    return steps


def mimicry(G: nn.Module, D: nn.Module, batches: Iterator[Tensor], latent: int, lr: float) -> Steps:
    """As pytorch-mimicry with one D step: G first, fresh fakes for D, log(sigmoid + 1e-8); five numbers printed a step."""
    opt_g, opt_d = _adam(G, lr, (0.5, 0.999)), _adam(D, lr, (0.5, 0.999))
    bce, screen = nn.BCEWithLogitsLoss(), io.StringIO()

    def steps(n: int) -> None:
        for i in range(n):
            real = next(batches)
            G.zero_grad()
            g_loss = -torch.log(torch.sigmoid(D(G(torch.randn(len(real), latent)))) + 1e-8).mean()
            g_loss.backward()
            opt_g.step()
            D.zero_grad()
            on_real = D(real)
            on_fake = D(G(torch.randn(len(real), latent)).detach())
            d_loss = bce(on_real, torch.ones_like(on_real)) + bce(on_fake, torch.zeros_like(on_fake))
            d_loss.backward()
            opt_d.step()
            seen = (torch.sigmoid(out).mean().item() for out in (on_real, on_fake))
            print(i, d_loss.item(), g_loss.item(), *seen, file=screen)

    return steps


def torchgan(G: nn.Module, D: nn.Module, batches: Iterator[Tensor], latent: int, lr: float) -> Steps:
    """torchgan 0.1.0 itself, step by step as its ``train`` goes.

    Not ``train``: after an epoch it draws samples, which fails with torchvision 0.29 (``TypeError: make_grid() got an
    unexpected keyword argument 'range'``).
    """
    from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
    from torchgan.models import Discriminator, Generator
    from torchgan.trainer import Trainer

    def wrapped(base: type, network: nn.Module, size: int) -> Callable[[], nn.Module]:
        class Wrapped(base):
            def __init__(self) -> None:
                super().__init__(size)
                self.network = network

            def forward(self, x: Tensor) -> Tensor:
                return self.network(x)

        return Wrapped

    adam = {"name": torch.optim.Adam, "args": {"lr": lr, "betas": (0.5, 0.999)}}
    parts = {
        "generator": {"name": wrapped(Generator, G, latent), "optimizer": adam},
        "discriminator": {"name": wrapped(Discriminator, D, 2), "optimizer": adam},
    }
    losses, here = [MinimaxGeneratorLoss(), MinimaxDiscriminatorLoss()], Path(tempfile.mkdtemp())
    paths = {"checkpoints": str(here / "model" / "gan"), "recon": str(here / "images")}
    sums = ("generator_losses", "discriminator_losses", "discriminator_iters", "generator_iters")
    trainer = Trainer(parts, losses, device=torch.device("cpu"), sample_size=8, **paths)

    def steps(n: int) -> None:
        for _ in range(n):
            trainer.real_inputs = next(batches)
            trainer.batch_size = len(trainer.real_inputs)
            done = dict(zip(sums, trainer.train_iter(), strict=True))
            trainer.loss_information = {name: old + done[name] for name, old in trainer.loss_information.items()}
            trainer.logger.run_mid_epoch(trainer)

    return steps


#: What ``peers.py`` compares, by name.
LOOPS: dict[str, Loop] = {"tutorial": tutorial, "PyTorch-GAN": pytorch_gan, "mimicry": mimicry}
if importlib.util.find_spec("torchgan"):
    LOOPS["torchgan 0.1.0"] = torchgan
