"""What the book draws: the content of the axes."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import gan_utils as gu
from gan_utils import plots

SIDE = 7.2 * 100 + 1  # the widest figure, in pixels


@pytest.fixture(autouse=True)
def _style_as_before():
    with matplotlib.rc_context():
        yield


def run(**more) -> gu.Run:
    gan = gu.GAN(gu.models.mlp(2, 4, 2), gu.models.mlp(2, 4, 1))
    settings = {"steps": 12, "seeds": 3, "batch": 4, "log_every": 2, "compile": False, "progress": False}
    return gu.fit(gan, gu.data.ring(), **(settings | more))


def wide(axes) -> float:
    figure = np.ravel(axes)[0].figure
    return figure.get_figwidth() * figure.dpi


def test_lines():
    ax = plots.lines([0, 1, 2], {"a": [1, 2, 3], "b": torch.tensor([3.0, 2.0, 1.0])}, xlabel="logit", ylabel="loss")
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1, 2, 3], [3, 2, 1]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("logit", "loss")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"] and wide(ax) <= SIDE
    same = plots.lines([0], {"c": [1]}, xlabel="", ylabel="", ax=ax)
    assert same is ax and len(ax.lines) == 3


def test_history_draws_each_seed_and_the_median():
    trained = run(callbacks=[lambda step, _: {"modes": torch.tensor([1.0, 2.0, 6.0])}], callback_every=4)
    axes = plots.history(trained, ["d_loss", "modes"], labels=["D's loss", "modes"])
    assert [ax.get_title() for ax in axes] == ["D's loss", "modes"] and axes[0].get_xlabel() == "step"
    first = trained.history.pivot(index="step", columns="seed", values="d_loss").dropna()
    assert len(axes[0].lines) == len(axes[1].lines) == 4
    for line, seed in zip(axes[0].lines[:3], first.columns, strict=True):
        assert line.get_xdata().tolist() == [1, 2, 4, 6, 8, 10, 12]
        np.testing.assert_array_equal(line.get_ydata(), first[seed])
    np.testing.assert_allclose(axes[0].lines[3].get_ydata(), first.median(axis=1))
    assert axes[1].lines[3].get_ydata().tolist() == [2, 2, 2] and axes[1].lines[0].get_xdata().tolist() == [4, 8, 12]


def test_history_goes_on_when_one_seed_diverges():
    trained = run()
    trained.logs[2][1] = torch.nan
    lines = plots.history(trained, ["g_loss"])[0].lines
    assert len(lines[0].get_xdata()) == 7 and np.isfinite(lines[0].get_ydata()).all()
    assert np.isnan(lines[1].get_ydata()).tolist() == [False, False, True, False, False, False, False]
    assert np.isfinite(lines[3].get_ydata()).all()


def test_history_names_bad_columns():
    with pytest.raises(ValueError, match=r"columns='dloss' is not known. Did you mean 'd_loss'\?"):
        plots.history(run(), ["dloss"])


def test_heatmap():
    values = torch.tensor([[0.0, 0.5, 1.0], [0.25, float("nan"), 0.124]])
    ax = plots.heatmap(values, rows=[1, 2], columns=["1/2", "1", "2"], xlabel="ratio", ylabel="steps of D")
    (image,) = ax.images
    np.testing.assert_array_equal(np.asarray(image.get_array().filled(np.nan)), values.numpy())
    assert image.get_clim() == (0, 1) and image.origin == "lower" and wide(ax) <= SIDE
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("ratio", "steps of D")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1/2", "1", "2"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["1", "2"]
    written = {(text.get_position()): text.get_text() for text in ax.texts}
    assert written == {(0, 0): "0%", (1, 0): "50%", (2, 0): "100%", (0, 1): "25%", (2, 1): "12%"}


def test_the_numbers_of_a_heatmap_can_be_read_on_their_cells():
    ax = plots.heatmap(
        [torch.linspace(2, 6, 9).tolist()], rows=["a"], columns=range(9), xlabel="", ylabel="", limits=(2, 6)
    )

    def luminance(colour) -> float:  # relative luminance, WCAG 2
        rgb = np.asarray(matplotlib.colors.to_rgb(colour))
        return float(np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])

    for text in ax.texts:
        cell = ax.images[0].to_rgba(float(ax.images[0].get_array()[0, text.get_position()[0]]))[:3]
        light, dark = sorted((luminance(text.get_color()), luminance(cell)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5


@pytest.mark.parametrize(
    "change, error, words",
    [
        (dict(values=[0.5, 1.0]), ValueError, r"values must have shape \[n, d\]; got \[2\]"),
        (dict(rows=[1, 2]), ValueError, "rows must have a label for each of the 1 rows of values; got 2"),
        (dict(columns=[1]), ValueError, "columns must have a label for each of the 2 columns of values; got 1"),
    ],
)
def test_a_heatmap_refuses_what_does_not_fit(change, error, words):
    arguments = {"values": [[0.5, 1.0]], "rows": [1], "columns": [1, 2], "xlabel": "", "ylabel": ""} | change
    with pytest.raises(error, match=words):
        plots.heatmap(**arguments)


def test_points():
    samples = torch.randn(5, 20, 2)
    axes = plots.points(samples, real=gu.data.ring(), titles=list("abcde"))
    assert axes.shape == (2, 4) and [ax.get_title() for ax in axes.flat[:5]] == list("abcde") and wide(axes) <= SIDE
    for ax, sample in zip(axes.flat, samples, strict=False):
        real, fake = ax.collections
        np.testing.assert_allclose(fake.get_offsets(), sample, rtol=1e-6)
        assert len(real.get_offsets()) == 1_000 and ax.get_xlim() == ax.get_ylim() and ax.get_aspect() == 1
    assert not any(ax.axison for ax in axes.flat[5:])
    single = plots.points(samples[0])
    assert single.shape == (1, 1) and len(single[0, 0].collections) == 1
    with pytest.raises(ValueError, match=r"samples must have shape \[m, n, 2\]; got \[3, 4, 5\]"):
        plots.points(torch.zeros(3, 4, 5))


def test_the_history_of_one_column():
    (ax,) = plots.history(run(), "d_loss")
    assert ax.get_title() == "d_loss" and len(ax.lines) == 4  # three seeds and their median


def test_images_are_tiled_in_order():
    x = torch.linspace(-1, 1, 5)[:, None, None, None].expand(5, 1, 3, 4)
    (ax,) = plots.images(x, rows=2, columns=3, titles=["five"])
    shown = np.asarray(ax.images[0].get_array())
    assert shown.shape == (6, 12) and ax.images[0].get_clim() == (-1, 1) and ax.get_title() == "five"
    np.testing.assert_allclose([shown[0, 0], shown[0, 4], shown[0, 8], shown[3, 0], shown[3, 4]], np.linspace(-1, 1, 5))
    assert (shown[3:, 8:] == -1).all()
    assert len(plots.images(torch.zeros(2, 4, 1, 3, 3), rows=2, columns=2)) == 2


def test_three_channels_are_colours():
    x = torch.linspace(-1, 1, 2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    (ax,) = plots.images(x, rows=1, columns=2)
    shown = np.asarray(ax.images[0].get_array())
    assert shown.shape == (4, 10, 3) and shown.min() == 0 and shown.max() == 1
    for image in (0, 1):
        for channel in range(3):
            np.testing.assert_allclose(shown[:, 5 * image : 5 * image + 5, channel], (x[image, channel] + 1) / 2)
    (ax,) = plots.images(x[:1], rows=1, columns=2)
    assert (np.asarray(ax.images[0].get_array())[:, 5:] == 0).all()  # an empty place is black


def test_film():
    frames = run(frames=4, frame_size=16).frames
    axes = plots.film(frames, real=gu.data.ring(), seeds=[5, 6, 7], columns=3)
    assert axes.shape == (3, 3) and [ax.get_title() for ax in axes[0]] == ["step 0", "step 8", "step 12"]
    np.testing.assert_allclose(axes[1, 2].collections[1].get_offsets(), frames.samples[-1, 1], rtol=1e-6)
    assert [axes[i, 0].texts[0].get_text() for i in range(3)] == ["seed 5", "seed 6", "seed 7"] and wide(axes) <= SIDE
    shown = plots.film(gu.Frames([0, 5], torch.zeros(2, 1, 16, 1, 3, 3)))
    assert shown.shape == (1, 2) and shown[0, 1].images[0].get_array().shape == (12, 12)


def test_style_and_palette():
    plots.use_style()
    assert plt.rcParams["figure.figsize"][0] * plt.rcParams["figure.dpi"] <= SIDE
    assert len(set(plots.COLOURS)) == 8 and plt.rcParams["axes.prop_cycle"].by_key()["color"] == plots.COLOURS


def test_evidence_has_one_scale_for_all_measures():
    ax = plots.evidence(
        [("above", 3.0, 1.0, 0.5, 1.5, 2.0), ("below", 0.2, 1.0, 0.9, 1.1, 0.6), ("far", 99.0, 0, 0, 0, 1)]
    )
    bars, dots = ax.lines[1::2], ax.lines[2::2]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["above", "below", "far"]
    np.testing.assert_allclose([dot.get_xdata()[0] for dot in dots], [2, 2, 4])  # twice the way from real to the limit
    np.testing.assert_allclose(bars[0].get_xdata(), [-0.5, 0.5])
    np.testing.assert_allclose(bars[1].get_xdata(), [-0.25, 0.25])
    inside = plots.evidence([("fine", 1.1, 1.0, 0.5, 1.5, 2.0)])
    assert dots[0].get_color() != inside.lines[2].get_color() and wide(ax) <= SIDE


@pytest.mark.parametrize("shape", [(1,), (24,), (1, 24), (4, 5, 5)])
def test_snapshots_that_are_neither_points_nor_images_are_named(shape):
    frames = gu.Frames([0, 1], torch.zeros(2, 1, 3, *shape))
    for draw in (plots.film, plots.scrubber):
        with pytest.raises(ValueError, match=r"snapshots must be points \[2\] or images"):
            draw(frames)


def test_data_far_from_the_origin_fill_the_picture():
    far = torch.tensor([60.0, -5.0]) + torch.rand(100, 2)
    (ax,) = plots.points(far, real=far)[0]
    for (low, high), column in zip((ax.get_xlim(), ax.get_ylim()), far.T, strict=True):
        assert low < column.min() and column.max() < high and high - low < 2 * float(column.max() - column.min())
