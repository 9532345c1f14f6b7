"""What nbval has executed, the build of the book need not execute again: runs are left where the build looks for them."""

from __future__ import annotations

import copy
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbval.plugin import IPyNbCell

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
import book_build

ROOT = book_build.ROOT
# No examples here to be tested; and beside tests/conftest.py, pytest could not import a second module of this name.
collect_ignore = ["conftest.py"]
# Kernels inherit it: notebooks are tested as they are built.
os.environ.setdefault(*book_build.ONE_THREAD)
STARTUP = {"GAN_BOOK_SHIFT": "other_seeds.py", "GAN_BOOK_PRETEND_GPU": "pretend_gpu.py"}
ASKED = [ROOT / "scripts" / script for name, script in STARTUP.items() if name in os.environ]
ran = pytest.StashKey[dict[int, list[nbformat.NotebookNode]]]()
begun = pytest.StashKey[tuple[float, str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Let kernels begin with the scripts that the environment asks for: other seeds, a pretend GPU."""
    if ASKED:
        home = Path(tempfile.mkdtemp(prefix="startup-"))
        config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
        startup = home / "profile_default" / "startup"
        startup.mkdir(parents=True)
        for script in ASKED:
            (startup / script.name).symlink_to(script)
        os.environ["IPYTHONDIR"] = str(home)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, where seeds are shifted, what compares a run with a recorded one of the same seed."""
    for item in items if "GAN_BOOK_SHIFT" in os.environ else []:
        if isinstance(item, IPyNbCell) and "this-seed" in item.cell.metadata.get("tags", []):
            item.add_marker(pytest.mark.skip(reason="compares with a recorded run of the same seed"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Keep what each cell of a notebook shows; after the last one, leave the run for the build."""
    if not isinstance(item, IPyNbCell) or ASKED:  # such runs are not what the book shows
        return (yield)
    notebook, messages = item.parent, []
    if begun not in notebook.stash:
        state = book_build.fingerprint(notebook.path, ROOT, book_build.settings_now())
        notebook.stash[begun] = time.time(), state
    hear = notebook.get_kernel_message

    def overhear(*args: Any, **options: Any) -> dict[str, Any]:
        messages.append(hear(*args, **options))
        return messages[-1]

    notebook.get_kernel_message = overhear
    try:
        result = yield  # a cell that fails leaves here, and the notebook never has all its cells
    finally:
        notebook.get_kernel_message = hear
    done = notebook.stash.setdefault(ran, {})
    done[item.cell_num] = outputs(messages)
    cells = [cell for cell in notebook.nb.cells if cell.cell_type == "code"]
    if len(done) == len(cells):
        executed = copy.deepcopy(notebook.nb)
        for number, cell in enumerate(cell for cell in executed.cells if cell.cell_type == "code"):
            cell.outputs, cell.execution_count = done[number], number + 1
        # Builds take the way to colour the code from it, as from a kernel of their own.
        about = notebook.kernel.kc.kernel_info(reply=True, timeout=60)["content"]
        executed.metadata.language_info = about["language_info"]
        begin, state = notebook.stash[begun]
        book_build.leave(notebook.path, executed, time.time() - begin, state, ROOT)
    return result


def outputs(messages: list[dict[str, Any]]) -> list[nbformat.NotebookNode]:
    """Return the outputs that a kernel's messages amount to; a display that is updated shows its last state."""
    shown, by_name = [], {}
    for message in messages:
        kind, content = message["msg_type"], message["content"]
        name = content.get("transient", {}).get("display_id")
        if kind == "update_display_data" and name in by_name:
            by_name[name].update(data=content["data"], metadata=content["metadata"])
        elif kind in ("display_data", "execute_result", "stream"):
            shown.append(nbformat.v4.output_from_msg(message))
            by_name[name] = shown[-1]
    return shown
