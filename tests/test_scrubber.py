"""The figure that plays: what it holds, what it weighs, and what it refuses. The browser tests of the book move it."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

import gan_utils as gu


def film(moments=40, n=256, shape=(2,), seeds=1):
    rng = torch.Generator().manual_seed(0)
    return gu.Frames([10 * t for t in range(moments)], torch.randn(moments, seeds, n, *shape, generator=rng))


def held(figure):
    return json.loads(re.search(r"const film = (\{.*\});", figure.page).group(1))


def test_forty_moments_of_256_points_weigh_at_most_80_kilobytes():
    assert len(gu.plots.scrubber(film(), real=gu.data.ring()).page.encode()) <= 80_000


def test_points_come_back_to_a_pixel():
    shown = film(moments=3, n=8)
    reach = 1.35 * float(shown.samples.abs().max())
    panel = held(gu.plots.scrubber(shown))["panels"][0]
    assert panel["title"] == "seed 0" and panel["steps"] == [0, 10, 20]
    numbers = np.frombuffer(base64.b64decode(panel["data"]), "<u2").reshape(3, 8, 2)
    np.testing.assert_allclose((numbers / 65535 * 2 - 1) * reach, shown.samples[:, 0], atol=reach / 352)


def test_points_outside_and_nan_stay_on_the_picture():
    wild = gu.Frames([0], torch.tensor([[[[1e9, -1e9], [float("nan"), 0.0]]]]))
    numbers = np.frombuffer(
        base64.b64decode(held(gu.plots.scrubber(wild, real=gu.data.ring()))["panels"][0]["data"]), "<u2"
    )
    assert numbers.tolist() == [65535, 0, 0, 32768]  # NaN at the edge: to be seen, and no crash


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_one_sheet_moment_below_moment(channels):
    grey = torch.linspace(-1, 1, 2)[:, None, None, None, None, None].expand(2, 1, 16, channels, 3, 3)
    sheet = held(gu.plots.scrubber(gu.Frames([0, 5], grey)))["panels"][0]["sprite"]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet))).convert("L"))
    assert pixels.shape == (24, 12) and (pixels[:12] == 0).all() and (pixels[12:] == 255).all()


def test_named_films_stand_side_by_side_each_with_its_own_steps():
    slow = gu.Frames([0, 1, 2], film(moments=3).samples)
    panels = held(gu.plots.scrubber({"fast": film(moments=3), "slow": slow}))["panels"]
    assert [(p["title"], p["steps"]) for p in panels] == [("fast", [0, 10, 20]), ("slow", [0, 1, 2])]
    assert len(held(gu.plots.scrubber(film(moments=2, seeds=3)))["panels"]) == 3


class Tags(HTMLParser):
    """Collects the open tags, and what is asked of elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.elsewhere = [], [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        self.elsewhere += [v for k, v in attributes if k in ("src", "href") and not v.startswith("data:")]
        if tag not in ("img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_escaped_and_the_same_each_time(tmp_path):
    one, two = (gu.plots.scrubber(film(2), alt='a "ring" <b>', autoplay=True) for _ in range(2))
    tags = Tags()
    tags.feed(one._repr_html_())
    assert tags.open == [] and tags.elsewhere == [] and one.page == two.page
    still = next(attributes for tag, attributes in tags.seen if tag == "img")
    assert still["alt"] == 'a "ring" <b>' and Image.open(io.BytesIO(base64.b64decode(still["src"][22:]))).width <= 720
    one.save(tmp_path / "film.html")
    assert (tmp_path / "film.html").read_text("utf-8") == one.page
    assert plt.get_fignums() == []  # its still picture is no figure beside it


@pytest.mark.parametrize("films", [gu.Frames([], torch.zeros(0, 1, 4, 2)), {}, {"a": film(2), "b": film(3)}])
def test_films_without_moments_or_with_different_numbers_are_refused(films):
    with pytest.raises(ValueError, match=r"films must .*got \[.*frames=40"):
        gu.plots.scrubber(films)
