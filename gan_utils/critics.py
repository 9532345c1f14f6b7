"""Discriminator tricks as modules that wrap a module, so that they compose: ``Spectral(Pac(mlp(...), 2))``.

Two are layers to put before the last one of a discriminator: :class:`MinibatchDiscrimination` and
:class:`MinibatchStddev` let it look across the batch. None needs to be told about vmap, seeds or checkpoints: what they
draw is a hash of the step's key, what they keep is a buffer.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import normalize

from gan_utils import checks
from gan_utils.functional import Seeded

__all__ = ["DiffAugment", "InstanceNoise", "MinibatchDiscrimination", "MinibatchStddev", "Pac", "Spectral"]


class Pac(nn.Module):
    """PacGAN, Lin et al. (2018): the discriminator judges m samples of one kind at once.

    ``[B, c, *] -> [B / m, m * c, *]`` goes into ``D``, which gives ``B / m`` logits; so its first layer takes m times the
    features (or channels). Raises ValueError when m does not divide the batch.

    Example:
        Eight points of two numbers, judged in pairs, get four verdicts:

        >>> D = gu.critics.Pac(gu.models.mlp(2 * 2, 16, 1), m=2)
        >>> D(torch.randn(8, 2)).shape
        torch.Size([4, 1])
    """

    def __init__(self, D: nn.Module, m: int) -> None:
        super().__init__()
        self.D, self.m = checks.kind("D", D, nn.Module), checks.integer("m", m)

    def forward(self, x: Tensor) -> Tensor:
        _divides("m", self.m, x, "PacGAN packs m samples at a time")
        return self.D(x.reshape(x.shape[0] // self.m, self.m * x.shape[1], *x.shape[2:]))

    def extra_repr(self) -> str:
        return f"m={self.m}"


def _divides(name: str, m: int, x: Tensor, why: str) -> None:
    if x.shape[0] % m:
        raise ValueError(f"batch={x.shape[0]} is not divisible by {name}={m}: {why}.")


class Spectral(nn.Module):
    """Spectral normalisation, Miyato et al. (2018): every weight of ``D`` is divided by its largest singular value.

    The singular value is ``u W v`` (a convolution's weight seen as ``[out, in * height * width]``), with u and v held
    constant when gradients are taken. Each pass in training moves u, a buffer, by one power iteration, as in the authors'
    code; so u also moves when G trains. A fresh u has had fifteen. Parameters of one dimension (biases) are left alone.

    The slope of an MLP is then at most one, and while a small one is fresh far less. (A convolution whose patches overlap may
    stretch by more than one: what is divided is its kernel's norm, not its own.) ``scale``, above 0, multiplies
    the output, and with it that bound; the paper has none, which is 1. ValueError for another scale.

    Example:
        A linear critic of slope (3, 4), which is 5 long, becomes one of slope (0.6, 0.8):

        >>> D = torch.nn.Linear(2, 1, bias=False)
        >>> _ = D.load_state_dict({"weight": torch.tensor([[3.0, 4.0]])})
        >>> [round(value, 4) for value in gu.critics.Spectral(D)(torch.eye(2)).flatten().tolist()]
        [0.6, 0.8]
    """

    def __init__(self, D: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.D, self.scale = checks.kind("D", D, nn.Module), checks.number("scale", scale, above=0)
        for _, vector, weight in self._weights():
            self.register_buffer(vector, weight.detach().new_empty(weight.shape[0]))
        self.reset_parameters()

    def _weights(self) -> Iterator[tuple[str, str, Tensor]]:
        """Return the name of each weight, that of the buffer with its u, and the weight."""
        named = self.D.named_parameters()
        return ((name, "u_" + name.replace(".", "_"), weight) for name, weight in named if weight.ndim > 1)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the vectors u, and let them come near the weights as these are now."""
        for _, vector, weight in self._weights():
            u = torch.randn(weight.shape[0], dtype=weight.dtype)
            for _ in range(15):
                u = _power(weight.flatten(1), u)[0]
            getattr(self, vector).copy_(u)

    def forward(self, x: Tensor) -> Tensor:
        divided = {}
        for name, vector, weight in self._weights():
            matrix, u = weight.flatten(1), getattr(self, vector)
            moved, v = _power(matrix.detach(), u)
            if self.training:
                u = moved
                setattr(self, vector, u)
            divided[name] = weight / (u @ (matrix @ v))
        return self.scale * functional_call(self.D, divided, (x,))

    def extra_repr(self) -> str:
        return f"scale={self.scale:g}"


def _power(matrix: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    v = normalize(matrix.T @ u, dim=0)
    return normalize(matrix @ v, dim=0), v


class MinibatchDiscrimination(nn.Module):
    """Minibatch discrimination, Salimans et al. (2016): ``[B, features] -> [B, features + kernels]``, a layer of D.

    Appended is how close a sample is to the others of its batch: ``sum over j != i of exp(-|M_i - M_j|_1)`` for each
    kernel, M = T(x) with ``dims`` numbers a kernel. (The authors' code has 100 kernels of 5 for CIFAR.) It costs O(B^2).
    T starts from N(0, 1 / features). Real and fake samples must go through D apart, which ``fit`` finds out.

    Example:
        Of eight equal samples each has the other seven as near as can be:

        >>> layer = gu.critics.MinibatchDiscrimination(features=2, kernels=3)
        >>> layer(torch.ones(8, 2))[0, 2:].tolist()
        [7.0, 7.0, 7.0]
    """

    def __init__(self, features: int, kernels: int = 100, dims: int = 5) -> None:
        super().__init__()
        features, self.kernels = checks.integer("features", features), checks.integer("kernels", kernels)
        self.T = nn.Parameter(torch.empty(features, kernels * checks.integer("dims", dims)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw T."""
        nn.init.normal_(self.T, std=self.T.shape[0] ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        m = (x @ self.T).view(len(x), self.kernels, -1)
        near = (-(m[:, None] - m).abs().sum(3)).exp().sum(1) - 1  # without the sample itself, at distance 0
        return torch.cat([x, near], 1)

    def extra_repr(self) -> str:
        return f"{self.T.shape[0]}, kernels={self.kernels}, dims={self.T.shape[1] // self.kernels}"


class MinibatchStddev(nn.Module):
    """Minibatch standard deviation, Karras et al. (2018): ``[B, c, *] -> [B, c + 1, *]``, a layer of D.

    Appended is one number a group, the same at every place: the standard deviation over ``group`` samples (of divisor
    ``group``, with 1e-8 under the root), averaged over channels and places. Neighbours in the batch form a group; the
    authors' code takes samples B / group apart, which for random batches is the same. Raises ValueError when ``group`` does
    not divide the batch.

    Example:
        Four samples that are all alike, and four that are 1 from their mean; the last column tells:

        >>> x = torch.tensor([[5.0]] * 4 + [[-1.0], [1.0], [-1.0], [1.0]])
        >>> [round(value, 3) for value in gu.critics.MinibatchStddev(group=4)(x)[:, 1].tolist()]
        [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        self.group = checks.integer("group", group, least=2)

    def forward(self, x: Tensor) -> Tensor:
        _divides("group", self.group, x, "the standard deviation is taken over groups")
        groups = x.reshape(-1, self.group, *x.shape[1:])
        spread = (groups.var(1, correction=0) + 1e-8).sqrt().flatten(1).mean(1)
        column = spread.repeat_interleave(self.group).view(-1, *[1] * (x.ndim - 1))
        return torch.cat([x, column.expand(-1, 1, *x.shape[2:])], 1)

    def extra_repr(self) -> str:
        return f"group={self.group}"


class InstanceNoise(Seeded):
    """Instance noise, Sønderby et al. (2017): D judges real and fake samples with N(0, std^2) added to both.

    ``std`` falls in a straight line to 0 over ``steps`` of training; with ``steps=None`` it stays.
    """

    def __init__(self, D: nn.Module, std: float = 0.1, steps: int | None = None) -> None:
        super().__init__(aged=True)
        self.D, self.std = checks.kind("D", D, nn.Module), checks.number("std", std, least=0)
        self.steps = None if steps is None else checks.integer("steps", steps)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            left = 1 if self.steps is None else (1 - self._age / self.steps).clamp(min=0)
            x = x + (self.std * left * self.normal(*x.shape)).to(x.dtype)
        return self.D(x)

    def extra_repr(self) -> str:
        return f"std={self.std:g}, steps={self.steps}"


class DiffAugment(Seeded):
    """DiffAugment, Zhao et al. (2020), for images ``[B, c, h, w]``: D judges real and fake ones changed alike, at random.

    Of the authors' policy: brightness (one number a sample, uniform on +-.5, added), then a shift by up to 1/8 of the
    size (what comes in is 0, as in the authors' code), then a square cut-out of half the size (set to 0, its centre
    anywhere). Their code also changes the contrast, which is left out, and the saturation, which a grey image has not.
    Gradients reach G through all three. On images scaled to [-1, 1], 0 is mid-grey. Off when not in training.
    """

    def __init__(self, D: nn.Module, brightness: float = 1.0, shift: float = 0.125, cutout: float = 0.5) -> None:
        super().__init__()
        self.D, self.brightness = checks.kind("D", D, nn.Module), checks.number("brightness", brightness, least=0)
        self.shift = checks.number("shift", shift, least=0, most=1)
        self.cutout = checks.number("cutout", cutout, least=0, most=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.D(self._changed(x) if self.training else x)

    def _changed(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            raise ValueError(f"DiffAugment takes images [B, c, h, w]; got {list(x.shape)}.")
        x = x + self.brightness * (self.uniform(len(x), 1, 1, 1).to(x.dtype) - 0.5)
        keep = torch.ones((), dtype=torch.bool, device=x.device)
        for dim in (2, 3):
            size = x.shape[dim]
            most = int(self.shift * size + 0.5)
            place = torch.arange(size, device=x.device) + self._whole(len(x), -most, most)[:, None]  # [B, size]
            shape = (len(x), 1, size, 1) if dim == 2 else (len(x), 1, 1, size)
            inside = ((place >= 0) & (place < size)).view(shape)
            x = x.gather(dim, place.clamp(0, size - 1).view(shape).expand_as(x)) * inside
            side = int(self.cutout * size + 0.5)
            start = self._whole(len(x), 0, size - side % 2)[:, None] - side // 2
            place = torch.arange(size, device=x.device)
            keep = keep & ((place >= start) & (place < start + side)).view(shape)
        return x * ~keep

    def _whole(self, n: int, least: int, most: int) -> Tensor:
        return least + (self.uniform(n) * (most - least + 1)).long()

    def extra_repr(self) -> str:
        return f"brightness={self.brightness:g}, shift={self.shift:g}, cutout={self.cutout:g}"
