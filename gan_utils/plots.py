"""What the book draws, one call each. All but the scrubber return matplotlib axes; none shows or saves anything itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib import rc_params_from_file
from matplotlib.axes import Axes
from torch import Tensor

from gan_utils import checks
from gan_utils.data import Mixture
from gan_utils.run import Frames, Run
from gan_utils.scrubber import Panel, Scrubber, make_scrubber

__all__ = ["COLOURS", "evidence", "film", "heatmap", "history", "images", "lines", "points", "scrubber", "use_style"]

STYLE = rc_params_from_file(Path(__file__).with_name("book.mplstyle"), use_default_template=False)
#: Okabe and Ito's palette, distinct to colour-blind eyes: blue, orange, green, pink, sky, vermilion, yellow, black.
COLOURS: list[str] = STYLE["axes.prop_cycle"].by_key()["color"]
REAL, FAKE = "#9A9A9A", COLOURS[0]
_WIDTH = STYLE["figure.figsize"][0]  # inches
Data = Mixture | checks.Samples | None
Words = Sequence[str]


def use_style() -> None:
    """Make the book's style matplotlib's default for this session, as ``plt.style.use("gan_utils.book")`` does."""
    plt.rcParams.update(STYLE)


def _panels(rows: int, columns: int, aspect: float = 1.0) -> np.ndarray:
    with plt.rc_context(STYLE):
        side = min(_WIDTH / columns, 3.6)
        _, axes = plt.subplots(rows, columns, figsize=(side * columns, side * aspect * rows), squeeze=False)
    return axes


def _drawn(name: str, given: object, *shape: int | None) -> Tensor:
    """Return numbers of this shape as matplotlib takes them: float64, on the CPU, without gradients."""
    return checks.shaped(name, checks.numbers(name, given, torch.float64), *shape).detach().cpu()


def lines(
    x: Sequence[float] | checks.Samples,
    curves: Mapping[str, Sequence[float] | checks.Samples],
    *,
    xlabel: str,
    ylabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw named curves ``{label: y [n]}`` over common ``x [n]``, with a legend."""
    with plt.rc_context(STYLE):
        ax = ax or plt.subplots()[1]
        x = _drawn("x", x, None)
        for label, y in checks.kind("curves", curves, Mapping).items():
            ax.plot(x, _drawn(f"curves[{label!r}]", y, len(x)), label=label)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.legend()
    return ax


def history(run: Run, columns: Words = ("d_loss", "g_loss"), *, labels: Words | None = None) -> np.ndarray:
    """Draw columns of a run's history over the steps: each seed thin, their median thick; one panel a column."""
    table, columns = checks.kind("run", run, Run).history, [columns] if isinstance(columns, str) else columns
    for column in checks.kind("columns", columns, Sequence):
        checks.choice("columns", column, table.columns)
    axes = _panels(1, checks.integer("the number of columns", len(columns)), aspect=0.75)[0]
    labels = _labels("labels", labels or columns, len(columns))
    for ax, column, label, colour in zip(axes, columns, labels, COLOURS, strict=False):
        wide = table.pivot(index="step", columns="seed", values=column).dropna(how="all")
        ax.plot(wide.index, wide.to_numpy(), color=colour, alpha=0.25, linewidth=0.8)
        ax.plot(wide.index, wide.median(axis=1), color=colour, linewidth=1.8)
        ax.set(title=label, xlabel="step")
    return axes


def heatmap(
    values: Sequence[Sequence[float]] | checks.Samples,
    *,
    rows: Sequence[object],
    columns: Sequence[object],
    xlabel: str,
    ylabel: str,
    limits: tuple[float, float] = (0.0, 1.0),
    form: str = ".0%",
    ax: Axes | None = None,
) -> Axes:
    """Draw ``values [rows, columns]`` as coloured cells with their numbers in them, the first row at the bottom.

    Args:
        rows, columns: a label for each row and each column, shown with ``str``.
        limits: the values of the darkest and the lightest colour (cividis, which colour-blind eyes order alike).
        form: how a number is written, a format specification; NaN is an empty cell.

    Raises ValueError or TypeError for values that are no table, or labels that do not fit it.

    Example:
        >>> rates = torch.tensor([[0.0, 0.5], [0.5, 1.0]])
        >>> ax = gu.plots.heatmap(rates, rows=["1e-4", "1e-3"], columns=[1, 5], xlabel="D's steps", ylabel="learning rate")
        >>> [text.get_text() for text in ax.texts]
        ['0%', '50%', '50%', '100%']
    """
    table = _drawn("values", values, None, None)
    for name, labels, count in zip(("rows", "columns"), (rows, columns), table.shape, strict=True):
        if len(checks.kind(name, labels, Sized)) != count:
            raise ValueError(f"{name} must have a label for each of the {count} {name} of values; got {len(labels)}.")
    least, most = (checks.number("limits", limit) for limit in checks.kind("limits", limits, Sequence))
    with plt.rc_context(STYLE):
        ax = ax or plt.subplots()[1]
        ax.imshow(table.numpy(), cmap="cividis", vmin=least, vmax=most, aspect="auto", origin="lower")
        for (row, column), value in np.ndenumerate(table.numpy()):
            if np.isfinite(value):
                colour = "white" if value < (least + most) / 2 else "black"  # cividis: evenly from dark blue to yellow
                ax.text(column, row, format(value, form), ha="center", va="center", fontsize=9, color=colour)
        ax.set(xlabel=xlabel, ylabel=ylabel, xticks=range(len(columns)), yticks=range(len(rows)))
        ax.set_xticklabels([str(label) for label in columns])
        ax.set_yticklabels([str(label) for label in rows])
        ax.grid(False)
    return ax


def points(samples: checks.Samples, *, real: Data = None, titles: Words | None = None, columns: int = 4) -> np.ndarray:
    """Scatter samples ``[panels, n, 2]`` (or ``[n, 2]``), the data behind them in grey; one panel each.

    Example:
        >>> ring = gu.data.ring()
        >>> whole, half = ring.sample(100), ring.sample(100).abs()
        >>> axes = gu.plots.points(torch.stack([whole, half]), real=ring, titles=["whole", "folded"])
        >>> axes.shape, axes[0, 1].get_title()
        ((1, 2), 'folded')
    """
    samples = samples[None] if getattr(samples, "ndim", 0) == 2 else samples
    count = len(samples := checks.floats("samples", samples, None, None, 2).detach().cpu())
    columns, titles = min(checks.integer("columns", columns), count), _labels("titles", titles, count)
    axes = _panels(-(-count // columns), columns)
    cloud = _cloud(real)
    for ax, sample, title in zip(axes.flat, samples, titles, strict=False):
        _scatter(ax, sample, cloud)
        ax.set_title(title)
    for ax in axes.flat[count:]:
        ax.axis("off")
    return axes


def _labels(name: str, given: Any, count: int) -> Words:
    """Return the labels of so many things: empty ones where none are given, ValueError where there are too few."""
    if len(checks.kind(name, given or [""] * count, Sequence)) < count:
        raise ValueError(f"{name} must be at least {count}; got {given!r}.")
    return given or [""] * count


def _scatter(ax: Axes, fake: Tensor, cloud: Tensor | None) -> None:
    if cloud is not None:
        ax.scatter(cloud[:, 0], cloud[:, 1], s=5, color=REAL, alpha=0.5, linewidths=0)
        middle, reach = _view(cloud)
        x, y = middle.tolist()
        ax.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach))
    ax.scatter(fake[:, 0], fake[:, 1], s=4, color=FAKE, alpha=0.5, linewidths=0)
    ax.set(xticks=[], yticks=[])
    ax.set_aspect("equal", adjustable="box" if cloud is not None else "datalim")
    ax.grid(False)


def _view(seen: Tensor) -> tuple[Tensor, float]:
    """Return the middle of points ``[n, 2]``, the origin if that is near it, and how far to either side to show the plane."""
    low, high = (seen := seen.nan_to_num(0)).aminmax(dim=0)
    middle = torch.where((low + high).abs() < (high - low).max() / 10, 0.0, (low + high) / 2)
    return middle, 1.35 * float((seen - middle).abs().max())


def images(x: checks.Samples, *, rows: int = 4, columns: int = 12, titles: Words | None = None) -> np.ndarray:
    """Show images ``[n, c, h, w]`` (or ``[panels, n, c, h, w]``) in [-1, 1], tiled; one panel for each group.

    One channel is drawn in grey, three as red, green and blue.
    """
    groups = checks.floats("x", x[None] if getattr(x, "ndim", 0) == 4 else x, *[None] * 5)
    if groups.shape[2] not in (1, 3):
        raise ValueError(f"x must have one channel or three; got {groups.shape[2]}.")
    rows, columns = checks.integer("rows", rows), checks.integer("columns", columns)
    headed, titles = bool(titles), _labels("titles", titles, len(groups))
    axes = _panels(1, len(groups), aspect=rows / columns + 0.12 * headed)[0]
    for ax, group, title in zip(axes, groups, titles, strict=False):
        _tile(ax, group, rows, columns)
        ax.set_title(title)
    return axes


def _tile(ax: Axes, group: Tensor, rows: int, columns: int) -> None:
    tiled = _tiled(group, rows, columns)
    if tiled.shape[-1] == 3:
        ax.imshow(((tiled + 1) / 2).numpy())  # colours lie in [0, 1]
    else:
        ax.imshow(tiled[..., 0].numpy(), vmin=-1, vmax=1, cmap="gray")
    ax.axis("off")


def _tiled(group: Tensor, rows: int = 4, columns: int = 4) -> Tensor:
    """Return images [n, c, h, w] as one [rows h, columns w, c]."""
    group = group[: rows * columns].detach().cpu().float().clamp(-1, 1)
    _, channels, height, width = group.shape
    blank = group.new_full((rows * columns - len(group), *group.shape[1:]), -1.0)
    tiles = torch.cat([group, blank]).reshape(rows, columns, channels, height, width)
    return tiles.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)


def film(frames: Frames, *, real: Data = None, seeds: Sequence[int] | None = None, columns: int = 6) -> np.ndarray:
    """Draw snapshots as a film strip: a row for each seed, ``columns`` moments from first to last.

    Points ``[T, seeds, n, 2]`` are scattered, images ``[T, seeds, n, c, h, w]`` tiled 4 x 4.
    """
    if not len(checks.kind("frames", frames, Frames).steps):
        raise ValueError("frames must hold at least one moment; got none. Ask fit for frames=40.")
    names = _labels("seeds", seeds or range(frames.samples.shape[1]), frames.samples.shape[1])
    panels = [(f"seed {names[i]}", frames.steps, frames.samples[:, i]) for i in range(frames.samples.shape[1])]
    return _strip(panels, _cloud(real), columns)


def _strip(panels: Sequence[tuple[str, Sequence[int], Tensor]], cloud: Tensor | None, columns: int) -> np.ndarray:
    """Draw panels (title, steps [T], samples [T, n, ...]) as rows; a row whose steps differ from the first's says its own."""
    if (form := panels[0][2].shape[2:]) != (2,) and (len(form) != 3 or form[0] not in (1, 3)):
        raise ValueError(f"snapshots must be points [2] or images [1 or 3, h, w]; these samples are {list(form)}.")
    moments = np.unique(np.linspace(0, len(panels[0][1]) - 1, checks.integer("columns", columns)).round().astype(int))
    axes = _panels(len(panels), len(moments))
    for i, (row, (title, steps, samples)) in enumerate(zip(axes, panels, strict=True)):
        for ax, t in zip(row, moments, strict=True):
            _tile(ax, samples[t], 4, 4) if samples.ndim == 5 else _scatter(ax, samples[t], cloud)
            if i == 0 or list(steps) != list(panels[0][1]):
                ax.set_title(f"step {steps[t]:,}")
        row[0].text(-0.08, 0.5, title, transform=row[0].transAxes, rotation=90, va="center", ha="right")
    return axes


def _cloud(real: Data) -> Tensor | None:
    if isinstance(real, Mixture):
        return real.sample(1_000, torch.Generator().manual_seed(0))
    return None if real is None else checks.floats("real", real, None, 2).detach().cpu()


def scrubber(
    films: Frames | Mapping[str, Frames],
    *,
    real: Data = None,
    alt: str = "Samples over the steps of training.",
    points: int = 256,
    pause: int = 250,
    autoplay: bool = False,
) -> Scrubber:
    """Return a figure that plays snapshots, with a slider and the arrow keys: in a notebook, in Colab, in a built page.

    Args:
        films: snapshots, each seed a panel; or named ones, side by side, of each its first seed. All have as many moments.
            Points ``[T, seeds, n, 2]`` are scattered, images ``[T, seeds, n, c, h, w]`` tiled 4 x 4.
        real: the data, drawn behind points.
        alt: what is to be seen, for those who cannot see it.
        points: at most so many of a panel; 40 moments of 256 take about 55 kB.
        pause: milliseconds from one moment to the next.
        autoplay: whether it plays unasked (not for readers who asked their system for less motion).

    Raises ValueError for films without moments, or with different numbers of them.
    """
    checks.integer("points", points), checks.integer("pause", pause)
    checks.kind("alt", alt, str), checks.kind("films", films, Frames, Mapping)
    if isinstance(films, Frames):
        films = {f"seed {i}": Frames(films.steps, films.samples[:, i : i + 1]) for i in range(films.samples.shape[1])}
    moments = sorted({len(checks.kind("films", film, Frames).steps) for film in films.values()})
    if len(moments) != 1 or moments == [0]:
        raise ValueError(f"films must all have as many moments, at least one; got {moments}. Ask fit for frames=40.")
    panels = [(name, film.steps, film.samples[:, 0, :points]) for name, film in films.items()]
    cloud = _cloud(real)
    axes = _strip(panels, cloud, 5)
    still = axes.flat[0].figure
    plt.close(still)  # it is part of the page, not a figure beside it
    seen = torch.cat([s.flatten(0, 1) for *_, s in panels]) if cloud is None else cloud
    middle, reach = _view(seen) if seen.ndim == 2 else (0.0, 1.0)
    shown = [
        Panel(name, at, torch.stack([_tiled(x) for x in s]) if s.ndim == 5 else s - middle) for name, at, s in panels
    ]
    behind = None if cloud is None else cloud[:points] - middle
    return make_scrubber(shown, behind, reach, still, alt=alt, pause=pause, autoplay=autoplay)


def evidence(rows: Sequence[tuple[str, float, float, float, float, float]], *, ax: Axes | None = None) -> Axes:
    """Draw measures of different kinds on one scale, 0 for what real samples typically score, 1 for the limit.

    ``rows`` hold (name, value, typical, least and greatest score of real samples, limit). Grey: the range of real samples;
    a dot: the value, at most at 4, orange beyond the limit. (One that ends at 0, as sameness does, cannot get far beyond 1
    where real samples score many times the limit: then the colour tells, and not the place.)
    """
    if any(len(row) != 6 for row in checks.kind("rows", rows, Sequence)):
        raise ValueError(f"rows must hold six entries each; got {rows!r}.")
    with plt.rc_context(STYLE):
        ax = ax or plt.subplots(figsize=(_WIDTH, 0.6 + 0.34 * max(1, len(rows))))[1]
        ax.axvline(1, color=COLOURS[5], linewidth=1)
        for row, (_, value, typical, low, high, limit) in enumerate(rows):
            unit = (limit - typical) or 1e-9
            low, high, at = np.clip([(score - typical) / unit for score in (low, high, value)], -1, 4)
            ax.plot(sorted([low, high]), [row, row], color=REAL, linewidth=7, solid_capstyle="butt", alpha=0.7)
            ax.plot([at], [row], "o", color=COLOURS[5] if at > 1 else FAKE, markersize=7)
        ax.set(xlim=(-1.1, 4.2), xticks=[0, 1, 4], xticklabels=["real", "limit", "4 x or more"])
        ax.set_yticks(range(len(rows)), [row[0] for row in rows])
        ax.invert_yaxis()
    return ax
