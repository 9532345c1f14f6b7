"""The recorded runs are found wherever the package is, and everything the package needs is in the list that installs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gan_utils as gu
from gan_utils import recordings

ROOT = Path(__file__).parent.parent
FILES = {path.name for path in (ROOT / "book" / "recorded").iterdir()}


def test_every_recorded_file_is_found():
    assert {"mnist-reference.npz", "stacked-mnist.npz", "quiz.npz", "diagnosis-suite.json"} <= FILES
    assert {gu.recorded(name).read_bytes()[:1] for name in FILES} <= {b"P", b"{"}  # zip archives and JSON


def test_an_unknown_file_is_named_and_so_are_those_there_are():
    with pytest.raises(FileNotFoundError, match=r"name='quizz\.npz' is no recorded file\. There are: .*quiz\.npz"):
        gu.recorded("quizz.npz")


def test_where_there_are_none_the_error_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(recordings, "FOLDERS", (tmp_path / "gone",))
    with pytest.raises(FileNotFoundError, match="There are: none"):
        gu.recorded("quiz.npz")


def test_every_folder_of_the_package_is_installed():
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "gan_utils").rglob("*.py")}
    assert sorted(setup["packages"]) == sorted({".".join(path.parts) for path in folders} | {"gan_utils.recorded"})
    assert setup["package-dir"] == {"gan_utils.recorded": "book/recorded"}


def test_the_wheel_carries_the_recorded_files_and_finds_them(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    for part in ("gan_utils", "book/recorded"):
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", target, source], check=True)
    shutil.rmtree(source)
    installed = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert {f"gan_utils/recorded/{name}" for name in FILES} <= installed
    assert {f"gan_utils/weights/mnist_classifier.{end}" for end in ("json", "safetensors")} <= installed
    assert "gan_utils/py.typed" in installed  # without it a checker takes no hint of ours
    assert not any(name.startswith("book/") for name in installed)
    code = "import runpy, sys; print(runpy.run_path(sys.argv[1])['recorded']('quiz.npz'))"
    path = target / "gan_utils" / "recordings.py"
    found = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True, text=True).stdout
    assert Path(found.strip()) == (target / "gan_utils" / "recorded" / "quiz.npz").resolve()
