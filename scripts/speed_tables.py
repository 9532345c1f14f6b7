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

ROOT = Path(__file__).resolve().parent.parent
PAGE = "book/speed"
RECORDED = Path("benchmarks", "recorded")
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


#: By the marker's first word: the record, and what makes lines of it and of the marker's second word.
TABLES: dict[str, tuple[str, Callable[[Record, str], Iterator[str]]]] = {
    "peers": ("peers.json", peers),
}


def made(record: Record) -> str:
    """Return where a record's numbers come from, in a line."""
    how = record["provenance"]
    versions = ", ".join(f"{name} {version}" for name, version in how["versions"].items() if name != "gan-utils")
    return (
        f"`{how['command']}`, commit `{how['commit'][:10]}`, {how['date']}; {how['device']}, {how['threads']} threads; "
        f"{versions}; medians (and ranges) of {how['rounds']} rounds."
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
        source[0] = filled(source[0], ROOT)


def setup(app) -> dict[str, bool]:
    """Sphinx calls this when it loads the extension."""
    app.connect("source-read", on_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
