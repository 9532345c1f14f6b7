"""The house rules of the package: imports run one way, it stays small, and every public name says what it is."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import gan_utils

ROOT = Path(gan_utils.__file__).parent
#: Ground floor first; a room imports only from the floors below (and, inside a folder, from its own room).
FLOORS = {
    "checks": 0,
    "runtime": 1,
    "checkpoint": 1,
    "progress": 1,
    "listing": 1,
    "recordings": 1,
    "functional": 1,
    "terms": 1,
    "classifier": 2,
    "data": 2,
    "models": 2,
    "losses": 2,
    "penalties": 2,
    "critics": 2,
    "memory": 2,
    "optim": 2,
    "gan": 3,
    "run": 4,
    "training": 5,
    "metrics": 4,
    "zoo": 6,
    "scrubber": 5,
    "plots": 6,
    "diagnosis": 7,
    "monitor": 7,
    "benchmark": 7,
    "exercises": 8,
    "__main__": 9,
}
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.name != "__init__.py")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def rooms_imported(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: write imports in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "gan_utils":
                rooms.add(parts[1] if len(parts) > 1 else "(the package itself)")
    return rooms


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_run_one_way(path):
    room = path.relative_to(ROOT).with_suffix("").parts[0]
    assert room in FLOORS, f"give the new room {room!r} its floor in this test"
    if room == "exercises" and path.name.startswith("chapter"):
        return  # a chapter's checks may use all of the package, as the reader does
    upward = [other for other in rooms_imported(path) - {room} if FLOORS.get(other, 99) >= FLOORS[room]]
    assert not upward, f"{room} (floor {FLOORS[room]}) imports {upward}"


def lines_of_code(path: Path) -> int:
    """Count the lines that do something: no blanks, no comments, no docstrings, which the book's readers want long."""
    text = path.read_text(encoding="utf-8")
    silent: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            silent.update(range(body[0].lineno, body[0].end_lineno + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(bool(line.strip()) and not line.strip().startswith("#") and i not in silent for i, line in lines)


def test_the_package_stays_small():
    files = [path for path in ROOT.rglob("*.py") if not path.name.startswith("chapter")]
    lines = sum(map(lines_of_code, files))
    assert lines < 4_060, (
        f"{lines} lines of code; fewer than 4,060 are allowed: take something out first (CONTRIBUTING.md, ground rules)"
    )


@pytest.mark.parametrize("module", ["gan_utils", *map(module_of, FILES)])
def test_public_names_exist_and_say_what_they_are(module):
    loaded = importlib.import_module(module)
    assert (loaded.__doc__ or "").strip().endswith((".", "`", ")")), "a module begins by saying what it is for"
    names = getattr(loaded, "__all__", [])
    assert len(set(names)) == len(names)
    for name in names:
        value = getattr(loaded, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            own = value.__doc__ or ""
            assert len(own.split()) >= 3 and not own.startswith(f"{name}("), f"{module}.{name} has no docstring"
            if inspect.isclass(value) and value.__module__.startswith("gan_utils"):
                silent = [
                    key
                    for key, part in vars(value).items()
                    if inspect.isfunction(part)
                    and not key.startswith("_")
                    and not part.__doc__
                    and key not in ("forward", "extra_repr")
                ]
                assert not silent, f"{module}.{name}: no docstring for {silent}"
