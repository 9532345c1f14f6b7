"""NumPy arrays: wherever samples are taken, an array does what the tensor of the same numbers does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

import gan_utils as gu

METRICS = gu.metrics
RING = gu.data.ring(modes=4)
X, Y, TRAIN = (RING.sample(200, gu.generator(i)) for i in range(3))
DIGITS = torch.rand(6, 1, 28, 28, generator=gu.generator(3)) * 2 - 1
BYTES, LABELS = torch.arange(6 * 784).reshape(6, 1, 28, 28).to(torch.uint8), torch.arange(6)
GAN = gu.GAN(gu.models.mlp(2, 4, 2), gu.models.mlp(2, 4, 1))


def monitored(real: Any, fake: Any, d_real: Any) -> dict[str, float]:
    monitor = gu.CollapseMonitor()
    monitor.update(1, real=real, fake=fake, d_real=d_real)
    return monitor.table.iloc[-1].to_dict()


def trained() -> gu.Run:
    return gu.fit(GAN, RING, steps=1, batch=4, device="cpu", progress=False)


def drawn(axes: Any) -> list[np.ndarray]:
    """Return what lies on the axes: the points scattered, the picture shown."""
    places = [cloud.get_offsets() for ax in axes.flat for cloud in ax.collections]
    return [np.asarray(part) for part in places + [image.get_array() for ax in axes.flat for image in ax.images]]


#: What takes samples, by name, and samples that it takes.
WAYS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "metrics.birthday": (lambda x: METRICS.birthday(x, within=0.01), (X,)),
    "metrics.bootstrap": (lambda x: METRICS.bootstrap(torch.mean, x, repeats=5), (X[:, 0],)),
    "metrics.find_modes": (METRICS.find_modes, (X,)),
    "metrics.frechet_distance": (METRICS.frechet_distance, (X, Y)),
    "metrics.k_means": (lambda x: METRICS.k_means(x, 3), (X,)),
    "metrics.label_coverage": (lambda labels: METRICS.label_coverage(labels, 10), (LABELS,)),
    "metrics.memorisation": (METRICS.memorisation, (TRAIN, X, Y)),
    "metrics.mode_coverage": (lambda x: METRICS.mode_coverage(x, RING), (torch.stack([X, Y]),)),
    "metrics.mode_width": (lambda x: METRICS.mode_width(x, RING), (X,)),
    "metrics.ndb": (lambda x, y: METRICS.ndb(x, y, bins=4), (X, Y)),
    "metrics.nearest_centre": (METRICS.nearest_centre, (X, Y[:3])),
    "metrics.prdc": (METRICS.prdc, (X, Y)),
    "metrics.real_against_real": (lambda x: METRICS.real_against_real(METRICS.frechet_distance, x, repeats=3), (X,)),
    "metrics.report": (lambda x, y: METRICS.report({"a": x}, {"a": y}).to_numpy(), (X[:5, 0], Y[:, 0])),
    "metrics.spread": (METRICS.spread, (X,)),
    "metrics.stacked_labels": (METRICS.stacked_labels, (DIGITS.reshape(2, 3, 28, 28),)),
    "metrics.vendi": (METRICS.vendi, (X,)),
    "diagnose": (lambda *given: gu.diagnose(*given[:2], train=given[2]).to_dict()["evidence"], (X, Y, TRAIN)),
    "CollapseMonitor.update": (monitored, (X, Y, X[:, 0])),
    "classifier": (lambda x: gu.classifier.classifier().predict(x), (DIGITS,)),
    "data.Mixture": (lambda x: gu.data.Mixture(x, std=1.0).means, (X,)),
    "data.Mixture.nearest": (RING.nearest, (X,)),
    "data.Mixture.log_prob": (RING.log_prob, (X,)),
    "data.Points": (lambda x: gu.data.Points(x).sample(5, gu.generator(0)), (X,)),
    "data.Images": (lambda *given: gu.data.Images(*given).labelled(5, gu.generator(0)), (BYTES, LABELS)),
    "plots.points": (lambda x, y: drawn(gu.plots.points(x, real=y)), (X, Y)),
    "plots.images": (lambda x: drawn(gu.plots.images(x)), (DIGITS,)),
    "Run.generate": (lambda z: trained().generate(z), (X,)),
    "Run.judge": (lambda x: trained().judge(x), (X,)),
}


def test_every_measure_of_samples_is_among_them():
    functions = {f"metrics.{name}" for name in METRICS.__all__ if inspect.isfunction(getattr(METRICS, name))}
    assert functions - {*WAYS} == {"metrics.wilson"}  # it counts


@pytest.mark.parametrize("way", WAYS)
def test_an_array_does_what_the_tensor_does(way):
    call, samples = WAYS[way]
    with torch.random.fork_rng():
        by_tensor, by_array = call(*samples), call(*tree_map_only(Tensor, Tensor.numpy, samples))
    plt.close("all")
    a, b = tree_leaves(by_tensor), tree_leaves(by_array)
    assert len(a) == len(b) > 0
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_order_of_bytes_does_not_matter():
    big = X.numpy().astype(">f4")
    assert torch.equal(METRICS.spread(big), METRICS.spread(X))
    assert METRICS.prdc(big, np.asfortranarray(Y.numpy())) == METRICS.prdc(X, Y)


def test_arrays_are_of_double_precision_and_may_be_empty():
    near = METRICS.nearest_centre(X, Y[:3])
    assert torch.equal(METRICS.nearest_centre(X.double().numpy(), Y[:3]), near)
    assert torch.equal(METRICS.nearest_centre(X, Y[:3].double().numpy()), near)
    assert len(METRICS.nearest_centre(np.empty((0, 2)), Y[:3])) == 0


def test_the_array_is_left_alone():
    array = X.numpy().copy()
    source = gu.data.Points(array)
    array[:] = 0
    assert torch.equal(source.points, X), "a source of points keeps its own"


@pytest.mark.parametrize("array", [np.array(["a", "b"]), np.array([None, 1.0]), np.array([[1j, 2j]])], ids=str)
def test_arrays_of_other_things_are_refused_by_name(array):
    with pytest.raises(TypeError, match=r"real must be a tensor of shape \[n, d\]; got ndarray"):
        METRICS.prdc(array, X)


def test_plots_take_what_still_has_its_gradient():
    x = X.clone().requires_grad_()
    one, other = (drawn(gu.plots.points(points, real=points)) for points in (x, X))
    np.testing.assert_array_equal(one, other)
    ax = gu.plots.lines(x[:3, 0], {"y": x[:3, 1]}, xlabel="x", ylabel="y")
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), X[:3].double())
    plt.close("all")
