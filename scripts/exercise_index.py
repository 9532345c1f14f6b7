"""The book's list of exercises, made from the notebooks when the book is built, so that it cannot fall behind them.

``_config.yml`` loads this file (``local_extensions``). On ``book/exercises.md`` it puts, in place of the comment
:data:`MARKER`, a table of the exercises of each chapter in ``_toc.yml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
import yaml
from myst_parser.mdit_to_docutils.base import default_slugify

ROOT = Path(__file__).resolve().parent.parent
PAGE = "book/exercises"
MARKER = "<!-- the tables of exercises -->"
HEADING = re.compile(r"^### (Exercise (\d+): (.+) \((easy|medium|hard), (\d+) minutes\))\s*$", re.MULTILINE)
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
LEVELS = ("easy", "medium", "hard")


class Exercise(NamedTuple):
    """An exercise, as its heading and the cells of its notebook tell of it."""

    number: str  #: "7.3": the third of chapter 7, as ``gu.exercises.check`` calls it
    title: str  #: Markdown
    anchor: str  #: of its heading
    level: str  #: one of LEVELS
    minutes: int
    checked: bool  #: whether a cell calls ``gu.exercises.check`` for it


class Chapter(NamedTuple):
    """A chapter and its exercises."""

    number: int
    title: str
    link: str  #: from the page of exercises
    exercises: list[Exercise]


def notebooks(root: Path) -> list[Path]:
    """Return the notebooks in the order of ``_toc.yml``."""
    parts = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))["parts"]
    pages = [root / f"{page['file']}.ipynb" for part in parts for page in part["chapters"]]
    return [page for page in pages if page.exists()]


def anchor(heading: str) -> str:
    """Return what MyST makes of a heading: it reads the text and the code, and leaves formulas out."""
    return default_slugify(re.sub(r"\$[^$]+\$|[`*]", "", heading))


def read(notebook: Path, page: Path) -> Chapter:
    """Return the chapter in a notebook ``NN-name.ipynb``, with its link from ``page``."""
    cells = nbformat.read(notebook, as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    chapter, title = int(notebook.name.partition("-")[0]), TITLE.search(prose)
    if title is None:
        raise ValueError(f"{notebook.name} has no title: a line that begins with '# '.")
    exercises = []
    for heading, number, name, level, minutes in HEADING.findall(prose):
        key = f"{chapter}.{number}"
        checked = re.search(rf"""\bexercises\.check\(\s*["']{re.escape(key)}["']""", code) is not None
        exercises.append(Exercise(key, name.replace("|", r"\|"), anchor(heading), level, int(minutes), checked))
    link = notebook.relative_to(page.parent).as_posix()
    return Chapter(chapter, title[1], link, exercises)


def duration(minutes: int) -> str:
    """Return minutes in words: "45 minutes", "1 hour 30 minutes", "2 hours"."""
    parts = [(minutes // 60, "hour"), (minutes % 60, "minute")]
    return " ".join(f"{n} {unit}{'s' * (n != 1)}" for n, unit in parts if n) or "0 minutes"


def summary(chapters: Iterable[Chapter]) -> Iterator[str]:
    """Yield the lines of the table that counts exercises and adds up minutes by difficulty."""
    every = [exercise for chapter in chapters for exercise in chapter.exercises]
    yield "| Difficulty | Exercises | Checked by code | Time in all |"
    yield "|---|---:|---:|---:|"
    for level in (*LEVELS, "all"):
        chosen = [exercise for exercise in every if level in (exercise.level, "all")]
        minutes, checked = sum(exercise.minutes for exercise in chosen), sum(exercise.checked for exercise in chosen)
        yield f"| {level} | {len(chosen)} | {checked} | {duration(minutes)} |"


def table(chapter: Chapter) -> Iterator[str]:
    """Yield the lines of a chapter's section."""
    yield f"## {chapter.number}. {chapter.title}"
    yield ""
    minutes = sum(exercise.minutes for exercise in chapter.exercises)
    yield f"[Chapter {chapter.number}]({chapter.link}): {len(chapter.exercises)} exercises, {duration(minutes)}."
    yield ""
    yield "| Number | Exercise | Difficulty | Minutes | Checked by code |"
    yield "|---|---|---|---:|---|"
    for number, title, where, level, minutes, checked in chapter.exercises:
        yield f"| {number} | [{title}]({chapter.link}#{where}) | {level} | {minutes} | {'yes' if checked else 'no'} |"
    yield ""


def listing(root: Path) -> str:
    """Return the whole list as Markdown."""
    chapters = [read(notebook, root / PAGE) for notebook in notebooks(root)]
    sections = [line for chapter in chapters for line in table(chapter)]
    return "\n".join([*summary(chapters), "", *sections])


def on_source(app, name: str, source: list[str]) -> None:
    """Sphinx, when it has read a page's source: fill in the list, and read the page anew when a notebook changes."""
    if name == PAGE:
        for notebook in notebooks(ROOT):
            app.env.note_dependency(str(notebook))
        source[0] = source[0].replace(MARKER, listing(ROOT))


def setup(app) -> dict[str, bool]:
    """Sphinx calls this when it loads the extension."""
    app.connect("source-read", on_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
