"""The API page says what a class takes where autodoc would say what its fields hold, if both have one name.

``_config.yml`` loads this file (``local_extensions``).
"""

from __future__ import annotations

from typing import Any

from sphinx.util.inspect import signature
from sphinx.util.typing import stringify_annotation


def on_signature(app: Any, kind: str, name: str, thing: Any, *_: Any) -> None:
    """Autodoc, when it has noted the hints of ``thing``: put those of ``__init__`` in their place."""
    if kind == "class":
        taken = [
            entry for entry in signature(thing.__init__).parameters.values() if entry.annotation is not entry.empty
        ]
        noted = app.env.temp_data.setdefault("annotations", {}).setdefault(name, {})
        noted.update({entry.name: stringify_annotation(entry.annotation, "smart") for entry in taken})


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls this when it loads the extension."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", on_signature, priority=600)  # after autodoc's own, which notes the hints
    return {"parallel_read_safe": True, "parallel_write_safe": True}
