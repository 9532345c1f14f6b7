"""Argument checks: every mistake we can foresee gets an error that names the argument, the value given and what is allowed."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["choice", "finite", "integer", "number", "rows", "shaped"]


def choice(name: str, given: object, allowed: Iterable[str]) -> str:
    """Return ``given`` if it is one of ``allowed``; otherwise raise ValueError, with the nearest name as a suggestion."""
    allowed = list(allowed)
    if isinstance(given, str) and given in allowed:
        return given
    close = difflib.get_close_matches(given, allowed, n=1) if isinstance(given, str) else []
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"{name}={given!r} is not known.{hint} Allowed: {', '.join(map(repr, allowed))}.")


def integer(name: str, given: object, *, least: int = 1) -> int:
    """Return ``given`` as an int; TypeError for anything but a whole number, ValueError below ``least``."""
    try:
        if isinstance(given, bool):
            raise TypeError
        value = operator.index(given)  # accepts int and NumPy integers, refuses 3.0 and "3"
    except TypeError:
        raise TypeError(f"{name} must be a whole number of at least {least}; got {given!r}.") from None
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}.")
    return value


def number(
    name: str, given: object, *, least: float = -math.inf, most: float = math.inf, above: float = -math.inf
) -> float:
    """Return ``given`` as a finite float with ``least <= given <= most`` and ``given > above``."""
    try:
        value = math.nan if isinstance(given, (bool, str)) else float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = math.nan
    if math.isfinite(value) and least <= value <= most and value > above:
        return value
    bounds = [f"at least {least:g}"] * (least > -math.inf) + [f"above {above:g}"] * (above > -math.inf)
    bounds += [f"at most {most:g}"] * (most < math.inf)
    raise ValueError(f"{name} must be a finite number{' ' if bounds else ''}{', '.join(bounds)}; got {given!r}.")


def shaped(name: str, given: object, *shape: int | None) -> Tensor:
    """Return ``given`` if it is a tensor of this shape; ``None`` stands for any size of at least one."""
    want = "[" + ", ".join("n" if size is None else str(size) for size in shape) + "]"
    if not isinstance(given, Tensor):
        raise TypeError(f"{name} must be a tensor of shape {want}; got {type(given).__name__}.")
    pairs = zip(shape, given.shape, strict=False)
    fits = given.ndim == len(shape) and all(have > 0 and size in (None, have) for size, have in pairs)
    if not fits:
        raise ValueError(f"{name} must have shape {want}; got {list(given.shape)}.")
    return given


def finite(name: str, given: Tensor) -> Tensor:
    """Return ``given`` if it holds neither NaN nor Inf; otherwise raise ValueError with the count and the first place."""
    bad = ~torch.isfinite(given)
    if bad.any():
        first = tuple(int(i) for i in bad.nonzero()[0])
        count = int(bad.sum())
        raise ValueError(f"{name} holds {count} NaN or Inf values, the first at index {first}; remove them first.")
    return given


def rows(name: str, given: object, *, least: int = 1, dim: int | None = None) -> Tensor:
    """Return ``given``, finite floats [n, d] with n >= ``least`` and d = ``dim``, as float64 and without its gradients."""
    x = shaped(name, given, None, dim)
    if not x.is_floating_point():
        raise TypeError(f"{name} must hold floats; got {x.dtype}.")
    if len(x) < least:
        raise ValueError(f"{name} must have at least {least} rows here; got {len(x)}.")
    return finite(name, x.detach().double())
