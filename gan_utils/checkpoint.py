"""Checkpoint files: tensors and a few facts in words (safetensors), written whole or not at all. No code is stored or run."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gan_utils import checks

__all__ = ["CheckpointError", "load_tensors", "save_tensors"]

_KIND = "gan_utils checkpoint 1"


class CheckpointError(ValueError):
    """A checkpoint file that is damaged, of another kind or of another recipe."""


def save_tensors(path: str | Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and JSON-able facts to ``path``: first beside it, then moved onto it, so that a kill spoils nothing.

    Raises OSError, naming the path, when it cannot be written.
    """
    path = checks.path("path", path)
    tensors, said = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, json.dumps(facts)
    data = save(tensors, {"kind": _KIND, "facts": said, "sha256": _digest(tensors, said)})
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(f"the checkpoint {path} could not be written: {error.strerror or error}.") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and facts of a file; :class:`CheckpointError` if it is damaged or of another kind."""
    try:
        with safe_open(checks.path("path", path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, EOFError) as error:
        raise CheckpointError(f"{path} is damaged or no checkpoint ({error}). Remove it to start afresh.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error}). Use another path.") from None
    if metadata.get("kind") != _KIND:
        raise CheckpointError(f"{path} is no checkpoint of gan_utils (kind {metadata.get('kind')!r}, not {_KIND!r}).")
    said = metadata.get("facts", "")
    if metadata.get("sha256") != _digest(tensors, said):
        raise CheckpointError(f"{path} is damaged (its checksum does not match). Remove it to start afresh.")
    return tensors, json.loads(said)


def _digest(tensors: dict[str, Tensor], said: str) -> str:
    form = [(name, str(t.dtype), list(t.shape)) for name, t in sorted(tensors.items())]
    sha = hashlib.sha256(repr((said, form)).encode())
    for _, t in sorted(tensors.items()):
        sha.update(t.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()
