"""Checked exercises: ``gu.exercises.check("1.2", answer)``. One module for each chapter registers its checks."""

from gan_utils.exercises import chapter01 as _chapter01  # noqa: F401 - importing registers its checks
from gan_utils.exercises import chapter02 as _chapter02  # noqa: F401
from gan_utils.exercises import chapter03 as _chapter03  # noqa: F401
from gan_utils.exercises import chapter04 as _chapter04  # noqa: F401
from gan_utils.exercises import chapter05 as _chapter05  # noqa: F401
from gan_utils.exercises import chapter06 as _chapter06  # noqa: F401
from gan_utils.exercises import chapter07 as _chapter07  # noqa: F401
from gan_utils.exercises import chapter08 as _chapter08  # noqa: F401
from gan_utils.exercises import chapter09 as _chapter09  # noqa: F401
from gan_utils.exercises import chapter10 as _chapter10  # noqa: F401
from gan_utils.exercises import chapter11 as _chapter11  # noqa: F401
from gan_utils.exercises import chapter12 as _chapter12  # noqa: F401
from gan_utils.exercises import chapter13 as _chapter13  # noqa: F401
from gan_utils.exercises import chapter14 as _chapter14  # noqa: F401
from gan_utils.exercises import chapter15 as _chapter15  # noqa: F401
from gan_utils.exercises import chapter16 as _chapter16  # noqa: F401
from gan_utils.exercises import chapter17 as _chapter17  # noqa: F401
from gan_utils.exercises import chapter18 as _chapter18  # noqa: F401
from gan_utils.exercises import chapter19 as _chapter19  # noqa: F401
from gan_utils.exercises import chapter20 as _chapter20  # noqa: F401
from gan_utils.exercises.framework import Feedback, check, names

__all__ = ["Feedback", "check", "names"]
