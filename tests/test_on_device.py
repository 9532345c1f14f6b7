"""On another device than the CPU: a GPU where there is one, or the pretend one of ``make test-device``. Else skipped."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from test_arrays import WAYS
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

import gan_utils as gu

if "GAN_BOOK_PRETEND_GPU" in os.environ:
    import pretend_gpu  # noqa: F401 - from here on, the device that there is

DEVICE = gu.device()
pytestmark = pytest.mark.skipif(DEVICE.type == "cpu", reason="needs a GPU; or say make test-device, which pretends one")
RING = gu.data.ring()
CLOSE = {"rtol": 1e-2, "atol": 1e-3}  # of three steps of Adam, which divides by the gradient's size


def both(gan: gu.GAN, source: gu.Source, **options) -> tuple[gu.Run, gu.Run]:
    """Return a short run on the CPU, and the same one there."""
    runs = [gu.fit(gan, source, seeds=2, device=at, progress=False, **options) for at in ("cpu", DEVICE)]
    assert [run.device for run in runs] == [torch.device("cpu"), DEVICE]
    assert {tensor.device.type for tensor in tree_leaves(runs[1].state)} == {DEVICE.type}
    return tuple(runs)


@pytest.mark.parametrize("name", gu.zoo.names())
def test_every_recipe_does_there_what_it_does_on_the_cpu(name):
    source = gu.data.mnist() if name == "diffaugment" else RING
    here, there = both(gu.zoo.build(name, source), source, steps=3, batch=8, frames=2)
    assert there.sample(5).device.type == there.judge(source.sample(8, gu.generator(0))).device.type == "cpu"
    torch.testing.assert_close(there.sample(50), here.sample(50), **CLOSE)
    np.testing.assert_allclose(there.history.to_numpy(float), here.history.to_numpy(float), **CLOSE)


@pytest.mark.parametrize("kind", ["dcgan", "stacked"])
def test_convolutions_of_all_seeds_at_once_do_what_one_after_the_other_does(kind):
    if kind == "dcgan":
        source, G, D = gu.data.mnist(), gu.models.DCGANGenerator(width=4), gu.models.DCGANDiscriminator(width=4)
    else:
        source, G, D = gu.data.stacked_mnist(), gu.models.StackedGenerator(), gu.models.StackedDiscriminator()
    here, there = both(gu.GAN(G, D), source, steps=2, batch=8)
    torch.testing.assert_close(there.sample(4), here.sample(4), **CLOSE)


@pytest.mark.parametrize("first, then", [("cpu", DEVICE), (DEVICE, "cpu")], ids=["to it", "from it"])
def test_a_run_goes_on_on_the_other_device(tmp_path, first, then):
    gan, options = gu.zoo.build("r3gan", RING), {"seeds": 2, "batch": 8, "progress": False}
    whole = gu.fit(gan, RING, steps=6, device="cpu", **options)
    gu.fit(gan, RING, steps=3, device=first, checkpoint=tmp_path / "run", **options)
    rest = gu.fit(gan, RING, steps=6, device=then, checkpoint=tmp_path / "run", **options)
    torch.testing.assert_close(rest.sample(50), whole.sample(50), **CLOSE)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "data.Mixture"])  # its own numbers stay on the CPU
def test_samples_that_lie_there_are_measured_as_on_the_cpu(way):
    call, samples = WAYS[way]
    there = tree_map_only(Tensor, lambda x: x.to(DEVICE), samples)
    with torch.random.fork_rng(devices=[]):
        a, b = (tree_leaves(tree_map_only(Tensor, Tensor.cpu, call(*given))) for given in (samples, there))
    for one, other in zip(a, b, strict=True):
        if isinstance(one, str):
            assert one == other
        else:
            np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=1e-4, atol=1e-5)


def test_modes_found_there_are_there():
    x = RING.sample(500, gu.generator(0)).to(DEVICE)
    centres = gu.metrics.find_modes(x)
    assert gu.metrics.nearest_centre(x, centres).device == centres.device == x.device


def test_a_loop_of_anyones_making_is_watched_there():
    G, D = nn.Linear(2, 2).to(DEVICE), nn.Linear(2, 1).to(DEVICE)
    monitor = gu.CollapseMonitor()
    for step in range(3):
        real, z = (RING.sample(64, gu.generator(step, who)).to(DEVICE) for who in (0, 1))
        D(G(z)).mean().backward()
        monitor.update(step, real=real, fake=G(z), d_real=D(real), d_fake=D(G(z)), D=D, G=G)
    assert np.isfinite(monitor.table[["spread", "grad_g"]]).all(axis=None) and not monitor.alarms
