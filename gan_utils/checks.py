"""Argument checks: every mistake we can foresee gets an error that names the argument, the value given and what is allowed."""

from __future__ import annotations

import difflib
import operator
import os
from collections.abc import Iterable
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "choice", "finite", "floats", "form", "integer", "kind", "number", "numbers", "path", "rows", "shaped", "tensor",
]  # fmt: skip

Samples = Tensor | np.ndarray  # what is measured, drawn or shown


def choice(name: str, given: object, allowed: Iterable[str]) -> str:
    """Return ``given`` if it is one of ``allowed``; otherwise raise ValueError, with the nearest name as a suggestion."""
    allowed = list(allowed)
    if isinstance(given, str) and given in allowed:
        return given
    close = difflib.get_close_matches(given, allowed, n=1) if isinstance(given, str) else []
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"{name}={given!r} is not known.{hint} Allowed: {', '.join(map(repr, allowed))}.")


def integer(name: str, given: Any, *, least: int = 1) -> int:
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


def number(name: str, given: object, *, least: float = -inf, most: float = inf, above: float = -inf) -> float:
    """Return ``given`` as a finite float with ``least <= given <= most`` and ``given > above``."""
    try:
        value = nan if isinstance(given, (bool, str)) else float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = nan
    if isfinite(value) and least <= value <= most and value > above:
        return value
    bounds = [f"at least {least:g}"] * (least > -inf) + [f"above {above:g}"] * (above > -inf)
    bounds += [f"at most {most:g}"] * (most < inf)
    raise ValueError(f"{name} must be a finite number{' ' if bounds else ''}{', '.join(bounds)}; got {given!r}.")


def numbers(name: str, given: object, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return ``given``, a number or an array of them, as a tensor; TypeError for anything else."""
    try:
        return torch.as_tensor(given if isinstance(given, Tensor) else np.array(given), dtype=dtype)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be numbers, as many in each row; got {given!r}.") from None


def kind(name: str, given: Any, *kinds: Any) -> Any:
    """Return ``given`` if it is of one of these classes; otherwise raise TypeError."""
    if not isinstance(given, kinds):
        allowed = " or ".join("None" if one is type(None) else one.__name__ for one in kinds)
        article, got = "an" if allowed[0] in "AEIOU" else "a", "None" if given is None else type(given).__name__
        raise TypeError(f"{name} must be {article} {allowed}; got {got}.")
    return given


def path(name: str, given: object) -> Path:
    """Return ``given`` as a path; TypeError for what is none."""
    return Path(kind(name, given, str, os.PathLike))


def tensor(given: Any) -> Any:
    """Return a NumPy array of numbers as a tensor, and anything else as it is, for other checks to judge."""
    if isinstance(given, np.ndarray) and given.dtype.kind in "fiub":
        return torch.from_numpy(np.array(given, dtype=given.dtype.newbyteorder("="), order="C"))  # torch's byte order
    return given


def form(given: object) -> str:
    """Return what a message says was given: the shape and type of a tensor, or the type of what is none."""
    return f"{list(given.shape)}, {given.dtype}" if isinstance(given, Tensor) else type(given).__name__


def shaped(name: str, given: object, *shape: int | None) -> Tensor:
    """Return ``given`` if it is a tensor of this shape; ``None`` stands for any size of at least one."""
    letters = {3: "mnd", 4: "nchw", 5: "mnchw"}.get(len(shape), "nd")
    want = "[" + ", ".join(letters[i] if size is None else str(size) for i, size in enumerate(shape)) + "]"
    if not isinstance(given, Tensor):
        raise TypeError(f"{name} must be a tensor of shape {want}; got {type(given).__name__}.")
    pairs = zip(shape, given.shape, strict=False)
    if given.ndim != len(shape) or not all(have > 0 and size in (None, have) for size, have in pairs):
        hint = ": flatten(1) makes rows of it" * (len(shape) == 2 < given.ndim)
        raise ValueError(f"{name} must have shape {want}; got {list(given.shape)}{hint}.")
    return given


def floats(name: str, given: object, *shape: int | None) -> Tensor:
    """Return ``given`` if it is a tensor or array of floats of this shape, as a tensor; see :func:`shaped`."""
    x = shaped(name, tensor(given), *shape)
    if not x.is_floating_point():
        raise TypeError(f"{name} must hold floats; got {x.dtype}.")
    return x


def finite(name: str, given: Tensor) -> Tensor:
    """Return ``given`` if it holds neither NaN nor Inf; otherwise raise ValueError with the count and the first place."""
    if given.is_complex():
        raise TypeError(f"{name} must hold real numbers; got {given.dtype}.")
    bad = ~torch.isfinite(given)
    if bad.any():
        first = tuple(int(i) for i in bad.nonzero()[0])
        count = int(bad.sum())
        raise ValueError(f"{name} holds {count} NaN or Inf values, the first at index {first}; remove them first.")
    return given


def rows(name: str, given: object, *, least: int = 1, dim: int | None = None) -> Tensor:
    """Return ``given``, finite floats [n, d] with n >= ``least`` and d = ``dim``, as float64 and without its gradients."""
    x = floats(name, given, None, dim)
    if len(x) < least:
        raise ValueError(f"{name} must have at least {least} rows here; got {len(x)}.")
    return finite(name, x.detach().double())
