"""Optimisers as pairs of pure functions on dictionaries of tensors: ``init(params)`` and ``update(params, grads, state)``.

They follow ``torch.optim`` to rounding. Because they are pure they can be vmapped, differentiated through (unrolling)
and checkpointed. The learning rate lives in the state, as a tensor, so that the members of an ensemble may differ in it.

Example:
    One step down the slope 2 of a cost, from 1, with learning rate 0.1:

    >>> params, grads = {"w": torch.tensor(1.0)}, {"w": torch.tensor(2.0)}
    >>> for optimizer in (gu.optim.sgd(lr=0.1), gu.optim.adam(lr=0.1), gu.optim.clipped(gu.optim.sgd(lr=0.1), 0.01)):
    ...     moved, state = optimizer.update(params, grads, optimizer.init(params))
    ...     print(f"{optimizer.name}: {moved['w'].item():.2f}")
    sgd(lr=0.1, momentum=0): 0.80
    adam(lr=0.1, betas=(0.5, 0.999), eps=1e-08): 0.90
    clipped(sgd(lr=0.1, momentum=0), 0.01): 0.01

    Adam's first step has the length of the learning rate, whatever the slope.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gan_utils import checks

__all__ = ["OPTIMIZERS", "Optimizer", "adam", "clipped", "historical", "optimistic", "rmsprop", "sgd"]

Params = dict[str, Tensor]
OptState = dict[str, Any]


class Optimizer(NamedTuple):
    """``init(params) -> state`` and ``update(params, grads, state) -> (params, state)``; ``name`` holds the settings."""

    name: str
    init: Callable[[Params], OptState]
    update: Callable[[Params, Params, OptState], tuple[Params, OptState]]


def _zeros(params: Params) -> Params:
    return {name: torch.zeros_like(value) for name, value in params.items()}


def _scalar(params: Params, value: float) -> Tensor:
    some = next(iter(params.values()))
    return torch.tensor(value, dtype=some.dtype, device=some.device)


def _root(square: Tensor) -> Tensor:
    # The root's slope at 0 is infinite. Unrolling differentiates through it, where a weight may have had no gradient yet;
    # 1e-30 keeps that finite, and is far below the squares of the optimisers' eps.
    return (square + 1e-30).sqrt()


def _correction(beta: float, steps: Tensor) -> Tensor:
    """Return 1 - beta^steps, exact to rounding also where the power is almost 1."""
    # 1 - exp(x) by the tangent of half of x. Compiled code keeps the result of tanh; that of pow it works out again for
    # every few weights, which took a tenth of a step.
    half = (steps * (math.log(max(beta, 1e-300)) / 2)).tanh()
    return 2 * half / (half - 1)


def sgd(lr: float = 0.01, momentum: float = 0.0) -> Optimizer:
    """Gradient descent with heavy-ball momentum, as ``torch.optim.SGD``. Raises ValueError for settings out of range."""
    lr = checks.number("lr", lr, above=0)
    momentum = checks.number("momentum", momentum, least=0)

    def init(params: Params) -> OptState:
        state: OptState = {"lr": _scalar(params, lr)}
        return state | ({"velocity": _zeros(params)} if momentum else {})

    def update(params: Params, grads: Params, state: OptState) -> tuple[Params, OptState]:
        move = grads
        if momentum:
            move = {k: momentum * state["velocity"][k] + g for k, g in grads.items()}
            state = state | {"velocity": move}
        return {k: p - state["lr"] * move[k] for k, p in params.items()}, state

    return Optimizer(f"sgd(lr={lr:g}, momentum={momentum:g})", init, update)


def rmsprop(lr: float = 1e-4, alpha: float = 0.99, eps: float = 1e-8) -> Optimizer:
    """RMSProp, as ``torch.optim.RMSprop`` (uncentred, no momentum). Raises ValueError for settings out of range."""
    lr = checks.number("lr", lr, above=0)
    alpha = checks.number("alpha", alpha, least=0, most=1)
    eps = checks.number("eps", eps, above=0)

    def init(params: Params) -> OptState:
        return {"lr": _scalar(params, lr), "square": _zeros(params)}

    def update(params: Params, grads: Params, state: OptState) -> tuple[Params, OptState]:
        square = {k: alpha * state["square"][k] + (1 - alpha) * g.square() for k, g in grads.items()}
        moved = {k: p - state["lr"] * grads[k] / (_root(square[k]) + eps) for k, p in params.items()}
        return moved, state | {"square": square}

    return Optimizer(f"rmsprop(lr={lr:g}, alpha={alpha:g}, eps={eps:g})", init, update)


def adam(lr: float = 1e-3, betas: tuple[float, float] = (0.5, 0.999), eps: float = 1e-8) -> Optimizer:
    """Adam, Kingma and Ba (2015), as ``torch.optim.Adam``; beta1 = 0.5 is the custom of GANs (Radford et al., 2016)."""
    lr = checks.number("lr", lr, above=0)
    if not (isinstance(betas, (tuple, list)) and len(betas) == 2):
        raise ValueError(f"betas must be a pair such as (0.5, 0.999); got {betas!r}.")
    beta1, beta2 = (checks.number("betas", beta, least=0, most=0.999999) for beta in betas)
    eps = checks.number("eps", eps, above=0)

    def init(params: Params) -> OptState:
        return {
            "lr": _scalar(params, lr),
            "steps": _scalar(params, 0.0),
            "mean": _zeros(params),
            "square": _zeros(params),
        }

    def update(params: Params, grads: Params, state: OptState) -> tuple[Params, OptState]:
        steps = state["steps"] + 1
        mean = {k: torch.lerp(state["mean"][k], g, 1 - beta1) for k, g in grads.items()}
        square = {k: beta2 * state["square"][k] + (1 - beta2) * g.square() for k, g in grads.items()}
        rate = state["lr"] / _correction(beta1, steps)
        root = _correction(beta2, steps).sqrt()
        moved = {k: p - rate * mean[k] / (_root(square[k]) / root + eps) for k, p in params.items()}
        return moved, state | {"steps": steps, "mean": mean, "square": square}

    return Optimizer(f"adam(lr={lr:g}, betas=({beta1:g}, {beta2:g}), eps={eps:g})", init, update)


def optimistic(inner: Optimizer) -> Optimizer:
    """Optimism, Daskalakis et al. (2018): go twice the inner optimiser's move and take back the one before.

    ``params + 2 move_t - move_(t-1)``; around ``sgd`` this is optimistic mirror descent, around ``adam`` optimistic Adam.

    Example:
        The first step is doubled, the second takes one back: along a constant slope it stays one step ahead.

        >>> optimizer = gu.optim.optimistic(gu.optim.sgd(lr=1.0))
        >>> params, grads = {"w": torch.tensor(0.0)}, {"w": torch.tensor(-1.0)}
        >>> state = optimizer.init(params)
        >>> for _ in range(3):
        ...     params, state = optimizer.update(params, grads, state)
        ...     print(params["w"].item())
        2.0
        3.0
        4.0
    """

    def init(params: Params) -> OptState:
        return {"inner": inner.init(params), "last": _zeros(params)}

    def update(params: Params, grads: Params, state: OptState) -> tuple[Params, OptState]:
        aim, inner_state = inner.update(params, grads, state["inner"])
        move = {k: aim[k] - p for k, p in params.items()}
        moved = {k: p + 2 * move[k] - state["last"][k] for k, p in params.items()}
        return moved, {"inner": inner_state, "last": move}

    return Optimizer(f"optimistic({checks.kind('inner', inner, Optimizer).name})", init, update)


def clipped(inner: Optimizer, limit: float = 0.01) -> Optimizer:
    """Clamp every parameter to [-limit, limit] after each move: the Lipschitz constraint of WGAN (Arjovsky et al., 2017)."""
    limit = checks.number("limit", limit, above=0)

    def update(params: Params, grads: Params, state: OptState) -> tuple[Params, OptState]:
        moved, state = inner.update(params, grads, state)
        return {k: p.clamp(-limit, limit) for k, p in moved.items()}, state

    return Optimizer(f"clipped({checks.kind('inner', inner, Optimizer).name}, {limit:g})", inner.init, update)


def historical(inner: Optimizer, weight: float = 1.0) -> Optimizer:
    """Historical averaging, Salimans et al. (2016): add ``weight * |params - mean of the params so far|^2`` to the cost.

    The mean is over all points before each move, the present one included, and counts as a constant.
    """
    weight = checks.number("weight", weight, least=0)

    def init(params: Params) -> OptState:
        return {"inner": inner.init(params), "mean": _zeros(params), "count": _scalar(params, 0.0)}

    def update(params: Params, grads: Params, state: OptState) -> tuple[Params, OptState]:
        count = state["count"] + 1
        mean = {k: old + (params[k] - old) / count for k, old in state["mean"].items()}
        pulled = {k: g + 2 * weight * (params[k] - mean[k]) for k, g in grads.items()}
        moved, inner_state = inner.update(params, pulled, state["inner"])
        return moved, {"inner": inner_state, "mean": mean, "count": count}

    return Optimizer(f"historical({checks.kind('inner', inner, Optimizer).name}, {weight:g})", init, update)


#: The optimisers that stand on their own, by name; the conformance tests run over this table.
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": sgd, "rmsprop": rmsprop, "adam": adam}
