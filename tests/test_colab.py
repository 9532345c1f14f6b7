"""A chapter as Colab runs it: an empty folder with one published notebook, an environment that has never seen the book.

The environment is a fresh one that sees the packages of the one these tests run in, without gan_utils; nothing comes from
the network. ``COLAB_VERSIONS=1`` makes one with Colab's own versions instead (gigabytes from the package index, minutes).
``COLAB_NOTEBOOK=book/1-the-game/05-dcgan.ipynb`` runs another chapter.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import publish
import pytest

ROOT = Path(__file__).parent.parent

NOTEBOOK = ROOT / os.environ.get("COLAB_NOTEBOOK", "book/2-collapse/08-known-modes.ipynb")
#: From pip-freeze.txt of github.com/googlecolab/backend-info, August 2026. Python there is 3.13.
COLAB = {
    "ipykernel": "6.17.1",
    "ipython": "7.34.0",
    "joblib": "1.5.3",
    "matplotlib": "3.10.0",
    "mlxtend": "0.23.4",
    "nbclient": "0.10.4",
    "numpy": "2.1.3",
    "pandas": "2.2.3",
    "safetensors": "0.8.0",
    "scikit-learn": "1.6.1",
    "scipy": "1.16.3",
    "torch": "2.11.0",
    "torchvision": "0.26.0",
    "tqdm": "4.67.3",
}
#: Runs in the fresh environment: the notebook to its end, and one more cell that says what it ran with.
DRIVER = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
notebook.cells.append(nbformat.v4.new_code_cell(
    "import json, numpy\\nprint(json.dumps([gu.__file__, str(gu.recorded('quiz.npz')), torch.__version__, numpy.__version__]))"
))
nbclient.NotebookClient(notebook, timeout=1200, kernel_name="python3").execute()
print(notebook.cells[-1].outputs[0].text)
"""
VERSIONS = "import json, torch, numpy; print(json.dumps([torch.__version__, numpy.__version__]))"


def run(*command, **options):
    """Run a command and return its output; if it fails, show what it said."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def published(folder: Path) -> Path:
    """Publish this checkout, with changes not yet committed, into a bare repository; return the notebook's folder.

    That folder is empty but for the notebook.
    """
    tree, bare, alone = folder / "tree", folder / "book.git", folder / "alone"
    names = run("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    publish.stamp(tree, publish.addresses("some-one/book", source=f"git+{bare.as_uri()}@published"))
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-C", tree]
    run(*git, "init", "--initial-branch", "published")
    run(*git, "add", "--all")
    run(*git, "commit", "--message", "Publish")
    run("git", "clone", "--bare", tree, bare)
    alone.mkdir()
    shutil.copy(tree / NOTEBOOK.relative_to(ROOT), alone)
    shutil.rmtree(tree)
    return alone


def environment(folder: Path) -> Path:
    """Make a virtual environment that has what Colab has, and no gan_utils; return its Python."""
    real = os.environ.get("COLAB_VERSIONS") == "1"
    run(sys.executable, "-m", "venv", *([] if real else ["--without-pip"]), folder / "env")
    python = folder / "env" / "bin" / "python"
    if real:
        run(python, "-m", "pip", "install", "--quiet", *(f"{name}=={version}" for name, version in COLAB.items()))
        return python
    # Links to all that is installed here but gan_utils and the .pth files, one of which leads to this checkout.
    seen = folder / "packages"
    seen.mkdir()
    for site in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for path in Path(site).iterdir():
            if not path.name.startswith(("gan_utils", "__editable__", "__pycache__")) and path.suffix != ".pth":
                (seen / path.name).symlink_to(path)
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(own) / "seen.pth").write_text(f"{seen}\n", "utf-8")
    return python


def visitor(folder: Path) -> dict[str, str]:
    """Return the environment variables of someone who has never seen the book, and for whom there is no network."""
    kept = {
        name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "GAN_", "JUPYTER"))
    }
    # A falsy word turns isolation off: pip takes the variable for the value of its option --build-isolation.
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if os.environ.get("COLAB_VERSIONS") == "1":
        offline = {}
    return {**kept, "HOME": str(folder), "GAN_BOOK_MODE": "fast", **offline}


@pytest.mark.skipif(shutil.which("git") is None, reason="There is no git.")
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="This is not a git checkout.")
def test_a_published_notebook_alone_runs_to_its_end(tmp_path):
    alone, python, variables = published(tmp_path), environment(tmp_path), visitor(tmp_path)
    absent = "import importlib.util, sys; sys.exit(importlib.util.find_spec('gan_utils') is not None)"
    run(python, "-c", absent, env=variables, cwd=alone)
    before = json.loads(run(python, "-c", VERSIONS, env=variables, cwd=alone))
    out = run(python, "-c", DRIVER, NOTEBOOK.name, env=variables, cwd=alone)
    package, recorded, *after = json.loads(out.strip().splitlines()[-1])
    for path in (package, recorded):
        assert Path(path).is_relative_to(tmp_path / "env"), "not from the environment's own gan_utils"
    assert after == before, "torch or numpy was changed"
