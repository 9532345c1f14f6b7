"""The tables of the page on speed, made from the recorded benchmarks whenever the book is built.

``book/speed.md`` holds markers, ``<!-- peers: ring-32 -->``: a record of ``benchmarks/recorded`` and what of it. As a Sphinx
extension (see ``_config.yml``) this file puts tables in their place. A marker without a record is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import gan_utils as gu

ROOT = Path(__file__).resolve().parent.parent
PAGE = "book/speed"
RECORDED = Path("benchmarks", "recorded")
FIGURE = Path("_build", "figures", "cost.png")
AXES = {"seeds": "seeds", "width": "width", "batch": "batch", "K": "K, steps unrolled", "m": "m, samples packed"}
MARKER = re.compile(r"^<!-- (\w+): (.+?) -->$", re.MULTILINE)
Record = dict[str, Any]


def number(x: float) -> str:
    """Return three digits, or all that stand before the point."""
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def spread(median: float, low: float, high: float, unit: str = "") -> str:
    """Return a median with its range."""
    return f"{number(median)}{unit} ({number(low)} to {number(high)})"


def table(columns: list[str], rows: Iterator[list[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table; all columns but the first are numbers."""
    yield "| " + " | ".join(columns) + " |"
    yield "|---" + "|---:" * (len(columns) - 1) + "|"
    for cells in rows:
        yield "| " + " | ".join(cells) + " |"


def peers(record: Record, task: str) -> Iterator[str]:
    """Yield the package's own rates on a task, and a row for each loop: how many times faster the package is."""
    ours = {row["seeds"]: row for row in record["rows"] if row["task"] == task and row["loop"] == "gan_utils"}
    theirs = {
        (row["loop"], row["data"]): row for row in record["rows"] if row["task"] == task and row["loop"] != "gan_utils"
    }
    for seeds, row in ours.items():
        who = f"{seeds} seeds together" if seeds > 1 else "one seed"
        rate = spread(*row["samples_per_s"])
        yield f"- `gan_utils`, {who}: {rate} samples a second; {row['compile_s']:.0f} s of compiling, once."
    yield ""

    def rows() -> Iterator[list[str]]:
        for loop in dict.fromkeys(name for name, _ in theirs):
            shipped, resident = (theirs[loop, path] for path in ("as shipped", "resident"))
            cells = [loop, number(shipped["samples_per_s"][0])]
            for seeds in map(str, ours):
                cells += [spread(*row["ours_over_theirs"][seeds], "x") for row in (shipped, resident)]
            yield cells

    names = [
        f"{'one seed' if n == 1 else f'{n} seeds'}, {path}" for n in ours for path in ("as shipped", "our data path")
    ]
    yield from table(["Loop", "Samples/s", *names], rows())


def limits(record: Record, what: str) -> Iterator[str]:
    """Yield a row for each recipe: the rate of its products, and the shares of a step; ``what`` is the word "all"."""

    def rows() -> Iterator[list[str]]:
        for row in record["limit"]:
            shares = [
                spread(*(100 * share for share in row["shares"][part]))
                for part in ("products", "optimisers", "drawing")
            ]
            rates = [number(row["gflops_of_shapes"][0]), f"{row['goal']:.0%}"]
            yield [row["name"], number(row["step_ms"][0]), *rates, *shares]

    names = [
        "Recipe",
        "ms a step",
        "GFLOP/s of its products alone",
        "Goal",
        "Products, %",
        "Optimisers, %",
        "Drawing, %",
    ]
    yield from table(names, rows())


def cost(record: Record, what: str) -> Iterator[str]:
    """Yield a row for each thing that a step's cost was measured against; ``what`` is the word "all"."""

    def rows() -> Iterator[list[str]]:
        for row in record["cost"]:
            ends = f"{row['sizes'][0]} to {row['sizes'][-1]}"
            times = f"{number(row['ms'][0][0])} to {number(row['ms'][-1][0])}"
            yield [AXES[row["axis"]], ends, times, f"{row['slope']:.2f}", f"{row['of_operations']:.2f}"]

    yield from table(["Against", "Sizes", "ms a step", "Slope of the time", "Slope of the operations"], rows())


def draw_cost(record: Record, path: Path) -> None:
    """Draw the time of a step against each size, on logarithmic axes, and as a line what the operations alone expect."""
    gu.plots.use_style()
    figure, axes = plt.subplots(2, 3, figsize=(7.2, 4.6), sharey=True, layout="constrained")
    for ax in axes.flat[len(record["cost"]) :]:
        ax.remove()
    for ax, row in zip(axes.flat, record["cost"], strict=False):
        sizes, (median, low, high) = np.array(row["sizes"]), np.array(row["ms"]).T
        fitted = 1 + 2 * sizes if row["axis"] == "K" else sizes  # the passes of a step, as the benchmark fits it
        expected = median[-1] * (fitted / fitted[-1]) ** row["of_operations"]
        ax.loglog(sizes, expected, ":", color="black", linewidth=1)
        ax.errorbar(sizes, median, (median - low, high - median), fmt="o-", color=gu.plots.COLOURS[0], markersize=4)
        shown = sizes[:: 1 + (len(sizes) > 6)]
        ax.set_xticks(shown, map(str, shown))
        ax.minorticks_off()
        ax.set_xlabel(AXES[row["axis"]])
    for ax in axes[:, 0]:
        ax.set_ylabel("ms a step, all seeds")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def metrics(record: Record, what: str) -> Iterator[str]:
    """Yield a row a method and size; ``what`` is a group: "neighbours" or "vendi"."""

    def rows() -> Iterator[list[str]]:
        for row in record["rows"]:
            if row["group"] == what:
                equal = "itself" if row["name"] == "gan_utils" else "yes" if row["equal"] else "no"
                yield [row["name"], f"{row['n']:,}", spread(*row["s"]), number(row["mib"]), equal]

    yield from table(["Method", "Points", "Seconds", "MiB", "Values as ours"], rows())


def quality(record: Record, what: str) -> Iterator[str]:
    """Yield a row for each way to train; ``what`` is the word "all"."""

    def rows() -> Iterator[list[str]]:
        for row in record["rows"]:
            low, high = row["interval"]
            rate = f"{row['reached']} of {row['seeds']} ({low:.0%} to {high:.0%})"
            half = ["-", "-"] if row["half_s"] is None else [f"{row['half_steps']:,}", number(row["half_s"])]
            yield [row["name"], rate, *half, number(row["compile_s"])]

    yield from table(["Loop", "Seeds that got there", "Steps until half had", "Seconds", "of it compiling"], rows())


def steps(record: Record, what: str) -> Iterator[str]:
    """Yield a row for each comparison with the tutorial's loop, and what was asked of it; ``what`` is the word "all"."""

    def rows() -> Iterator[list[str]]:
        for row in record["rows"]:
            ratio = spread(row["ratio"], row["ratio_low"], row["ratio_high"], "x")
            asked = f"{row['goal']:g}x" if row["goal"] else "-"
            yield [row["name"], asked, ratio, number(row["tutorial_ms"]), number(row["package_ms"])]

    yield from table(["Recipe", "Goal", "Times as fast", "Tutorial, ms a step", "Package, ms a step"], rows())


def busy(record: Record, what: str) -> Iterator[str]:
    """Yield a row for each recipe and situation: a step on one thread and on all; ``what`` is the word "all"."""

    def rows() -> Iterator[list[str]]:
        for row in record["rows"]:
            times = [spread(*row[part]) for part in ("one_thread_ms", "all_threads_ms")]
            yield [row["name"], row["beside"], *times, spread(*row["ratio"], "x")]

    many = f"{record['provenance']['threads']} threads"
    names = ["Recipe", "Beside", "One thread, ms a step", f"{many}, ms a step", f"{many}: times as long"]
    yield from table(names, rows())


#: By the marker's first word: the record, and what makes lines of it and of the marker's second word.
TABLES: dict[str, tuple[str, Callable[[Record, str], Iterator[str]]]] = {
    "peers": ("peers.json", peers),
    "limits": ("limits.json", limits),
    "cost": ("limits.json", cost),
    "metrics": ("metrics_peers.json", metrics),
    "quality": ("time_to_quality.json", quality),
    "steps": ("step_speed.json", steps),
    "busy": ("busy_machine.json", busy),
}


def made(record: Record) -> str:
    """Return where a record's numbers come from, in a line."""
    how = record["provenance"]
    versions = ", ".join(f"{name} {version}" for name, version in how["versions"].items() if name != "gan-utils")
    rounds = f"; medians (and ranges) of {how['rounds']} rounds" if how["rounds"] > 1 else ""
    return (
        f"`{how['command']}`, commit `{how['commit'][:10]}`, {how['date']}; {how['device']}, {how['threads']} threads; "
        f"{versions}{rounds}."
    )


def filled(text: str, root: Path) -> str:
    """Return the page's text with a table in the place of each marker."""

    def place(marker: re.Match[str]) -> str:
        name, what = marker.groups()
        if name not in TABLES:
            raise ValueError(f"{PAGE}.md: <!-- {name}: ... --> is no table. There are: {', '.join(TABLES)}.")
        file, lines = TABLES[name]
        record = json.loads((root / RECORDED / file).read_text("utf-8"))
        return made(record) if what == "made" else "\n".join(lines(record, what))

    return MARKER.sub(place, text)


def on_source(app, name: str, source: list[str]) -> None:
    """Sphinx, when it has read a page's source: fill in the tables, and read the page anew when a record changes."""
    if name == PAGE:
        for file, _ in TABLES.values():
            app.env.note_dependency(str(ROOT / RECORDED / file))
        draw_cost(json.loads((ROOT / RECORDED / "limits.json").read_text("utf-8")), ROOT / FIGURE)
        source[0] = filled(source[0], ROOT)


def setup(app) -> dict[str, bool]:
    """Sphinx calls this when it loads the extension."""
    app.connect("source-read", on_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
