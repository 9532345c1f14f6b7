"""Device, modes and random streams; and the argument checks that everything else uses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from gan_utils import checks, runtime


@pytest.mark.parametrize("name", ["fast", "full"])
def test_mode_and_budget_follow_the_environment(monkeypatch, name):
    monkeypatch.setenv("GAN_BOOK_MODE", name)
    assert runtime.mode() == name and runtime.budget(fast="fast", full="full") == name


@pytest.mark.parametrize("has_gpu", [True, False])
def test_mode_and_device_follow_the_hardware(monkeypatch, has_gpu):
    monkeypatch.delenv("GAN_BOOK_MODE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert runtime.mode() == ("full" if has_gpu else "fast")
    assert runtime.device().type == ("cuda" if has_gpu else "cpu")


def test_bad_modes_and_devices_are_named(monkeypatch):
    monkeypatch.setenv("GAN_BOOK_MODE", "fats")
    with pytest.raises(ValueError, match=r"GAN_BOOK_MODE='fats' is not known. Did you mean 'fast'\?"):
        runtime.mode()
    assert runtime.device("cpu") == runtime.device(torch.device("cpu")) == torch.device("cpu")
    for bad in ("gpu", "cuda:99", 3.5):
        with pytest.raises(ValueError, match=f"device={bad!r} cannot be used on this machine.*Use 'auto' or 'cpu'"):
            runtime.device(bad)


def test_streams_depend_on_the_key_alone():
    keys = [(), (0,), (1,), (5,), (5, 0), (0, 5), (5, 0, 0), (0, 0), (0, 1), (1, 0), (2**40,), (2**31,)]
    draws = [torch.rand(6, generator=runtime.generator(*key), dtype=torch.float64) for key in keys]
    for a, b in itertools.combinations(range(len(keys)), 2):
        assert not torch.isclose(draws[a][:, None], draws[b], rtol=0, atol=1e-9).any(), (keys[a], keys[b])
    assert torch.equal(draws[4], torch.rand(6, generator=runtime.generator(5, 0), dtype=torch.float64))
    assert runtime.generator(1).device.type == "cpu"


def test_neighbouring_streams_are_unrelated():
    """Correlations of 400 streams with their neighbours, each of 100 numbers: sd 1/10, of the mean 1/200."""
    x = torch.stack([torch.randn(100, generator=runtime.generator(s, 0), dtype=torch.float64) for s in range(400)])
    products = (x[:-1] * x[1:]).mean(1)
    assert abs(float(products.mean())) < 5 / 200 and abs(float(products.std()) * 10 - 1) < 0.25
    assert abs(float(x.mean())) < 5 / 200 and abs(float(x.std()) - 1) < 0.05


@pytest.mark.parametrize("key", [(-1,), (1, -2)])
def test_negative_keys_are_refused(key):
    with pytest.raises(ValueError, match="key must be at least 0"):
        runtime.generator(*key)


def test_integers():
    for good in (3, np.int64(3), np.uint8(3)):
        assert checks.integer("n", good) == 3 and type(checks.integer("n", good)) is int
    for bad in (3.0, "3", None, True, [3]):
        with pytest.raises(TypeError, match="n must be a whole number of at least 1; got"):
            checks.integer("n", bad)
    with pytest.raises(ValueError, match="n must be at least 4; got 3"):
        checks.integer("n", 3, least=4)


def test_numbers():
    assert checks.number("x", np.float32(0.5), least=0, most=1) == 0.5 and checks.number("x", 2, above=1) == 2.0
    for bad in (True, "1", None, float("nan"), float("inf"), [1.0, 2.0], -1, 3, 0):
        with pytest.raises(ValueError, match=r"^x must be a finite number at least -0.5, above 0, at most 2; got"):
            checks.number("x", bad, least=-0.5, above=0, most=2)


def test_choices_suggest():
    assert checks.choice("kind", "ring", ["ring", "grid"]) == "ring"
    with pytest.raises(ValueError, match=r"kind='rinq' is not known. Did you mean 'ring'\? Allowed: 'ring', 'grid'\."):
        checks.choice("kind", "rinq", ["ring", "grid"])
    with pytest.raises(ValueError, match=r"kind=\[\] is not known. Allowed"):
        checks.choice("kind", [], ["ring", "grid"])


def test_shapes_and_finiteness():
    x = torch.zeros(2, 3)
    assert checks.shaped("x", x, None, 3) is x and checks.finite("x", x) is x
    for shape in ((2,), (None, 2), (3, None), (None, None, None)):
        with pytest.raises(ValueError, match=r"x must have shape \[.*\]; got \[2, 3\]"):
            checks.shaped("x", x, *shape)
    with pytest.raises(ValueError, match="x must have shape"):
        checks.shaped("x", torch.zeros(0, 3), None, 3)
    x[1, 2] = -torch.inf
    x[1, 1] = torch.nan
    with pytest.raises(ValueError, match=r"x holds 2 NaN or Inf values, the first at index \(1, 1\)"):
        checks.finite("x", x)
