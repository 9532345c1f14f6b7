"""Every checked exercise of the book: its stub, its worked solution and its wrong answers, as a reader meets them."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from functools import lru_cache
from pathlib import Path

import matplotlib
import nbformat
import pytest

import gan_utils as gu

ROOT = Path(__file__).parents[1]
CALL = re.compile(r"gu\.exercises\.check\(\s*[\"'](\d+\.\d+)[\"']")
FENCE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SOLUTION = re.compile(r"<summary>\s*Solution.*?</summary>(.*?)</details>", re.DOTALL)


class Task:
    """A code cell with a check: the notebook it is in, its source, and the text cells that follow it."""

    def __init__(self, notebook: Path, name: str, source: str, after: str, setup: str) -> None:
        self.notebook, self.name, self.source, self.after, self.setup = notebook, name, source, after, setup

    @property
    def solution(self) -> str:
        # Up to the next heading: an exercise that is not checked may follow in the same cell, with code of its own.
        folded = "".join(SOLUTION.findall(re.split(r"^#{2,3} ", self.after, maxsplit=1, flags=re.MULTILINE)[0]))
        return "\n".join(FENCE.findall(folded))

    @property
    def call(self) -> str:
        line = next(line for line in self.source.splitlines() if CALL.search(line))
        return re.search(r"(?:gu\.)exercises\.check\(.*\)", line).group()


def _tasks(path: Path) -> list[Task]:
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    setup = next((c.source for c in code if "setup" in c.metadata.get("tags", [])), "")
    found = []
    for i, cell in enumerate(cells):
        if cell.cell_type == "code" and (match := CALL.search(cell.source)):
            after = []
            for following in cells[i + 1 :]:
                if following.cell_type != "markdown":
                    break
                after.append(following.source)
            below = re.split(r"^#{2,3} ", "\n".join(after), maxsplit=1, flags=re.MULTILINE)[0]  # not the next one's
            found.append(Task(path, match[1], cell.source, below, setup))
    return found


TASKS = [task for path in sorted(ROOT.glob("book/*/*.ipynb")) for task in _tasks(path)]
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)


@lru_cache
def answers(kind: str) -> dict[str, list]:
    """The WRONG answers of all chapters, each with a fragment of its message, or the ALSO_RIGHT ones, in another style."""
    found: dict[str, list] = {}
    for path in sorted((ROOT / "tests" / "answers").glob("chapter*.py")):
        spec = importlib.util.spec_from_file_location(f"answers_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        own = getattr(module, kind, {})
        assert not found.keys() & own.keys(), f"{path.name} names an exercise of another chapter"
        found |= own
    return found


def outcome(setup: str, code: str, call: str) -> gu.exercises.Feedback:
    """Run the set-up, the reader's code and the check, each as a cell of its own."""
    scope: dict[str, object] = {"__name__": "__main__"}
    with matplotlib.rc_context(), contextlib.redirect_stdout(io.StringIO()):
        exec(compile(setup, "set-up cell", "exec"), scope)
        exec(compile(code, "reader's cell", "exec"), scope)
        return eval(compile(call, "check", "eval"), scope)


@each_task
def test_an_untouched_stub_is_not_attempted(task):
    feedback = outcome(task.setup, task.source, task.call)
    assert (feedback.exercise, feedback.status) == (task.name, "not attempted"), feedback


@each_task
def test_the_worked_solution_is_correct(task):
    assert task.solution, f"no ```python fence in a folded Solution below exercise {task.name} of {task.notebook.name}"
    feedback = outcome(task.setup, task.solution, task.call)
    assert feedback.status == "correct", feedback


@each_task
def test_a_hint_and_a_solution_are_folded_below(task):
    for part in ("Hint", "Solution"):
        assert f"<summary>{part}</summary>" in task.after, f"exercise {task.name} has no folded {part} below its check"
    assert task.solution not in task.source  # the stub does not give it away


@each_task
def test_plausible_wrong_answers_get_messages_of_their_own(task):
    wrong = answers("WRONG").get(task.name, [])
    assert len(wrong) >= 2, f"exercise {task.name} needs at least two wrong answers in tests/answers/"
    meant: dict[str, set[str]] = {}
    for answer, fragment in wrong:
        feedback = gu.exercises.check(task.name, answer)
        assert feedback.status == "not yet" and fragment and fragment in feedback.message, feedback
        meant.setdefault(feedback.message, set()).add(fragment)
    # Two answers may make one mistake, but two mistakes never get one message.
    assert all(len(fragments) == 1 for fragments in meant.values()) and len(meant) >= 2, meant


@pytest.mark.parametrize("name", sorted(answers("ALSO_RIGHT")))
def test_right_answers_in_another_style_are_correct(name):
    for answer in answers("ALSO_RIGHT")[name]:
        feedback = gu.exercises.check(name, answer)
        assert feedback.status == "correct", feedback


def test_notebooks_and_registry_agree():
    """Every exercise that is registered is met in exactly one notebook, and the other way round; each has wrong answers."""
    met = [task.name for task in TASKS]
    assert len(set(met)) == len(met), "an exercise is checked in two cells"
    registered = set(gu.exercises.names())
    assert not set(met) - registered, "checked in a notebook, and in no gan_utils/exercises/chapterNN.py"
    assert not registered - set(met), "registered, and checked in no notebook"
    assert set(answers("WRONG")) == set(met) >= set(answers("ALSO_RIGHT"))


@pytest.mark.parametrize("path", sorted(ROOT.glob("book/*/[0-9]*.ipynb")), ids=lambda p: p.stem)
def test_each_chapter_has_three_checked_exercises(path):
    numbers = [task.name for task in TASKS if task.notebook == path]
    assert len(numbers) >= 3
    assert {int(name.split(".")[0]) for name in numbers} == {int(path.stem.split("-")[0])}
