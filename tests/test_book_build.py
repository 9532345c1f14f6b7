"""The notebook cache forgets exactly what a change in the package, the data or the mode has made stale."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import book_build
import nbformat
import numpy as np
import pytest
from jupyter_cache.base import CacheBundleIn
from PIL import Image

SETTINGS = {"mode": "fast"}
PACKAGE = {
    "__init__.py": "from gan_utils import data, exercises, losses\nfrom gan_utils.gan import GAN, State\n"
    "from gan_utils.recordings import recorded\nhere = 1\n",
    "checks.py": "",
    "losses.py": "from gan_utils import checks\n",
    "data.py": "import math\nfrom . import checks\n",
    "gan.py": "from gan_utils.losses import hinge\n",
    "exercises.py": "import gan_utils.data\n",
    "recordings.py": "",
    "metrics/__init__.py": "from gan_utils.metrics.modes import count\n",
    "metrics/modes.py": "",
    "weights/net.bin": "weights",
}


@pytest.fixture
def root(tmp_path):
    for name, text in PACKAGE.items():
        path = tmp_path / "gan_utils" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (tmp_path / "book" / "part").mkdir(parents=True)
    return tmp_path


def write(root, name, *cells, text="text"):
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_markdown_cell(text), *map(nbformat.v4.new_code_cell, cells)]
    path = root / "book" / "part" / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


def run(path, cache):
    """Put the notebook into the cache, as a build does after executing it."""
    bundle = CacheBundleIn(nbformat.read(path, as_version=4), str(path))
    with book_build.opened(cache) as runs:
        runs.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def needed(root, code):
    files = book_build.package_files(root)
    modules = book_build.modules_needed(book_build.named_in(ast.parse(code)), files)
    return "all" if modules == set(files) else {name.removeprefix("gan_utils.") for name in modules}


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import torch", set()),
        ("import gan_utils as gu", set()),
        ("import gan_utils as gu\ngu.losses.hinge(1)", {"losses", "checks"}),
        ("import gan_utils as gu\ngu.GAN(1)", {"gan", "losses", "checks"}),
        ("from gan_utils import GAN as G", {"gan", "losses", "checks"}),
        ("from gan_utils.data import ring", {"data", "checks"}),
        ("import gan_utils.data", {"data", "checks"}),
        ("import gan_utils.data as d\nd.ring()", {"data", "checks"}),
        ("import gan_utils as gu\ngu.exercises.check(1)", {"exercises", "data", "checks"}),
        ("import gan_utils as gu\ngu.metrics.count(1)", {"metrics", "metrics.modes"}),
        ("import gan_utils as gu\ngetattr(gu, 'data')", "all"),
        ("import gan_utils as gu\ngu.here", "all"),
        ("import gan_utils as gu\ngu.unknown", "all"),
        ("from gan_utils import *", "all"),
    ],
)
def test_modules_needed_by_code(root, code, modules):
    assert needed(root, code) == modules


@pytest.fixture
def built(root):
    """Two notebooks, both executed and cached: one uses the losses, one the data, a recorded run and a file elsewhere."""
    cache = root / "cache"
    for path in (root / "tables" / "runs.json", root / "book" / "recorded" / "ring.json"):
        path.parent.mkdir()
        path.write_text("{}")
    uses = {"losses": "gu.losses", "data": "gu.data, gu.recorded('ring.json'), '../../tables/runs.json'"}
    paths = {name: write(root, name, f"import gan_utils as gu\nprint({used})") for name, used in uses.items()}

    def refresh(settings=SETTINGS):
        stale = book_build.drop_stale(paths.values(), cache, root, settings)
        for path in paths.values():
            run(path, cache)
        return {path.stem for path in stale}

    assert refresh() == set()  # the first time there is nothing to drop
    assert refresh() == set()  # nothing has changed
    return root, refresh


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ("gan_utils/losses.py", {"losses"}),
        ("gan_utils/data.py", {"data"}),
        ("gan_utils/checks.py", {"losses", "data"}),
        ("gan_utils/gan.py", set()),
        ("gan_utils/weights/net.bin", {"losses", "data"}),
        ("book/part/runs.csv", {"losses", "data"}),
        ("book/part/notes.md", set()),
        ("book/recorded/ring.json", {"data"}),
        ("tables/runs.json", {"data"}),
    ],
)
def test_a_change_drops_the_runs_that_depend_on_it(built, changed, stale):
    root, refresh = built
    path = root / changed
    path.write_text((path.read_text("utf-8") if path.exists() else "") + "\n# changed\n", "utf-8")
    assert refresh() == stale
    assert refresh() == set()


def test_mode_drops_every_run_and_text_drops_none(built):
    root, refresh = built
    assert refresh({"mode": "full"}) == {"losses", "data"}
    assert refresh() == {"losses", "data"}
    write(root, "losses", "import gan_utils as gu\nprint(gu.losses)", text="other text")
    assert refresh() == set()


def test_a_dropped_run_is_gone_from_the_cache_and_others_stay(built):
    root, _ = built
    (root / "gan_utils/losses.py").write_text("changed = 1\n", "utf-8")
    paths = [root / "book/part/losses.ipynb", root / "book/part/data.ipynb"]
    book_build.drop_stale(paths, root / "cache", root, SETTINGS)
    with book_build.opened(root / "cache") as cache:
        with pytest.raises(KeyError):
            cache.match_cache_notebook(nbformat.read(paths[0], as_version=4))
        assert cache.match_cache_notebook(nbformat.read(paths[1], as_version=4)).uri == str(paths[1])


def test_returning_to_earlier_cells_does_not_bring_back_a_stale_run(built):
    root, refresh = built
    write(root, "losses", "import gan_utils as gu\nprint(gu.losses, 2)")
    refresh()
    (root / "gan_utils/losses.py").write_text("changed = 1\n", "utf-8")
    refresh()
    write(root, "losses", "import gan_utils as gu\nprint(gu.losses)")
    assert refresh() == {"losses"}


SHOWN = """from IPython.display import display
line = display("starting", display_id=True)
line.update("done")
print("one")
print("two")"""
RUNS = {
    "shown": ["x = 1", SHOWN, "x + 1"],
    "fails": ["print(1)", "1 / 0"],
    "uses": ["import gan_utils as gu", "gu.losses.__name__"],
}


def test_the_build_takes_over_what_its_tests_have_executed_and_nothing_else(root):
    """One run of nbval for all, as it takes seconds to start."""
    here = Path(__file__).parent.parent
    for name in ("book/conftest.py", "scripts/book_build.py"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(here / name, root / name)
    (root / "pytest.ini").touch()  # else pytest looks for one further up
    for name, cells in RUNS.items():
        write(root, name, *cells)
    pytest_alone = Path(sys.executable).with_name("pytest")  # python -m would import the package that is here
    words = [pytest_alone, "--nbval-lax", "-q", "-p", "no:cacheprovider", "book"]
    said = subprocess.run(words, cwd=root, capture_output=True, text=True).stdout
    assert "1 failed, 6 passed" in said
    its_outputs_are_taken_once(root)
    assert taken(root, "fails") == []
    it_is_taken_in_its_own_state_alone(root)


def taken(root, name):
    path = root / "book" / "part" / f"{name}.ipynb"
    return book_build.take_over([path], root / "cache", root, book_build.settings_now())


def its_outputs_are_taken_once(root):
    path, settings = root / "book" / "part" / "shown.ipynb", book_build.settings_now()
    assert taken(root, "shown") == [path]
    assert book_build.drop_stale([path], root / "cache", root, settings) == []
    with book_build.opened(root / "cache") as cache:
        pk, notebook = cache.merge_match_into_notebook(nbformat.read(path, as_version=4))
        assert cache.get_cache_record(pk).data["execution_seconds"] > 0
    nbformat.validate(notebook)
    assert notebook.metadata.language_info.pygments_lexer == "ipython3"
    first, second, third = (cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    assert first == []
    assert [second[0].data["text/plain"], *(part.text for part in second[1:])] == ["'done'", "one\ntwo\n"]
    assert third[0].data["text/plain"] == "2"
    assert taken(root, "shown") == []  # a second build has it in its cache
    assert book_build.drop_stale([path], root / "cache", root, settings) == []


def it_is_taken_in_its_own_state_alone(root):
    left = root / book_build.EXECUTED / "uses.json"
    run = left.read_text("utf-8")
    (root / "gan_utils/losses.py").write_text("changed = 1\n", "utf-8")
    assert taken(root, "uses") == []
    left.write_text(run, "utf-8")
    (root / "gan_utils/losses.py").write_text(PACKAGE["losses.py"], "utf-8")
    write(root, "uses", "import gan_utils as gu", "gu.losses.__name__ + '!'")
    assert taken(root, "uses") == []
    left.write_text(run, "utf-8")
    path = write(root, "uses", *RUNS["uses"], text="other text")
    assert taken(root, "uses") == [path]


def test_cells_that_are_not_plain_python(root):
    cell = "%matplotlib inline\nimport gan_utils as gu\ngu.losses"
    before = book_build.fingerprint(write(root, "a", cell), root, SETTINGS)
    (root / "gan_utils/data.py").write_text("changed = 1\n", "utf-8")
    assert book_build.fingerprint(root / "book/part/a.ipynb", root, SETTINGS) == before
    (root / "gan_utils/losses.py").write_text("changed = 1\n", "utf-8")
    assert book_build.fingerprint(root / "book/part/a.ipynb", root, SETTINGS) != before

    before = book_build.fingerprint(write(root, "b", "this is no Python"), root, SETTINGS)
    (root / "gan_utils/data.py").write_text("changed = 2\n", "utf-8")
    assert book_build.fingerprint(root / "book/part/b.ipynb", root, SETTINGS) != before


def test_a_figure_is_lightened_and_looks_the_same(tmp_path):
    path, grey = tmp_path / "figure.png", np.random.default_rng(0).integers(0, 256, (128, 128, 1), dtype=np.uint8)
    Image.fromarray(np.concatenate([grey, grey, grey, np.full_like(grey, 255)], axis=-1)).save(path)
    before = path.stat().st_size
    book_build.lighten(path)
    with Image.open(path) as light:
        off = np.abs(np.asarray(light.convert("RGB"), dtype=int) - grey)
        assert light.mode == "P" and path.stat().st_size < before / 2 and off.max() <= 2
    light = path.read_bytes()
    book_build.lighten(path)
    assert path.read_bytes() == light
