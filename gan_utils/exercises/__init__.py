"""Checked exercises: ``gu.exercises.check("1.2", answer)``. One module for each chapter registers its checks."""

from gan_utils.exercises import (  # noqa: F401, I001 - importing registers their checks
    chapter01, chapter02, chapter03, chapter04, chapter05, chapter06, chapter07, chapter08, chapter09,
    chapter10, chapter11, chapter12, chapter13, chapter14, chapter15, chapter16, chapter17, chapter18,
    chapter19, chapter20,
)  # fmt: skip
from gan_utils.exercises.framework import Feedback, check, names

__all__ = ["Feedback", "check", "names"]
