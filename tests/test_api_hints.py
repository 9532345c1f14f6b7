"""On the API page a class's parameters have the types that it takes."""

from __future__ import annotations

from types import SimpleNamespace

import api_hints

import gan_utils as gu


def noted(thing: type) -> dict[str, str]:
    app = SimpleNamespace(env=SimpleNamespace(temp_data={"annotations": {"it": {"loss": "what a field holds"}}}))
    api_hints.on_signature(app, "class", "it", thing)
    return app.env.temp_data["annotations"]["it"]


def test_a_class_is_said_to_take_what_its_init_takes():
    hints = noted(gu.GAN)
    assert hints["loss"] == "~gan_utils.losses.Loss | str"
    assert hints["penalties"].startswith("~gan_utils.penalties.Penalty | ")


def test_a_class_without_an_init_of_its_own_keeps_what_autodoc_found():
    assert noted(gu.Frames)["loss"] == "what a field holds"
