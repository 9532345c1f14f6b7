"""Write the tree that is published: ``python scripts/publish.py OWNER/NAME OUT``.

It is this checkout's last commit with the addresses of the repository that publishes it: the buttons "Open in Colab", the
pages' address, and where ``gan_utils`` is installed from, by set-up cells and by readers. Nothing in the repository itself
names an account, so that every fork publishes its own. ``.github/workflows/publish.yml`` pushes the tree to the branch that
the buttons open and builds the pages from it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,38})/((?!\.)[A-Za-z0-9._-]{1,100})")
BRANCH = re.compile(r"(?![-./])[A-Za-z0-9._/-]+(?<![./])")
SETUP = re.compile(r'(os\.environ\.get\(\\"GAN_UTILS_SOURCE\\", \\")[^"\\]*')  # in a notebook's JSON
INSTALL = re.compile(r"^pip install .*$", re.MULTILINE)  # on the page of the package
STAMP = "\n# From here on: written by scripts/publish.py.\n"


class Addresses(NamedTuple):
    """Where a published book is found: its repository, the branch of its notebooks, its pages, its package for pip."""

    repository: str
    branch: str
    pages: str
    source: str


def addresses(name: str, branch: str = "published", source: str | None = None) -> Addresses:
    """Return the addresses of the GitHub repository ``name`` ("owner/name"); ValueError if it cannot be one.

    ``source`` is what pip shall install, if not that branch of that repository.
    """
    parts = NAME.fullmatch(name)
    if parts is None or name.endswith(".git"):
        raise ValueError(f"name={name!r} is not the name of a GitHub repository. Allowed: OWNER/NAME.")
    if not BRANCH.fullmatch(branch) or ".." in branch:
        raise ValueError(f"branch={branch!r} cannot be used. Allowed: letters, digits and -._/, as in 'published'.")
    owner, repository = parts.groups()
    host = f"{owner.lower()}.github.io"
    pages = f"https://{host}/" if repository.lower() == host else f"https://{host}/{repository}/"
    url = f"https://github.com/{name}"
    return Addresses(url, branch, pages, source or f"git+{url}@{branch}")


def stamped_config(text: str, to: Addresses) -> str:
    """Return ``_config.yml`` with the pages' address and the launch buttons, in place of those it may have had."""
    text = re.sub(r"^  baseurl:.*\n", "", text.split(STAMP)[0], flags=re.MULTILINE)
    text, found = re.subn(r"^html:.*\n", f"html:\n  baseurl: {to.pages}\n", text, flags=re.MULTILINE)
    if found != 1:
        raise ValueError(f"_config.yml has {found} sections html:, where one was expected.")
    return (
        f"{text}{STAMP}repository:\n  url: {to.repository}\n  branch: {to.branch}\n"
        '  path_to_book: ""\nlaunch_buttons:\n  colab_url: https://colab.research.google.com\n'
    )


def stamped_notebook(text: str, to: Addresses) -> str:
    """Return a notebook's JSON whose set-up cell installs the package from ``to.source``."""
    text, found = SETUP.subn(lambda hit: hit[1] + to.source, text)
    if found != 1:
        raise ValueError(f"{found} cells ask for GAN_UTILS_SOURCE, where the set-up cell alone was expected.")
    return text


def stamped_page(text: str, to: Addresses) -> str:
    """Return the page of the package with the command that installs it from ``to.source``."""
    text, found = INSTALL.subn(lambda _: f'pip install "{to.source}"', text)
    if found != 1:
        raise ValueError(f"{found} lines install the package, where one was expected.")
    return text


def stamp(tree: Path, to: Addresses) -> None:
    """Stamp ``_config.yml``, the package's page and every chapter in ``tree``; a second time changes nothing."""
    changes = {tree / "_config.yml": stamped_config, tree / "book" / "api.md": stamped_page}
    changes |= {path: stamped_notebook for path in sorted(tree.glob("book/*/*.ipynb"))}
    for path, change in changes.items():
        try:
            text = change(path.read_bytes().decode("utf-8"), to)
        except ValueError as error:
            raise ValueError(f"{path.relative_to(tree)}: {error}") from None
        path.write_bytes(text.encode("utf-8"))


def export(root: Path, out: Path) -> None:
    """Write the files of the last commit to the empty folder ``out``, but for .github/.

    The token of a workflow may not push workflows, and on that branch none shall run.
    """
    git = ["git", "-C", str(root)]
    changed = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True, text=True).stdout
    if changed:
        raise ValueError(f"commit your changes first, or they would not be published:\n{changed}")
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"OUT={str(out)!r} is not empty.")
    files = subprocess.run([*git, "ls-files", "-z"], check=True, capture_output=True).stdout.split(b"\0")
    kept = b"\0".join(file for file in files if file and not file.startswith(b".github/"))
    prefix = f"--prefix={out.resolve().as_posix()}/"
    subprocess.run([*git, "checkout-index", prefix, "-z", "--stdin"], check=True, input=kept)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0].split(":")[0])
    parser.add_argument("name", metavar="OWNER/NAME", help="the repository on GitHub that publishes the book")
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder to write, new or empty")
    parser.add_argument("--branch", default="published", help="the branch that the tree will be pushed to")
    parser.add_argument("--source", help="what pip shall install, if not that branch of that repository")
    given = parser.parse_args(arguments)
    try:
        to = addresses(given.name, given.branch, given.source)
        export(root, given.out)
        stamp(given.out, to)
    except ValueError as error:
        sys.exit(f"publish.py: {error}")
    print(f"{given.out}: to be pushed to the branch {to.branch} of {to.repository}; pages at {to.pages}")


if __name__ == "__main__":
    main()
