"""An ``nn.Module`` seen as a pure function of its parameters and buffers, ready for ``torch.func``.

Readers write ordinary modules; this is the one place that turns them into functions. Two things need care. Buffers
(BatchNorm's running statistics) are copied before each pass and handed back, so that nothing is changed in place. And
layers that draw (dropout, instance noise) must not use torch's global generator, or a run would depend on what else runs
beside it: their numbers are a hash of a key that the training loop draws ahead for each seed.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["Functional", "Seeded", "SeededDropout", "random_bits"]

Tensors = dict[str, Tensor]
Key = Tensor | int
Network = nn.Module | Callable[[], nn.Module]
_KEY = "_key"
_AGE = "_age"
_GOLDEN = 0x9E3779B1  # 2^32 / golden ratio: spreads consecutive numbers over 32 bits
_AGAIN = 0x85EBCA6B  # another odd number, for a layer's second call in a pass


def _mix(bits: Tensor) -> Tensor:
    # A 32-bit integer hash: xor-shift and multiply, twice. The products overflow and wrap, as they should. In int64, where
    # they would not, the operations take three times as long.
    for _ in range(2):
        bits = (((bits >> 16) & 0xFFFF) ^ bits) * 0x45D9F3B
    return ((bits >> 16) & 0xFFFF) ^ bits


def random_bits(shape: tuple[int, ...], key: Tensor) -> Tensor:
    """Return int32 numbers of this shape, from all that there are: a hash of ``key`` (int64, []) and each element's place."""
    places = torch.arange(math.prod(shape), dtype=torch.int32, device=key.device).view(shape)
    # [None]: under vmap, torch.compile (2.15) rounds what a 0-dimensional int32 tensor is multiplied by to float32.
    return _mix(places ^ _mix(key.to(torch.int32)[None])) ^ -(2**31)


class Seeded(nn.Module):
    """A module that draws: its numbers are a function of the pass's key, the module's number, the call and the place.

    A subclass calls :meth:`uniform` or :meth:`normal` in ``forward`` while ``self.training``. With ``aged=True`` its buffer
    ``_age`` counts the steps of training, for noise that fades.
    """

    _age: Tensor

    def __init__(self, layer: int = 0, *, aged: bool = False) -> None:
        super().__init__()
        self.layer = layer  # set by Functional: no two modules of a network share a number
        self.calls = 0  # in this pass: a layer that is called twice draws twice
        self.register_buffer(_KEY, torch.zeros((), dtype=torch.int64))
        if aged:
            self.register_buffer(_AGE, torch.zeros(()))

    def bits(self, *shape: int) -> Tensor:
        """Return fresh int32 numbers, uniform from -2^31 to 2^31 - 1."""
        key = getattr(self, _KEY) + self.layer * _GOLDEN + self.calls * _AGAIN
        self.calls += 1
        return random_bits(shape, key)

    def uniform(self, *shape: int) -> Tensor:
        """Return fresh float32 numbers, uniform on (0, 1); never 0 or 1 themselves."""
        # 23 bits and a half: float32 holds each of them exactly
        return ((self.bits(*shape) >> 9) + (2**22 + 0.5)) / 2**23

    def normal(self, *shape: int) -> Tensor:
        """Return fresh float32 numbers from N(0, 1), by its inverse distribution function."""
        return math.sqrt(2) * torch.erfinv(2 * self.uniform(*shape) - 1)


class SeededDropout(Seeded):
    """Dropout ``[*] -> [*]``: with probability ``p`` an element is zeroed, the rest is scaled by 1 / (1 - p).

    ``channels`` drops whole channels.
    """

    def __init__(self, p: float, layer: int, *, channels: bool = False) -> None:
        super().__init__(layer)
        self.p, self.channels = p, channels

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        shape = (*x.shape[:2], *[1] * (x.ndim - 2)) if self.channels else x.shape
        keep = self.bits(*shape) > max(int(self.p * 2**32), 1) - 2**31 - 1
        return torch.where(keep, x / max(1 - self.p, 1e-12), 0.0)


_CHANNELWISE = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def _seed(module: nn.Module) -> nn.Module:
    """Replace every dropout by a seeded one, and give all seeded modules numbers of their own."""
    seeded: dict[nn.Module, SeededDropout] = {}  # one module may stand in several places; named_children() shows one
    for parent in list(module.modules()):
        for name, child in list(parent._modules.items()):
            if isinstance(child, (nn.Dropout, *_CHANNELWISE)) and type(child).__module__ == nn.Dropout.__module__:
                new = SeededDropout(child.p, len(seeded), channels=isinstance(child, _CHANNELWISE))
                setattr(parent, name, seeded.setdefault(child, new))
    others = [part for part in module.modules() if isinstance(part, Seeded) and not isinstance(part, SeededDropout)]
    for number, part in enumerate(others, len(seeded)):
        part.layer = number
    return module


def _seeded(module: nn.Module) -> list[Seeded]:
    return [part for part in module.modules() if isinstance(part, Seeded)]


def _watched(module: nn.Module, seen: list[Tensor]) -> nn.Module:
    """Return a copy that puts into ``seen`` what enters the layer of weights that is called last: the features."""
    module = copy.deepcopy(module)
    for name, part in [*module.named_modules()]:
        if not name or any(weight.ndim > 1 for weight in part.parameters(recurse=False)):
            head = name.partition("parametrizations")[0].rstrip(".")  # where a norm of torch's keeps the weight apart
            module.get_submodule(head).register_forward_pre_hook(partial(_note, seen))
    return module


def _note(seen: list[Tensor], _: nn.Module, entering: tuple[Tensor, ...]) -> None:
    seen[:] = entering[:1]


def _reset(module: nn.Module) -> None:
    # Children first, so that a module with an initialisation of its own (DCGAN's, say) has the last word.
    for child in module.children():
        _reset(child)
    getattr(module, "reset_parameters", lambda: None)()


def ends_in_sigmoid(x: Tensor) -> bool:
    """Return whether ``x``, with its graph, comes out of a sigmoid, seen through changes of shape."""
    step = x.grad_fn
    while step is not None and any(form in step.name() for form in ("View", "Reshape", "queeze", "Select", "Slice")):
        step = step.next_functions[0][0]
    return step is not None and "Sigmoid" in step.name()


class Functional:
    """A network as a pure function, with the means to draw fresh weights for any seed.

    Args:
        network: an ``nn.Module``, or a function of no arguments that builds one. A module is copied, never changed.
            For each seed a module is drawn afresh through the ``reset_parameters()`` of its parts; a builder is called.
        role: the argument's name in error messages, ``"G"`` or ``"D"``.

    Raises:
        TypeError: ``network`` is neither.
        ValueError: the module has no parameters, or some that no ``reset_parameters()`` sets.
    """

    def __init__(self, network: Network, role: str) -> None:
        self.role = role
        if not callable(network):
            raise TypeError(f"{role} must be an nn.Module or a function that builds one; got {type(network).__name__}.")
        self._fresh = isinstance(network, nn.Module)
        self._build: Callable = partial(copy.deepcopy, network) if self._fresh else network
        try:
            template = self._build()
            copy.deepcopy(template)
        except TypeError as error:
            raise TypeError(f"{role} must be a module, or a function that builds one: {error}") from error
        except RuntimeError as error:  # torch's old weight_norm
            text = f"{role} cannot be copied ({str(error).splitlines()[0]}). For norms use torch.nn.utils.parametrizations."
            raise ValueError(text) from error
        if not isinstance(template, nn.Module):
            raise TypeError(f"{role}() must return an nn.Module; it returned {type(template).__name__}.")
        with torch.random.fork_rng(devices=[]):  # the second module is not kept, and must not advance torch's generator
            if not self._fresh and template is network():
                raise ValueError(f"{role}() must build a new module at each call; it returned the same one twice.")
        self.description = str(template)
        self.latent = getattr(template, "latent", None) or _first_width(template)
        self.convolutional = any(isinstance(part, nn.modules.conv._ConvNd) for part in template.modules())
        self._check(template)
        self.encodes = isinstance(getattr(template, "encoder", None), nn.Module)
        self._train = _seed(template).train()
        self._eval = copy.deepcopy(self._train).eval()
        self._seen: list[Tensor] = []
        self._watched = _watched(self._train, self._seen) if role == "D" else nn.Identity()
        self._seeded = _seeded(self._train) + _seeded(self._watched)
        buffers = [name for name, _ in template.named_buffers()]
        self._keys = [name for name in buffers if name.split(".")[-1] == _KEY]
        self.ages = [name for name in buffers if name.split(".")[-1] == _AGE]

    def _check(self, template: nn.Module) -> None:
        if any(isinstance(parameter, nn.UninitializedParameter) for parameter in template.parameters()):
            raise ValueError(f"{self.role} has lazy layers: name their widths, or pass it a batch first.")
        if not any(parameter.requires_grad for parameter in template.parameters()):
            raise ValueError(f"{self.role} has no parameters, so there is nothing to train.")
        if not self._fresh:
            return
        trial = copy.deepcopy(template)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for parameter in trial.parameters():
                parameter.fill_(torch.nan)
            _reset(trial)
        missed = [name for name, weight in trial.named_parameters() if weight.requires_grad and weight.isnan().any()]
        if missed:
            raise ValueError(
                f"{self.role} has parameters that no reset_parameters() sets ({', '.join(missed[:3])}), so they cannot be "
                f"drawn afresh for each seed. Pass a function that builds the network instead, for example lambda: MyNet()."
            )
        pairs = zip(template.named_parameters(), trial.parameters(), strict=True)
        wide = [(name, own.std(), new.std()) for (name, own), new in pairs if own.ndim > 1 and own.numel() >= 256]
        if lost := [name for name, own, new in wide if own > 1.5 * new or new > 1.5 * own]:
            text = f"{self.role}'s weights are drawn anew for every seed, which gives another spread ({', '.join(lost[:3])})."
            warnings.warn(f"{text} To keep yours, pass a function that makes them.", stacklevel=5)

    def draw(self) -> tuple[Tensors, Tensors]:
        """Return fresh ``(params, buffers)``, drawn with torch's global generator as building the module would.

        A parameter that asks for no gradient stays as it is, beside the buffers.
        """
        module = self._build()
        held = {name: value.detach().clone() for name, value in module.named_parameters() if not value.requires_grad}
        if self._fresh:
            _reset(module)
        params = {name: value.detach().clone() for name, value in module.named_parameters() if value.requires_grad}
        buffers = {name: value.detach().clone() for name, value in module.named_buffers()}
        return params, {name: value for name, value in buffers.items() if name not in self._keys} | held

    @torch.no_grad()
    def module(self, tensors: Tensors) -> nn.Module:
        """Return a module of the kind that was given, with these parameters and buffers, in evaluation mode."""
        with torch.random.fork_rng(devices=[]):  # what a builder draws must not advance torch's generator
            module = self._build()
        for name, own in (*module.named_parameters(), *module.named_buffers()):
            own.copy_(tensors.get(name, own))  # a layer's own key for its draws is in no state
        return module.eval()

    def __call__(
        self, params: Tensors, buffers: Tensors, x: Tensor, key: Key = 0, *, training: bool = True, **more: bool
    ) -> tuple[Tensor, Tensors]:
        """Return ``(output, buffers after the pass)``; nothing that was passed in is changed.

        ``more`` goes to the module: ``encode=True`` asks a generator with an encoder for the code of ``x``.
        """
        module = self._train if training else self._eval
        tensors = self._tensors(params, buffers, x, key)
        output = functional_call(module, tensors, (x,), more)  # writes buffers that the module reassigned to `tensors`
        return output, {name: tensors[name] for name in buffers}

    def features(self, params: Tensors, buffers: Tensors, x: Tensor, key: Key = 0) -> Tensor:
        """Return what enters the last layer of weights, the one that is called last: ``[B, *shape] -> [B, F]``."""
        functional_call(self._watched, self._tensors(params, buffers, x, key), (x,))
        return self._seen.pop().flatten(1)

    def encode(self, params: Tensors, buffers: Tensors, x: Tensor, key: Key = 0) -> Tensor:
        """Return what the encoder beside a generator says of samples: ``[B, *shape] -> [B, *]``."""
        return self(params, buffers, x, key, encode=True)[0]

    def _tensors(self, params: Tensors, buffers: Tensors, x: Tensor, key: Key) -> Tensors:
        for part in self._seeded:
            part.calls = 0
        return params | _copies(buffers) | {name: torch.as_tensor(key, device=x.device) for name in self._keys}

    def python_state(self) -> list[tuple[str, str, str]]:
        """Return what modules keep beside their tensors, in words, but for those of this package's that draw."""
        parts = [(name, part) for name, part in self._train.named_modules() if not isinstance(part, Seeded)]
        kept = [(n, key, v) for n, part in parts for key, v in vars(part).items() if key not in vars(nn.Module())]
        # Under these names a GRU keeps its own weights once more.
        kept = [(n, key, v) for n, key, v in kept if not key.startswith("_flat_weight")]
        return [(n, key, repr(v)) for n, key, v in kept if isinstance(v, (int, float, str, list, dict))]

    def older(self, buffers: Tensors) -> Tensors:
        """Return the buffers one step of training later: those that count steps have counted one more."""
        return buffers | {name: buffers[name] + 1 for name in self.ages}

    def judges_alone(self, params: Tensors, buffers: Tensors, some: Tensor, others: Tensor) -> bool:
        """Return whether what a sample gives does not depend on its neighbours in the batch, by trying on two batches.

        Noise and dropout are left out of the trial. BatchNorm, or anything else that looks across the batch, makes this False.
        """
        trial = copy.deepcopy(self._eval).train()  # _train has run, and an old norm of torch's cannot be copied then
        params = {k: torch.where(v == 0, 0.1, v) for k, v in params.items()}  # a last layer of zeros would hide all
        for part in _seeded(trial):
            part.training = False  # of this module alone: a network inside it goes on as in training
        alone = [functional_call(trial, (params, _copies(buffers)), (x,)) for x in (some, others)]
        mixed = functional_call(trial, (params, _copies(buffers)), (torch.cat([some, others]),))
        return mixed.shape[0] == 2 * alone[0].shape[0] and torch.allclose(mixed, torch.cat(alone), rtol=1e-4, atol=1e-6)


def _copies(buffers: Tensors) -> Tensors:
    return {name: value.clone() for name, value in buffers.items()}


def _first_width(module: nn.Module) -> int | None:
    for part in module.modules():
        if isinstance(part, nn.Linear):
            return part.in_features
        if isinstance(part, nn.modules.conv._ConvTransposeNd):
            return part.in_channels
    return None
