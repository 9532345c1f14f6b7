"""The form every chapter keeps (CONTRIBUTING.md says why), and proof that each rule can be broken."""

from __future__ import annotations

import copy
import re
import unicodedata
from pathlib import Path
from statistics import median

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parent.parent
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
PAGES = [ROOT / page["file"] for part in TOC["parts"] for page in part["chapters"]]
CHAPTERS = [page.with_suffix(".ipynb") for page in PAGES if page.with_suffix(".ipynb").exists()]

LINK = re.compile(r"\]\(<?([^)\s>]+)>?[^)]*\)|(?:href|src)=[\"']([^\"']+)[\"']")
DRAWS = re.compile(r"\bplt\.show\(|\bplt\.subplots\(|\bgu\.plots\.\w+\(|\.plot\(|\.imshow\(")
DIRECTIVE = re.compile(r"^\s*(```+|~~~+|:::+)\s*\{|\{[\w:.-]+\}`", re.MULTILINE)
EXERCISE = re.compile(r"^### Exercise \d+: .+$", re.MULTILINE)
LABEL = re.compile(r"\((easy|medium|hard), (\d+) minutes\)\s*$")
HALF_HOURS = ["", "half an hour", "an hour", "an hour and a half", "two hours", "two and a half hours", "three hours"]
HALF_HOURS += ["three and a half hours", "four hours"]
GLOSSARY = (ROOT / "book" / "glossary.md").read_text("utf-8").split("```{glossary}")[-1]
PLAIN = unicodedata.normalize("NFKD", GLOSSARY).encode("ascii", "ignore").decode().lower()
TERMS = {re.sub(r"[^a-z0-9]+", "-", term).strip("-") for term in re.findall(r"^\w.*$", PLAIN, re.MULTILINE)}
KEYS = set(re.findall(r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text("utf-8"), re.MULTILINE))
ANCHORS = {"glossary.md": {f"term-{term}" for term in TERMS}, "references.md": KEYS}
DETAILS = re.compile(r"<details>\n<summary>[^\n]+</summary>\n\n.+?\n\n</details>", re.DOTALL)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def lines(cell):
    return len(cell.source.splitlines())


def faults(notebook, folder):
    """Yield what a reader of the notebook, in the book, on GitHub or in Colab, would stumble over."""
    cells, prose = code(notebook), text(notebook)
    if not cells:
        yield "no code cell: begin with the set-up cell of another chapter"
        return
    if any(cell.outputs or cell.execution_count for cell in cells):
        yield "outputs are committed; run: nbstripout --keep-id <notebook>"
    yield from (f"a cell of {lines(cell)} lines, over 30" for cell in cells if lines(cell) > 30)
    if median(map(lines, cells)) > 10:
        yield "the median cell is over 10 lines"
    fenced = "\n".join(re.findall(r"^```python\n(.*?)^```", prose, re.M | re.S))
    for line in "\n".join([*(cell.source for cell in cells), fenced]).splitlines():
        if len(line) > 100:
            yield f"a line of {len(line)} characters, where a laptop shows a hundred: {line.strip()}"
    if lines(cells[0]) > 10:
        yield "the set-up cell is over 10 lines"
    if "setup" not in cells[0].metadata.get("tags", []):
        yield "the set-up cell, the first one of code, has no tag 'setup'"
    parts = ("# ", "## Learning objectives", "## What we learnt", "## Exercises", "## Further reading")
    yield from (f"no {part}" for part in parts if not re.search(f"^{part}", prose, re.M))
    exercises = EXERCISE.findall(prose)
    if len(exercises) < 5:
        yield f"{len(exercises)} exercises, fewer than 5"
    yield from (f"no difficulty and minutes: {head}" for head in exercises if not LABEL.search(head))
    minutes = sum(int(label[2]) for head in exercises if (label := LABEL.search(head)))
    takes = f"and {HALF_HOURS[min((minutes + 15) // 30, len(HALF_HOURS) - 1)]} for the exercises"
    if takes not in prose:
        yield f"the head does not say {takes!r} ({minutes} minutes by their headings)"
    checks = sum(len(re.findall(r"^\s*gu\.exercises\.check\(", cell.source, re.M)) for cell in cells)
    if checks < 3:
        yield f"{checks} calls of gu.exercises.check, fewer than 3"
    number = None
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            number = [number, *re.findall(r"^### Exercise (\d+):", cell.source, re.MULTILINE)][-1]
        for checked in re.findall(r"^gu\.exercises\.check\(.\d+\.(\d+)", cell.source, re.MULTILINE):
            if checked != number:
                yield f"a check of exercise {checked} under the heading of exercise {number}"
    if len(DETAILS.findall(prose)) != prose.count("<details"):
        yield "a <details> block without its <summary> line or the blank lines around its content"
    if prose.count("<details") < len(exercises):
        yield "an exercise without a folded solution"
    for cell in cells:
        shown = cell.metadata.get("mystnb", {})
        draws = DRAWS.search(cell.source) and "no-figure" not in cell.metadata.get("tags", [])
        if draws and not (shown.get("image", {}).get("alt") and shown.get("figure", {}).get("caption")):
            yield f"a figure without caption and alt text: {cell.source.splitlines()[0]}"
        if shown.get("figure") and "gu.fit(" in cell.source and "progress=False" not in cell.source:
            yield "a figure's cell shows progress too, and the caption would stand twice: pass progress=False"
    yield from (f"a directive or role, raw in Colab: {hit.group().strip()}" for hit in DIRECTIVE.finditer(prose))
    if any("myst_nb" in cell.source for cell in cells):
        yield "myst_nb is not there in Colab"
    for target in (one or other for one, other in LINK.findall(prose)):
        if target.startswith(("http://", "https://", "#", "data:", "mailto:")):
            continue
        if not (folder / target.partition("#")[0]).exists():
            yield f"a link to nowhere: {target}"
        page, _, anchor = target.rpartition("/")[2].partition("#")
        if anchor and anchor not in ANCHORS.get(page, {anchor}):
            yield f"a link to nowhere: {target} is in no {page.replace('references.md', 'references.bib')}"
    if re.search(r"!\[[^\]]*\]\(https?://|<img[^>]+src=[\"']https?://", prose):
        yield "an image from another host"


def test_every_notebook_is_a_chapter_and_every_chapter_exists():
    assert set((ROOT / "book").rglob("[!.]*.ipynb")) - set(CHAPTERS) == set(), "not in _toc.yml"
    assert [page for page in PAGES if not any(page.with_suffix(end).exists() for end in (".ipynb", ".md"))] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_keeps_the_form(path):
    found = list(faults(nbformat.read(path, as_version=4), path.parent))
    assert not found, "\n".join(found)
    assert path.stat().st_size <= 300_000


def test_figure_names_are_unique_in_the_book():
    cells = [cell for path in CHAPTERS for cell in code(nbformat.read(path, as_version=4))]
    figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in cells]
    names = [figure["name"] for figure in figures if "name" in figure]
    assert len(set(names)) == len(names), {name for name in names if names.count(name) > 1}


def test_all_chapters_start_with_the_same_setup_cell():
    first = {path.name: [cell.source for cell in code(nbformat.read(path, as_version=4))[:1]] for path in CHAPTERS}
    others = [name for name, source in first.items() if source != first[CHAPTERS[0].name]]
    assert not others, f"copy the first code cell of {CHAPTERS[0].name}; another one in {others}"


# Each rule, broken on purpose.


@pytest.fixture
def sound():
    """A small notebook that keeps every rule."""
    md, py = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    fold = "<details>\n<summary>Solution</summary>\n\nBecause.\n\n</details>"
    link = "[glossary](glossary.md#term-mode-collapse)"
    head = f"# Title\n\n## Learning objectives\n\n{link}; an hour, and half an hour for the exercises"
    cells = [md(head), py("import gan_utils as gu", metadata={"tags": ["setup"]})]
    figure = {"figure": {"caption": "Notice the rise."}, "image": {"alt": "A rising curve."}}
    cells.append(py("gu.plots.samples(x)", metadata={"mystnb": figure}))
    cells.append(md("## What we learnt\n\n## Exercises\n\n## Further reading"))
    for i in range(5):
        cells += [md(f"### Exercise {i}: why? (easy, 5 minutes)\n\n{fold}"), py(f"gu.exercises.check('1.{i}', f)")]
    return nbformat.v4.new_notebook(cells=cells)


def last_text(notebook, added):
    notebook.cells[-2].source += "\n\n" + added


BREAKS = {
    "outputs": lambda nb: nb.cells[1].outputs.append(nbformat.v4.new_output("stream", text="1")),
    "31 lines": lambda nb: nb.cells[2].update(source="x = 1\n" * 31),
    "median": lambda nb: [cell.update(source="gu.exercises.check(1)\n" * 11) for cell in code(nb)],
    "set-up": lambda nb: nb.cells[1].update(source="import torch\n" * 11),
    "## Learning objectives": lambda nb: nb.cells[0].update(source="# Title"),
    "4 exercises": lambda nb: nb.cells.pop(-2),
    "say 'and an hour for the exercises' (60": lambda nb: nb.cells[-2].update(
        source=nb.cells[-2].source.replace("5 min", "40 min")
    ),
    "no difficulty": lambda nb: last_text(
        nb, "### Exercise 6: unlabelled\n\n<details>\n<summary>a</summary>\n\nb\n\n</details>"
    ),
    "2 calls": lambda nb: [cell.update(source="pass") for cell in code(nb)[-3:]],
    "<details>": lambda nb: last_text(nb, "<details>\n<summary>Hint</summary>\nno blank line\n</details>"),
    "folded": lambda nb: nb.cells[-2].update(source="### Exercise 9: why? (easy, 5 minutes)"),
    "alt text": lambda nb: nb.cells[2].metadata.mystnb.pop("image"),
    "caption would stand twice": lambda nb: nb.cells[2].update(source="gu.fit(gan, x, steps=9)\ngu.plots.samples(x)"),
    "no tag 'setup'": lambda nb: nb.cells[1].metadata.pop("tags"),
    "no ## What we learnt": lambda nb: nb.cells[3].update(source="## Exercises\n\n## Further reading"),
    "of exercise 7 under the heading of exercise 4": lambda nb: nb.cells[-1].update(
        source="gu.exercises.check('1.7', f)"
    ),
    "is in no glossary.md": lambda nb: last_text(nb, "[x](glossary.md#term-mode-colapse)"),
    "is in no references.bib": lambda nb: last_text(nb, "[x](references.md#goodfellow2041)"),
    "raw in Colab: ```{": lambda nb: last_text(nb, "```{note}\nx\n```"),
    "raw in Colab: {cite}": lambda nb: last_text(nb, "see {cite}`goodfellow2014`"),
    "myst_nb": lambda nb: nb.cells[1].update(source="from myst_nb import glue"),
    "nowhere: missing.md": lambda nb: last_text(nb, "[x](missing.md#a)"),
    "another host": lambda nb: last_text(nb, "![x](https://example.org/a.png)"),
}


def test_a_sound_notebook_has_no_fault(sound):
    assert list(faults(sound, ROOT / "book")) == []


@pytest.mark.parametrize("expected", BREAKS)
def test_a_broken_rule_is_named(sound, expected):
    broken = copy.deepcopy(sound)
    BREAKS[expected](broken)
    assert expected in "\n".join(faults(broken, ROOT / "book"))
