"""What the book takes from elsewhere, and what it may run: exact versions, no shell, and no file that is run as code.

That the workflows' actions are pinned to commits and may only read is tested in ``test_publish.py``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted(ROOT.glob("book/*/*.ipynb"))
CODE = sorted(path for folder in ("gan_utils", "scripts", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*"))
PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][a-z0-9.+!]*( ; [^#]+)?")

#: Calls that hand a string to a shell, or that run what a file or a string holds.
SHELL = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
SHELL |= {f"get_ipython().{name}" for name in ("system", "getoutput", "run_line_magic", "run_cell_magic", "run_cell")}
RUNS = {"eval", "exec", "pickle.load", "pickle.loads", "torch.load", "joblib.load", "yaml.load", "pd.read_pickle"}
#: What else would make a call do so.
FLAGS = {"shell", "allow_pickle"}


def unpinned(requirements: str) -> list[str]:
    lines = [line.strip() for line in requirements.splitlines()]
    return [line for line in lines if line and line[0] != "#" and line != "-e ." and not PIN.fullmatch(line)]


def runs(source: str) -> Iterator[str]:
    """Yield what in a piece of Python goes to a shell, or runs a file or a string."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:  # !command, %magic
        yield f"no plain Python: {(error.text or '').strip()}"
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            yield from [name] if name in SHELL | RUNS else []
            for flag in node.keywords:
                harmless = isinstance(flag.value, ast.Constant) and flag.value.value is False
                yield from [f"{name}({flag.arg})"] if flag.arg in FLAGS and not harmless else []


def test_every_requirement_is_pinned_to_one_version():
    text = (ROOT / "requirements.txt").read_text("utf-8")
    assert unpinned(text) == [] and text.count("==") > 50 and text.count("\n-e .\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        "torch",
        "torch>=2.9",
        "torch==2.*",
        "torch~=2.9",
        "torch @ git+https://x.org/t.git",
        "-r more.txt",
        "torch==2,>1",
    ],
)
def test_a_requirement_that_is_not_is_found(line):
    assert unpinned(f"# exact\nnumpy==2.4.6 ; python_full_version < '3.12'\n{line}\n") == [line]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_notebook_runs_nothing_as_a_string(path):
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [what for cell in cells for what in runs(cell)] == []


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.stem)
def test_our_code_runs_nothing_that_a_file_holds(path):
    assert list(runs(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "!ls", "x = !ls", "%pip install x", "%%bash\nls", "import os\nos.system('ls')", "get_ipython().system('ls')",
        "subprocess.run('ls', shell=True)", "subprocess.run('ls', shell=yes)", "os.popen('ls')", "exec(text)", "eval('1')",
        "subprocess.getoutput('ls')", "torch.load(path)", "np.load(path, allow_pickle=True)", "pickle.load(file)",
    ],
)  # fmt: skip
def test_what_would_is_found(source):
    assert list(runs(source))


def test_lists_of_words_are_no_shell():
    assert list(runs("subprocess.run([sys.executable, '-m', 'pip'], check=True)\nnp.load(x, allow_pickle=False)")) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_workflow_runs_a_strangers_code_with_our_rights(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    started_by = workflow[True]  # YAML reads the key "on" as a truth value
    assert set(started_by) <= {"push", "pull_request", "workflow_dispatch"}
    granted = [workflow["permissions"], *(job.get("permissions", {}) for job in workflow["jobs"].values())]
    assert all(isinstance(rights, dict) for rights in granted), "write-all, or read-all"
