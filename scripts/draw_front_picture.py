"""Draw collapse and its cure from chapter 4's recorded runs, for the README and the front page.

``python scripts/draw_front_picture.py`` reads book/recorded/mnist-reference.npz and writes
book/_static/collapse-and-cure.png. It trains nothing.
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
ROWS = {"plain": "the usual recipe", "undropped": "a mended one"}


def film(recording: Path) -> gu.Frames:
    """Return the moments that both recipes were filmed at, after training began: seed 0 of each, as two members."""
    with np.load(recording) as runs:
        times = [runs[f"{name}/frame_steps"].tolist() for name in ROWS]
        common = sorted(set(times[0]) & set(times[1]) - {0})
        rows = [runs[f"{name}/frames"][[at.index(s) for s in common], 0] for name, at in zip(ROWS, times, strict=True)]
    grey = torch.from_numpy(np.stack(rows, axis=1).astype(np.float32))
    return gu.Frames(common, grey / grey.max() * 2 - 1)


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


if __name__ == "__main__":
    main()
