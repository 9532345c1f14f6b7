"""A progress bar that leaves no litter: tqdm in a terminal, one line that updates itself in a notebook, else nothing."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

__all__ = ["Progress"]


class Progress:
    """Shows how far a run has come; :meth:`close` leaves one line of text in a notebook, and nothing in a terminal."""

    def __init__(self, total: int, label: str, *, show: bool = True) -> None:
        self.total, self.label, self.last = total, label, time.perf_counter()
        self.bar = self.line = None
        if show and _in_notebook():
            from IPython.display import display

            # raw: the text as it is, without the quotes of a string
            self.line = display({"text/plain": f"{label}: starting"}, raw=True, display_id=True)
        elif show and sys.stderr.isatty():
            self.bar = tqdm(total=total, desc=label, leave=False, unit="step")

    def show(self, done: int) -> None:
        """Say that ``done`` steps are done."""
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
        now = time.perf_counter()
        if self.line is not None and now - self.last > 0.5:
            self.last = now
            bar = ("█" * (30 * done // self.total)).ljust(30, "·")
            self.line.update({"text/plain": f"{self.label} {bar} {done:,}/{self.total:,}"}, raw=True)

    def close(self, text: str) -> None:
        """End with one line of text."""
        if self.bar is not None:
            self.bar.close()
        if self.line is not None:
            self.line.update({"text/plain": text}, raw=True)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")  # a notebook has imported it
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
