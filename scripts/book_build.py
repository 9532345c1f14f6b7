"""What this book adds to Sphinx: an honest notebook cache, links to terms and references, times, lighter figures.

The cache of executed notebooks is keyed by their code cells alone, so a change in ``gan_utils`` would leave the old
pictures on the page. Before pages are read we take a fingerprint of all that a notebook's outputs depend on, and drop
the cached run of every notebook whose fingerprint has changed. ``_config.yml`` loads this file (``local_extensions``).
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.main import JupyterCacheBase
from myst_nb.sphinx_ import NbMetadataCollector
from nbclient.exceptions import CellExecutionError
from PIL import Image
from sphinx.util import logging

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "gan_utils"
VERSIONS = ("torch", "numpy", "pandas", "matplotlib", "mlxtend")
TEXT = {".ipynb", ".md"}  # what stands beside a notebook and is not its data
EXECUTED = Path("_build", "executed")  # where nbval leaves its runs for the build
# Pages then do not depend on the number of cores; and on a busy machine, threads that wait for one another in such small
# products make a step many times slower.
ONE_THREAD = ("OMP_NUM_THREADS", "1")
logger = logging.getLogger(__name__)


def package_files(root: Path) -> dict[str, Path]:
    """Return every module of the package by its dotted name; a package is its ``__init__.py``."""
    files = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def named_in(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Yield the dotted name of everything in ``tree`` that is imported from the package or reached through its name.

    The bare package name means that we cannot tell (``getattr(gu, name)``), so that everything counts.
    ``package`` is what a relative import starts from.
    """
    aliases, reached = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                if item.name == PACKAGE:
                    aliases.add(item.asname or PACKAGE)
                elif item.name.startswith(PACKAGE + "."):
                    yield item.name
                    aliases.update([] if item.asname else [PACKAGE])
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            if source.split(".")[0] == PACKAGE:
                yield from (source if item.name == "*" else f"{source}.{item.name}" for item in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            reached.add(id(node.value))
            yield f"{PACKAGE}.{node.attr}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in aliases and id(node) not in reached:
            yield PACKAGE


def modules_needed(names: Iterable[str], files: dict[str, Path]) -> set[str]:
    """Return the modules behind ``names`` and, in turn, behind everything those modules name."""
    trees = {module: ast.parse(path.read_text("utf-8")) for module, path in files.items()}
    exported = {name.rpartition(".")[2]: name for name in named_in(trees[PACKAGE], PACKAGE)}
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name.count(".") == 1 and name not in files:  # gu.GAN stands for gan_utils.gan.GAN
            name = exported.get(name.rpartition(".")[2], PACKAGE)
        while name not in files:
            name = name.rpartition(".")[0]
        if name == PACKAGE:
            return set(files)  # something that the package's front page makes itself, or that we do not know
        if name not in needed:
            needed.add(name)
            within = name if files[name].name == "__init__.py" else name.rpartition(".")[0]
            waiting.extend(named_in(trees[name], within))
    return needed


def code_of(notebook: Path) -> str:
    """Return the notebook's code cells as one Python text; magics become calls, as in IPython."""
    cells = nbformat.read(notebook, as_version=4).cells
    return TransformerManager().transform_cell("\n".join(cell.source for cell in cells if cell.cell_type == "code"))


def files_named(tree: ast.AST, folders: Iterable[Path]) -> Iterator[Path]:
    """Yield each file that a text in ``tree`` names, seen from one of the folders: recorded runs, say."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"[\w./-]+\.\w+", node.value)
        ):
            yield from (path.resolve() for folder in folders if (path := folder / node.value).is_file())


def fingerprint(notebook: Path, root: Path, settings: dict[str, str]) -> str:
    """Return a hash of what the notebook's outputs depend on, its own cells aside.

    That is: the modules it needs, the package's data files, the data files beside the notebook, those it names, be it
    by their path or as in ``gu.recorded("quiz.npz")``, and ``settings``.
    """
    files = package_files(root)
    try:
        tree: ast.AST = ast.parse(code_of(notebook))
        names: Iterable[str] = list(named_in(tree))
    except SyntaxError:
        tree, names = ast.Module([], []), [PACKAGE]
    paths = {files[module] for module in modules_needed(names, files)}
    paths |= {path for path in (root / PACKAGE).rglob("*") if path.suffix not in {".py", ".pyc"} and path.is_file()}
    paths |= {
        path
        for path in notebook.parent.rglob("*")
        if path.suffix not in TEXT and path.is_file() and ".ipynb_checkpoints" not in path.parts
    }
    folders = [notebook.parent, root / "book" / "recorded"]
    paths |= {path for path in files_named(tree, folders) if path.is_relative_to(root)}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in sorted(paths):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@contextlib.contextmanager
def opened(cache_path: Path) -> Iterator[JupyterCacheBase]:
    """Yield the cache of executed notebooks, and close its database, which jupyter-cache leaves open."""
    cache_path.mkdir(parents=True, exist_ok=True)
    cache = get_cache(str(cache_path))
    try:
        yield cache
    finally:
        cache.db.dispose()


def drop_stale(notebooks: Iterable[Path], cache_path: Path, root: Path, settings: dict[str, str]) -> list[Path]:
    """Drop the cached run of each notebook whose fingerprint has changed since; return those notebooks."""
    before, after, dropped = _ledger(cache_path, {}), {}, []
    with opened(cache_path) as cache:
        for notebook in notebooks:
            content = nbformat.read(notebook, as_version=4)
            _, key = cache.create_hashed_notebook(content)
            after[key] = fingerprint(notebook, root, settings)
            if before.get(key) == after[key]:
                continue
            try:
                cache.remove_cache(cache.match_cache_notebook(content).pk)
            except KeyError:
                continue  # never run, or its cells have changed: it is executed anyway
            dropped.append(notebook)
    _ledger(cache_path, after)
    return dropped


def leave(notebook: Path, executed: nbformat.NotebookNode, seconds: float, state: str, root: Path) -> None:
    """Leave a notebook that was executed elsewhere, with what its fingerprint was, for the next build to take over."""
    path = root / EXECUTED / f"{notebook.stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    run = {"seconds": seconds, "fingerprint": state, "notebook": executed}
    beside = path.with_suffix(".new")  # tests of one notebook may be stopped while a build reads
    beside.write_text(json.dumps(run), "utf-8")
    beside.replace(path)


def take_over(notebooks: Iterable[Path], cache_path: Path, root: Path, settings: dict[str, str]) -> list[Path]:
    """Put runs that were left for the build into its cache, where they are of the present state; return those notebooks."""
    taken, states = [], {}
    with opened(cache_path) as cache:
        for notebook in notebooks:
            left = root / EXECUTED / f"{notebook.stem}.json"
            if not left.exists():
                continue
            run = json.loads(left.read_text("utf-8"))
            left.unlink()
            executed = nbformat.from_dict(run["notebook"])
            _, key = cache.create_hashed_notebook(nbformat.read(notebook, as_version=4))
            same_cells = cache.create_hashed_notebook(executed)[1] == key
            if same_cells and run["fingerprint"] == fingerprint(notebook, root, settings):
                data = {"execution_seconds": run["seconds"]}
                bundle = CacheBundleIn(executed, str(notebook), data=data)
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                taken.append(notebook)
                states[key] = run["fingerprint"]
    _ledger(cache_path, states)
    return taken


def _ledger(cache_path: Path, states: dict[str, str]) -> dict[str, str]:
    """Add to the fingerprints under which runs were cached; return what it held before."""
    path = cache_path / "fingerprints.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(json.dumps(before | states, indent=1), "utf-8")
    return before


def settings_now() -> dict[str, str]:
    """Return what outside the files decides a notebook's outputs: mode, kind of device, versions."""
    from gan_utils import runtime

    versions = {name: importlib.metadata.version(name) for name in VERSIONS}
    return {"mode": runtime.mode(), "device": runtime.device().type, "python": platform.python_version(), **versions}


def on_outdated(app, env, added, changed, removed) -> list[str]:
    """Sphinx, before pages are read: drop stale runs and ask for those pages to be read again."""
    app.gan_book_start = time.time()
    pages = {Path(env.doc2path(name)): name for name in env.found_docs}
    notebooks = [path for path in pages if path.suffix == ".ipynb"]
    where = Path(env.mystnb_config.execution_cache_path), ROOT, settings_now()
    taken = take_over(notebooks, *where)
    for path in taken:
        logger.info("%s: executed by its tests, so it is not executed again", path.name)
    dropped = drop_stale(notebooks, *where)
    for path in dropped:
        logger.info("%s: what it uses has changed, so it is executed again", path.name)
    return [pages[path] for path in taken + dropped]


def on_updated(app, env) -> None:
    """Sphinx, when all pages are read: let Markdown links reach terms and references, and warn where they do not.

    A link ``glossary.md#term-mode-collapse`` or ``references.md#goodfellow2014`` is plain Markdown that GitHub and
    Colab understand too; MyST by itself knows only headings as targets.
    """
    for (kind, name), (page, anchor) in env.get_domain("std").objects.items():
        if kind == "term":
            env.metadata[page].setdefault("myst_slugs", {})[anchor.lower()] = (0, anchor, name)
    for citation in env.get_domain("cite").citations:
        page = citation.bibliography_key.docname
        env.metadata[page].setdefault("myst_slugs", {})[citation.key] = (0, citation.citation_id, citation.key)


def lighten(picture: Path) -> None:
    """Rewrite a figure with 256 colours, which the eye does not notice: less than half the bytes to load."""
    with Image.open(picture) as full:
        if full.mode in ("RGB", "RGBA"):
            full.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)


def on_finished(app, error) -> None:
    """Sphinx, at the end: print how long each chapter took, or keep the cell that failed for `make` to show last."""
    if error is not None:
        if isinstance(error.__cause__, CellExecutionError):
            (Path(app.outdir).parent / "failed.txt").write_text(f"\n{error}\n\n{error.__cause__}\n", "utf-8")
        return
    for picture in (Path(app.outdir) / "_images").glob("*.png"):
        lighten(picture)
    rows = [(page, NbMetadataCollector.get_exec_data(app.env, page)) for page in sorted(app.env.found_docs)]
    rows = [(page, run) for page, run in rows if run and run["runtime"] is not None]
    if rows:
        logger.info("\nSeconds to execute each chapter:")
    for page, run in rows:
        kept = "" if run["mtime"] >= app.gan_book_start else "  (kept from an earlier build)"
        logger.info("%8.1f  %s%s", run["runtime"], page, kept)


def setup(app) -> dict[str, bool]:
    """Sphinx calls this when it loads the extension."""
    os.environ.setdefault(*ONE_THREAD)  # kernels inherit it
    app.connect("env-get-outdated", on_outdated)
    app.connect("env-updated", on_updated, priority=900)  # after the bibliography has been collected
    app.connect("build-finished", on_finished)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
