"""The recorded runs that the chapters read: they are installed with the package, so that a notebook alone finds them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["recorded"]

PACKAGE = Path(__file__).resolve().parent
FOLDERS = (PACKAGE / "recorded", PACKAGE.parent / "book" / "recorded")  # of an installed package, of a checkout


def recorded(name: str) -> Path:
    """Return the path of a recorded file of the book, as in ``np.load(gu.recorded("quiz.npz"))``.

    Raises FileNotFoundError, with the names there are, if there is no such file.
    """
    files = {path.name: path for folder in FOLDERS for path in sorted(folder.glob("*.*"))}
    if not isinstance(name, str) or name not in files:
        raise FileNotFoundError(f"name={name!r} is no recorded file. There are: {', '.join(files) or 'none'}.")
    return files[name]
