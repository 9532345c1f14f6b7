"""Draw collapse and its cure from recorded runs: a picture for the README, and the figure of the front page, which plays.

``python scripts/draw_front_picture.py`` reads chapter 4's and chapter 20's recordings in book/recorded/ and writes
book/_static/collapse-and-cure.png and .html. It trains nothing.
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image

import gan_utils as gu

BOOK = Path(__file__).resolve().parents[1] / "book"
RECORDING, PICTURE = BOOK / "recorded/mnist-reference.npz", BOOK / "_static/collapse-and-cure.png"
FIGURE = PICTURE.with_suffix(".html")
TWINS = {"the usual recipe": "patient", "mended": "cure"}
ALT = "Two grids of sixteen images over the steps of training. Left, one blot, then specks. Right, different digits."
ROWS = {"plain": "the usual recipe", "undropped": "a mended one"}


def film(recording: Path) -> gu.Frames:
    """Return the moments that both recipes were filmed at, after training began: seed 0 of each, as two members."""
    with np.load(recording) as runs:
        times = [runs[f"{name}/frame_steps"].tolist() for name in ROWS]
        common = sorted(set(times[0]) & set(times[1]) - {0})
        rows = [runs[f"{name}/frames"][[at.index(s) for s in common], 0] for name, at in zip(ROWS, times, strict=True)]
    grey = torch.from_numpy(np.stack(rows, axis=1).astype(np.float32))
    return gu.Frames(common, grey / grey.max() * 2 - 1)


def twins(recording: Path) -> dict[str, gu.Frames]:
    """Return the film of chapter 20's patient and of its cure, seed 0 of each."""
    with np.load(recording) as runs:
        films = {title: (runs[f"{name}/frame_steps"], runs[f"{name}/frames"]) for title, name in TWINS.items()}
    grey = {title: torch.from_numpy(frames).float()[:, None] for title, (_, frames) in films.items()}
    return {title: gu.Frames(steps.tolist(), grey[title] / 15 * 2 - 1) for title, (steps, _) in films.items()}


def main() -> None:
    """Write the picture: a row for each recipe, the same 16 latents in every tile."""
    gu.plots.use_style()
    frames = film(RECORDING)
    axes = gu.plots.film(frames, columns=len(frames.steps))
    for ax, label in zip(axes[:, 0], ROWS.values(), strict=True):
        ax.texts[0].set(text=label, ha="center", x=-0.12)
    picture = io.BytesIO()
    plt.savefig(picture, dpi=150)
    Image.open(picture).convert("L").quantize(16).save(PICTURE, optimize=True)  # a quarter of the bytes
    gu.plots.scrubber(twins(gu.recorded("cure.npz")), alt=ALT, pause=600, autoplay=True).save(FIGURE)


if __name__ == "__main__":
    main()
