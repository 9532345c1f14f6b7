"""A figure that plays: snapshots of training with a play button, a slider and the arrow keys, all of it inside the page."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

__all__ = ["Panel", "Scrubber", "make_scrubber"]

GREYS = 16  # levels of grey: a sheet of digits is then a third of the bytes


@dataclass(frozen=True)
class Panel:
    """One picture that moves: its title, its ``steps [T]``, ``samples`` as points [T, n, 2] or pictures [T, h, w, 1 or 3]."""

    title: str
    steps: Sequence[int]
    samples: Tensor


@dataclass(frozen=True)
class Scrubber:
    """What a notebook shows: HTML that asks no other host, with a picture for paper and for pages without scripts."""

    page: str

    def _repr_html_(self) -> str:
        return self.page

    def save(self, path: str | Path) -> None:
        """Write the figure as a fragment of HTML."""
        Path(path).write_text(self.page, "utf-8")


def make_scrubber(
    panels: Sequence[Panel], cloud: Tensor | None, reach: float, still: Figure, *, alt: str, pause: int, autoplay: bool
) -> Scrubber:
    """Return the figure for panels of equally many moments; points are drawn on [-reach, reach] squared."""
    film: dict[str, Any] = {"moments": len(panels[0].steps), "panels": [_panel(panel, reach) for panel in panels]}
    if cloud is not None:
        film["cloud"] = _points(cloud, reach)
    text = json.dumps(film, separators=(",", ":"))
    template = Template((resources.files("gan_utils") / "scrubber.html").read_text("utf-8"))
    name = "scrubber-" + hashlib.sha256(text.encode()).hexdigest()[:12]  # the same at each build
    parts = {"id": name, "alt": html.escape(alt), "still": _still(still), "film": text.replace("</", "<\\/")}
    return Scrubber(template.substitute(parts, pause=pause, autoplay="true" if autoplay else "false"))


def _panel(panel: Panel, reach: float) -> dict[str, Any]:
    shown: dict[str, Any] = {"title": panel.title, "steps": list(panel.steps)}
    if panel.samples.ndim == 3:
        return shown | {"data": _points(panel.samples.flatten(0, 1), reach)}
    sheet = panel.samples.nan_to_num(-1).add(1).mul(127.5).round().byte().flatten(0, 1)  # moment below moment
    return shown | {"sprite": _png(Image.fromarray(sheet.squeeze(-1).numpy()))}


def _points(points: Tensor, reach: float) -> str:
    """Return points [n, 2] on a square as base64 of little-endian 16-bit numbers; what lies outside, on its edge."""
    unit = ((points.double() / reach + 1) / 2).nan_to_num(0).clamp(0, 1)
    return base64.b64encode((unit.numpy() * 65535).round().astype("<u2").tobytes()).decode()


def _png(image: Image.Image) -> str:
    if image.mode == "L":
        image = image.point([round(v / 255 * (GREYS - 1)) * 255 // (GREYS - 1) for v in range(256)]).quantize(GREYS)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _still(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, dpi=100)
    return _png(Image.open(file).convert("RGB").quantize(GREYS))
