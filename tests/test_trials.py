"""The page of trials: what the script writes there, and that chapters and page agree on which trials there are."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
import record_trials as script

ROOT = Path(__file__).parents[1]
PAGE = script.PAGE.read_text("utf-8")
CHAPTERS = {int(match[1]): match[0] for match in script.CHAPTER.finditer(PAGE)}
SMALL = """# Trials

```python
not a trial
```

## Chapter 2: two

### Why?

```python
print(1)
```

```text
old
```

*9 seconds, PyTorch 1.*

### How?

```python
print(2)
```

## Chapter 13: thirteen

```python
print(3)
```
"""


def anchors(markdown: str) -> list[str]:
    """Return the anchors of the headings that ask a question, as GitHub and MyST make them."""
    return [
        re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in re.findall(r"^### (.+)$", markdown, re.M)
    ]


def test_each_trial_gets_what_it_printed_and_nothing_else_changes():
    assert script.trials(SMALL, 2) == ["print(1)\n", "print(2)\n"]
    said = [("1\n", 61.4), ("2\n", 61.4)]
    once = script.written(SMALL, 2, said, "PyTorch 2")
    assert [(trial["code"], trial["said"]) for trial in script.TRIAL.finditer(once)][1:] == [
        ("print(1)\n", "1\n"), ("print(2)\n", "2\n"), ("print(3)\n", None),
    ]  # fmt: skip
    assert "old" not in once and once.count("*61 seconds, PyTorch 2.*") == 2
    assert script.written(once, 2, said, "PyTorch 2") == once
    assert script.TRIAL.sub(r"\1", once) == script.TRIAL.sub(r"\1", SMALL)


def test_trials_run_at_the_end_of_their_chapter_above_the_exercises(tmp_path, monkeypatch):
    cells = [nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_markdown_cell("## Exercises\n\nMore.")]
    chapter = nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(chapter, tmp_path / "two.ipynb")
    monkeypatch.setattr(script, "notebook", lambda number: tmp_path / "two.ipynb")
    said = script.execute(2, ["x += 1\nprint(x)", "import sys\nprint(x + 1)\nprint('not this', file=sys.stderr)"])
    assert [text for text, _ in said] == ["2\n", "3\n"]


def test_the_command_runs_what_is_asked_for_and_names_what_is_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "PAGE", tmp_path / "trials.md")
    script.PAGE.write_text(SMALL, "utf-8")
    monkeypatch.setattr(script, "execute", lambda number, codes: [(f"chapter {number}\n", 1.0)] * len(codes))
    for name in ("OMP_NUM_THREADS", "GAN_BOOK_MODE"):
        monkeypatch.setenv(name, os.environ.get(name, "")), monkeypatch.delenv(name)  # set below, and taken back
    script.main([])
    assert script.PAGE.read_text("utf-8").count("```text\nchapter 2\n```") == 2
    assert (os.environ["OMP_NUM_THREADS"], os.environ["GAN_BOOK_MODE"]) == ("1", "fast")
    with pytest.raises(SystemExit):
        script.main(["3"])
    assert "no trials of chapter 3, only of 2, 13" in capsys.readouterr().err


@pytest.mark.parametrize("number", CHAPTERS)
def test_every_trial_is_asked_for_by_its_chapter_and_has_been_run(number):
    linked = re.findall(r"\.\./trials\.md#([\w-]+)", script.notebook(number).read_text("utf-8"))
    assert sorted(set(linked)) == sorted(anchors(CHAPTERS[number]))
    trials = list(script.TRIAL.finditer(CHAPTERS[number]))
    assert len(trials) == len(anchors(CHAPTERS[number])) and all(trial["said"] for trial in trials)
    assert max(map(len, "".join(trial["code"] + trial["said"] for trial in trials).splitlines())) <= 100


def test_chapters_without_a_trial_link_to_none():
    others = [path for path in (ROOT / "book").glob("*/*.ipynb") if int(path.name[:2]) not in CHAPTERS]
    assert [path.name for path in others if "trials.md#" in path.read_text("utf-8")] == []
