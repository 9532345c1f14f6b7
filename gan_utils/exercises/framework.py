"""The checks behind the book's exercises: each says what is wrong with an answer, not just that it is.

An exercise is a function of the learner's answer that returns nothing if it is right and raises :class:`Mistake`, with a
helpful message, if it is not. ``check("1.2", answer)`` runs it. An untouched stub (``...``, or a function that returns it
or raises NotImplementedError) is "not attempted", and no answer whatever can break the notebook.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_utils import checks

__all__ = [
    "Feedback", "Mistake", "check", "close", "exercise", "expect", "listed", "names", "one_number", "run_answer", "several",
]  # fmt: skip


class Mistake(Exception):
    """What is wrong with an answer, in words that help."""


class _NotAttempted(Exception):
    pass


@dataclass(frozen=True)
class Feedback:
    """What :func:`check` found: ``status`` is "correct", "not yet" or "not attempted"; ``message`` says more."""

    exercise: str
    status: str
    message: str

    def __repr__(self) -> str:
        mark = {"correct": "✔", "not yet": "✘", "not attempted": "…"}[self.status]
        return f"{mark} Exercise {self.exercise}: {self.status}. {self.message}".rstrip()


_EXERCISES: dict[str, tuple[Callable[[Any], None], str]] = {}


def exercise(name: str, praise: str = "") -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a check under ``name`` ("chapter.number"); ``praise`` is what a right answer is told."""

    def register(function: Callable[[Any], None]) -> Callable[[Any], None]:
        if name in _EXERCISES:
            raise ValueError(f"exercise {name} is registered twice.")
        _EXERCISES[name] = (function, praise)
        return function

    return register


def names() -> list[str]:
    """Return the names of all checked exercises, in the book's order."""
    return sorted(_EXERCISES, key=lambda name: [int(part) for part in name.split(".")])


def check(name: str, answer: Any) -> Feedback:
    """Check an answer; it never raises for a wrong one. ValueError for an exercise that does not exist.

    Example:
        Exercise 1.1 asks for the best discriminator; this learner has forgotten half of the denominator:

        >>> gu.exercises.check("1.1", ...).status
        'not attempted'
        >>> gu.exercises.check("1.1", lambda p_data, p_g: p_data / p_g).status
        'not yet'
        >>> gu.exercises.check("1.1", lambda p_data, p_g: p_data / (p_data + p_g)).status
        'correct'
    """
    function, praise = _EXERCISES[checks.choice("name", name, names())]
    if answer is ... or answer is None:
        return Feedback(name, "not attempted", "")
    try:
        function(answer)
    except _NotAttempted:
        return Feedback(name, "not attempted", "")
    except Mistake as mistake:
        return Feedback(name, "not yet", str(mistake))
    except Exception as error:
        said = f"The answer could not be used: {type(error).__name__}: {error}".rstrip(".")
        return Feedback(name, "not yet", f"{said}. Does it have the type and the shape that the exercise asks for?")
    return Feedback(name, "correct", praise)


def expect(condition: bool | Tensor, message: str) -> None:
    """Raise :class:`Mistake` with this message unless the condition holds."""
    if not bool(condition):
        raise Mistake(message)


def _empty() -> None: ...  # as long as any stub, once compiled


def run_answer(function: Any, *args: Any, hint: str = "", **kwargs: Any) -> Any:
    """Call the learner's function; a stub is "not attempted", an error inside it becomes a :class:`Mistake`.

    It is given copies of plain tensors, so that an answer that works in place spoils neither the check nor later ones. An
    array that it returns comes as a tensor, an exact fraction as a float. ``hint`` is what may help whose function fails.
    """
    if not callable(function):
        raise Mistake(f"The answer should be a function, not called; it is {type(function).__name__}.")
    code = getattr(function, "__code__", None)
    numbers = bool(args) and all(isinstance(arg, (int, float)) for arg in args)
    at = f" (called with {', '.join(map(str, args))})" if numbers else ""
    args = tuple(arg.clone() if isinstance(arg, Tensor) and not arg.requires_grad else arg for arg in args)
    try:
        result = function(*args, **kwargs)
    except Exception as error:
        own = error.__traceback__.tb_next  # type: ignore[union-attr]  # its own `raise`, not one of torch's, is a stub's
        if isinstance(error, NotImplementedError) and not error.args and (own is None or own.tb_next is None):
            raise _NotAttempted from None
        line = own.tb_lineno - code.co_firstlineno + 1 if own and own.tb_frame.f_code is code else 1
        place = f" in its line {line}" if line > 1 else ""
        raise Mistake(f"Your function raised {type(error).__name__}{place}: {error}{at} {hint}".rstrip()) from error
    if result is None and code is not None and len(code.co_code) > len(_empty.__code__.co_code):
        raise Mistake(f"Your function returned None{at}: is there a path through it without a `return`?")
    if result is ... or result is None:
        raise _NotAttempted
    result = float(result) if isinstance(result, (Fraction, Decimal)) else result
    return torch.from_numpy(result) if isinstance(result, np.ndarray) and result.ndim else result


def one_number(value: Any) -> Any:
    """Return ``value``; :class:`Mistake` for a tensor or array with dimensions, be it of a single number."""
    shape = list(getattr(value, "shape", []))
    expect(shape == [], f"Return one number; yours has shape {shape}.")
    return value


def several(answer: Any) -> Any:
    """Return an answer of several numbers that came as one tensor or array as a list of them, and any other as it is."""
    return list(answer) if isinstance(answer, (Tensor, np.ndarray)) and answer.ndim else answer


def listed(values: Tensor) -> str:
    """Return the numbers of a tensor as a reader wants to see them in a message."""
    return "[" + ", ".join(f"{value:.4g}" for value in values.detach().flatten().tolist()) + "]"


def close(given: Any, wanted: Any, *, atol: float = 1e-4, rtol: float = 1e-3) -> bool:
    """Return whether two numbers or tensors have the same shape and agree to the tolerance."""
    try:
        given, wanted = torch.as_tensor(given).detach().double(), torch.as_tensor(wanted).detach().double()
    except (TypeError, ValueError, RuntimeError):
        return False
    return given.shape == wanted.shape and torch.allclose(given, wanted, atol=atol, rtol=rtol)
