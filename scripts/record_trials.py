"""Run the trials of ``book/trials.md``, and write beneath each what it printed: ``python scripts/record_trials.py 15 16``.

A trial is a cell for the end of a chapter: where a chapter says "in a trial", this page has the cell and what came out. The
numbers name chapters, whose code is executed first, down to the exercises; all trials of a chapter share that run.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import time
from importlib import metadata
from pathlib import Path

import book_build
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "book" / "trials.md"
CHAPTER = re.compile(r"^## Chapter (\d+).*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
TRIAL = re.compile(r"(```python\n(?P<code>.*?)```\n)(\n```text\n(?P<said>.*?)```\n\n\*[^*]+\*\n)?", re.DOTALL)

Said = list[tuple[str, float]]  # of each trial: what it printed, and the seconds it took


def notebook(number: int) -> Path:
    """Return the path of a chapter."""
    return next((ROOT / "book").glob(f"*/{number:02}-*.ipynb"))


def above_exercises(chapter: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the chapter down to where its exercises begin."""
    ends = (i for i, cell in enumerate(chapter.cells) if re.search(r"^## Exercises", cell.source, re.MULTILINE))
    chapter.cells = chapter.cells[: next(ends)]
    return chapter


def execute(number: int, codes: list[str]) -> Said:
    """Execute a chapter and, one after the other at its end, its trials."""
    path, found = notebook(number), []
    chapter = above_exercises(nbformat.read(path, as_version=4))
    chapter.cells += map(nbformat.v4.new_code_cell, codes)
    client = NotebookClient(chapter, timeout=None, resources={"metadata": {"path": path.parent}})
    with client.setup_kernel():
        for i, cell in enumerate(chapter.cells):
            if cell.cell_type == "code":
                begin = time.perf_counter()
                cell = client.execute_cell(cell, i)
                text = "".join(out.text for out in cell.outputs if out.output_type == "stream" and out.name == "stdout")
                found.append((text, time.perf_counter() - begin))
    return found[len(found) - len(codes) :]


def part(page: str, number: int) -> str:
    """Return what the page has of a chapter."""
    return next(match[0] for match in CHAPTER.finditer(page) if int(match[1]) == number)


def trials(page: str, number: int) -> list[str]:
    """Return the cells of a chapter's trials."""
    return [trial["code"] for trial in TRIAL.finditer(part(page, number))]


def written(page: str, number: int, said: Said, how: str) -> str:
    """Return the page with what the trials of a chapter printed beneath each."""
    results = iter(said)

    def beneath(trial: re.Match) -> str:
        text, seconds = next(results)
        return f"{trial[1]}\n```text\n{text}```\n\n*{seconds:.0f} seconds, {how}.*\n"

    old = part(page, number)
    return page.replace(old, TRIAL.sub(beneath, old))


def main(argv: list[str] | None = None) -> None:
    """Run the trials of the chapters that are named, of all by default; a chapter that is through is written at once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("chapters", nargs="*", type=int, metavar="NUMBER", help="of a chapter; all, if none is given")
    there = [int(match[1]) for match in CHAPTER.finditer(PAGE.read_text("utf-8"))]
    asked = parser.parse_args(argv).chapters or there
    if lost := sorted(set(asked) - set(there)):
        parser.error(f"the page has no trials of chapter {lost[0]}, only of {', '.join(map(str, there))}")
    os.environ.setdefault(*book_build.ONE_THREAD)  # the kernel inherits both
    os.environ.setdefault("GAN_BOOK_MODE", "fast")
    for number in asked:
        how = f"PyTorch {metadata.version('torch')}, {datetime.date.today()}"
        said = execute(number, trials(PAGE.read_text("utf-8"), number))
        PAGE.write_text(written(PAGE.read_text("utf-8"), number, said, how), "utf-8")
        print(f"chapter {number}: written")


if __name__ == "__main__":
    main()
