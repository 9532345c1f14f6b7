"""What is published: the checkout with its own addresses and nothing else changed, by workflows that may do little."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import publish
import pytest
import yaml

ROOT = Path(__file__).parent.parent

TO = publish.addresses("Some-One/gan-book")
CHAPTERS = sorted(path.relative_to(ROOT) for path in ROOT.glob("book/*/*.ipynb"))
PAGE = Path("book", "api.md")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())


def snapshot(tree):
    return {path.relative_to(tree): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def setup_cell(path):
    return next(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


@pytest.fixture
def tree(tmp_path):
    """The book's sources in a folder of their own, as they are committed."""
    shutil.copytree(ROOT / "book", tmp_path / "tree" / "book", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    shutil.copy(ROOT / "_config.yml", tmp_path / "tree")
    return tmp_path / "tree"


def git(folder, *arguments):
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tree):
    """The same under git, with a workflow and a file that git ignores."""
    (tree / ".github").mkdir()
    (tree / ".github" / "test.yml").write_text("on: push\n")
    (tree / ".gitignore").write_text("*.log\n")
    git(tree, "init")
    git(tree, "add", "--all")
    git(tree, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-m", "Add the book")
    (tree / "build.log").write_text("not published\n")
    return tree


# ---- addresses


def test_addresses_of_a_repository_and_of_one_that_is_named_as_its_host():
    assert TO == (
        "https://github.com/Some-One/gan-book",
        "published",
        "https://some-one.github.io/gan-book/",
        "git+https://github.com/Some-One/gan-book@published",
    )
    assert publish.addresses("Some-One/some-one.github.io").pages == "https://some-one.github.io/"
    assert publish.addresses("a/b", "v1/book").source == "git+https://github.com/a/b@v1/book"
    assert publish.addresses("a/b", source="git+file:///b.git").source == "git+file:///b.git"


@pytest.mark.parametrize(
    "name",
    ["", "book", "a/b/c", "/b", "a/", "-a/b", "a/..", "a/b.git", "a b/c", 'a/b"', "a/b\n", "https://github.com/a/b"],
)
def test_what_cannot_be_a_repository_is_refused(name):
    with pytest.raises(ValueError, match=re.escape(f"name={name!r} is not the name")):
        publish.addresses(name)


@pytest.mark.parametrize("branch", ["", "-f", "a b", "a..b", "/a", "a/", "a:b", 'a"'])
def test_what_cannot_be_a_branch_is_refused(branch):
    with pytest.raises(ValueError, match=re.escape(f"branch={branch!r}")):
        publish.addresses("a/b", branch)


# ---- the stamp


def test_nothing_here_names_an_account():
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    assert "repository" not in config and "launch_buttons" not in config and "baseurl" not in config["html"]
    assert [path for path in CHAPTERS if '"GAN_UTILS_SOURCE", "")' not in setup_cell(ROOT / path)] == []


def test_the_stamp_changes_addresses_and_nothing_else(tree):
    before = snapshot(tree)
    publish.stamp(tree, TO)
    after = snapshot(tree)
    assert before.keys() == after.keys()
    assert {path for path in before if before[path] != after[path]} == {Path("_config.yml"), PAGE, *CHAPTERS}
    for path in CHAPTERS:
        assert after[path].replace(TO.source.encode(), b"") == before[path]
        assert f'"GAN_UTILS_SOURCE", "{TO.source}")' in setup_cell(tree / path)
    local = b"pip install .    # in a copy of this book's repository"
    assert after[PAGE].replace(b'pip install "%s"' % TO.source.encode(), local) == before[PAGE]
    config = yaml.safe_load(after[Path("_config.yml")])
    assert config["html"].pop("baseurl") == "https://some-one.github.io/gan-book/"
    assert config.pop("repository") == {"url": TO.repository, "branch": "published", "path_to_book": ""}
    assert config.pop("launch_buttons") == {"colab_url": "https://colab.research.google.com"}
    assert config == yaml.safe_load(before[Path("_config.yml")])


def test_a_second_stamp_changes_nothing_and_another_name_leaves_no_trace_of_the_first(tree):
    publish.stamp(tree, TO)
    once = snapshot(tree)
    publish.stamp(tree, TO)
    assert snapshot(tree) == once
    publish.stamp(tree, publish.addresses("fork/book"))
    assert not any(b"some-one" in content.lower() for content in snapshot(tree).values())
    publish.stamp(tree, TO)
    assert snapshot(tree) == once


def test_a_chapter_without_the_setup_cell_is_named(tree):
    path = tree / CHAPTERS[0]
    path.write_text(path.read_text("utf-8").replace("GAN_UTILS_SOURCE", "GAN_UTILS_FROM"), "utf-8")
    with pytest.raises(ValueError, match=rf"{CHAPTERS[0].name}: 0 cells ask for GAN_UTILS_SOURCE"):
        publish.stamp(tree, TO)


def test_the_built_page_opens_its_own_notebook_and_names_its_own_address(tmp_path):
    """Jupyter Book itself, on a book of three pages: the button's path is that of a file in the tree."""
    page = CHAPTERS[0]
    (tmp_path / page).parent.mkdir(parents=True)
    shutil.copy(ROOT / page, tmp_path / page)
    (tmp_path / "book" / "index.md").write_text("# Book\n")
    (tmp_path / PAGE).write_text("# The package\n\n```console\npip install .\n```\n")
    (tmp_path / "_toc.yml").write_text(
        f"format: jb-book\nroot: book/index\nchapters:\n- file: {page.with_suffix('')}\n- file: book/api\n"
    )
    (tmp_path / "_config.yml").write_text("execute:\n  execute_notebooks: 'off'\nhtml:\n  use_issues_button: false\n")
    publish.stamp(tmp_path, TO)
    build = [Path(sys.executable).parent / "jupyter-book", "build", tmp_path, "--quiet"]
    subprocess.run(build, check=True, capture_output=True)
    html = (tmp_path / "_build" / "html" / page.with_suffix(".html")).read_text("utf-8")
    (target,) = set(re.findall(r'href="https://colab\.research\.google\.com/([^"]+)"', html))
    start = "github/Some-One/gan-book/blob/published/"
    assert target.startswith(start) and (tmp_path / target.removeprefix(start)).is_file()
    assert f'<link rel="canonical" href="{TO.pages}{page.with_suffix(".html").as_posix()}"' in html
    assert TO.source in (tmp_path / "_build" / "html" / PAGE.with_suffix(".html")).read_text("utf-8")


# ---- the command


def test_the_command_writes_the_commit_with_its_addresses_and_leaves_the_checkout_alone(checkout, tmp_path, capsys):
    before, out = snapshot(checkout), tmp_path / "out"
    publish.main(["Some-One/gan-book", str(out)], checkout)
    assert "https://some-one.github.io/gan-book/" in capsys.readouterr().out
    assert (
        snapshot(checkout).keys() == before.keys()
        and snapshot(checkout)[Path("_config.yml")] == before[Path("_config.yml")]
    )
    want = {path for path in before if path.parts[0] not in (".git", ".github") and path.suffix != ".log"}
    assert snapshot(out).keys() == want
    assert TO.source in setup_cell(out / CHAPTERS[0])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda tree, out: (tree / "_config.yml").write_text("title: changed\n"), "commit your changes first"),
        (lambda tree, out: (tree / "new.md").write_text("new\n"), "new.md"),
        (lambda tree, out: (out.mkdir(), (out / "old").touch()), "is not empty"),
    ],
)
def test_the_command_refuses_to_publish_what_is_not_committed_or_to_mix_trees(checkout, tmp_path, spoil, said):
    spoil(checkout, tmp_path / "out")
    with pytest.raises(SystemExit, match=said):
        publish.main(["a/b", str(tmp_path / "out")], checkout)


def test_the_command_says_what_is_wrong_with_a_name(tmp_path):
    with pytest.raises(SystemExit, match=r"publish\.py: name='book' is not the name of a GitHub repository"):
        publish.main(["book", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


# ---- the set-up cell


def run_setup(monkeypatch, source, *, missing=True):
    """Run a chapter's set-up cell up to the import of the package; return the commands that it ran."""
    cell = setup_cell(ROOT / CHAPTERS[0]).partition("import gan_utils as gu")[0]
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append((command, check)))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if missing else SimpleNamespace(name=name))
    monkeypatch.delenv("GAN_UTILS_SOURCE", raising=False)
    if source is not None:
        monkeypatch.setenv("GAN_UTILS_SOURCE", source)
    exec(cell, {})
    return commands


def test_the_setup_cell_installs_the_package_alone_and_only_where_it_is_missing(monkeypatch):
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "git+file:///book.git"]
    assert run_setup(monkeypatch, "git+file:///book.git") == [(pip, True)]
    assert run_setup(monkeypatch, "git+file:///book.git", missing=False) == []


@pytest.mark.parametrize("source", [None, ""])
def test_the_setup_cell_says_what_to_do_where_nothing_says_where_the_package_is(monkeypatch, source):
    with pytest.raises(AssertionError, match=r"run `pip install \.` in the book's folder"):
        run_setup(monkeypatch, source)


# ---- the workflows


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_pinned_and_may_only_read(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40}", name)] == []
    assert len(re.findall(r"uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", path.read_text("utf-8"), re.M)) == len(used)
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []
    # What others choose (a branch's name, a title) would be run as code if it were put into a command.
    assert [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")] == []


def test_only_the_jobs_that_must_write_may_and_they_run_none_of_the_books_code():
    jobs = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text("utf-8"))["jobs"]
    assert {name: job.get("permissions") for name, job in jobs.items()} == {
        "build": None,
        "branch": {"contents": "write"},
        "deploy": {"pages": "write", "id-token": "write"},
    }
    assert jobs["branch"]["needs"] == "build" and jobs["deploy"]["needs"] == "branch"
    for name in ("branch", "deploy"):
        assert not re.search(r"pip install|make |jupyter", json.dumps(jobs[name]))
