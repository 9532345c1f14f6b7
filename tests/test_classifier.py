"""The frozen classifier: known digits, known non-digits, and a record that belongs to the weights."""

from __future__ import annotations

import hashlib
import json
import os
from importlib import resources
from pathlib import Path

import pytest
import torch
from recording import read_idx

from gan_utils.classifier import CHUNK, MNISTClassifier, classifier
from gan_utils.data import mnist

WEIGHTS = resources.files("gan_utils") / "weights"
RECORD = json.loads((WEIGHTS / "mnist_classifier.json").read_text())
FIGURES = RECORD["figures in per cent"]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def net() -> MNISTClassifier:
    return classifier()


def test_weights_are_small_and_are_those_that_were_measured():
    content = (WEIGHTS / "mnist_classifier.safetensors").read_bytes()
    assert len(content) < 400_000
    assert hashlib.sha256(content).hexdigest() == RECORD["sha256"]


def test_recorded_figures_keep_their_bounds():
    digits = FIGURES["test digits"]
    assert digits["accuracy"] >= 98.5 and digits["rejected"] <= 2.0 and digits["accepted but wrong"] <= 1.0
    assert abs(sum(digits[key] for key in ("accepted and right", "accepted but wrong", "rejected")) - 100) < 0.05
    for step, shares in FIGURES["rejected, early outputs of the MLP GAN"].items():
        assert min(shares) >= 90, step


def test_shapes_and_types(net):
    x = mnist().sample(7, rng())
    digit, confidence, is_digit = net.predict(x)
    assert digit.shape == confidence.shape == is_digit.shape == (7,)
    assert (digit.dtype, confidence.dtype, is_digit.dtype) == (torch.int64, torch.float32, torch.bool)
    assert net(x).shape == (7, 11)
    features = net.features(x)
    assert features.shape == (7, 64) and features.dtype == torch.float32 and float(features.min()) >= 0
    assert not features.requires_grad and not any(p.requires_grad for p in net.parameters())


def test_prediction_follows_from_the_eleven_logits(net):
    x = torch.cat([mnist().sample(30, rng()), torch.rand(30, 1, 28, 28, generator=rng()) * 2 - 1])
    p, probability = net.predict(x), net(x).softmax(1)
    assert torch.equal(p.digit, probability[:, :10].argmax(1))
    assert torch.allclose(p.confidence, probability[:, :10].amax(1))
    assert torch.equal(p.is_digit, probability[:, 10] <= 0.5)
    assert torch.allclose(net.head(net.features(x)).softmax(1), probability, atol=1e-5)


def test_it_knows_the_digits_it_learnt(net):
    data = mnist()  # its training data, so this shows only that weights and code belong together
    digit, _, is_digit = net.predict(data.all())
    assert float((digit == data.labels).double().mean()) >= 0.99
    assert float(is_digit.double().mean()) >= 0.98


def not_digits() -> dict[str, torch.Tensor]:
    digits, n = mnist().all(), 200
    chosen = digits[torch.randint(5000, (n * 16,), generator=rng(1))]
    blur = torch.nn.AvgPool2d(9, 1, 4, count_include_pad=True)
    order = torch.randperm(784, generator=rng(2))
    return {
        "uniform noise": torch.rand(n, 1, 28, 28, generator=rng()) * 2 - 1,
        "blurred noise": (blur(blur(torch.randn(n, 1, 28, 28, generator=rng()))) * 8).clamp(-1, 1),
        "blurred digits": blur(blur(chosen[:n] + 1)) - 1,
        "means of 16 digits": chosen.view(n, 16, 28, 28).mean(1, keepdim=True),
        "shuffled pixels": chosen[:n].flatten(1)[:, order].view(n, 1, 28, 28),
        "black, grey and white": torch.linspace(-1, 1, n).view(n, 1, 1, 1).expand(n, 1, 28, 28),
        "white on black, inverted": -chosen[:n],
    }


@pytest.mark.parametrize("kind", not_digits())
def test_it_says_no_digit(net, kind):
    assert float(net.predict(not_digits()[kind]).is_digit.double().mean()) <= 0.05


def test_histogram_counts_every_image_once(net):
    data = mnist()
    x = torch.cat([data.images[:300], data.images[4900:]]).float() / 127.5 - 1
    grey = torch.zeros(50, 1, 28, 28)
    counts = net.class_histogram(torch.cat([x, grey]))
    assert counts.dtype == torch.int64 and counts.shape == (11,) and int(counts.sum()) == 450
    assert int(counts[0]) >= 290 and int(counts[9]) >= 90 and 50 <= int(counts[10]) <= 60


def test_an_answer_depends_on_its_image_alone(net):
    x = mnist().all()[:: 5000 // (CHUNK + 200)]
    assert len(x) > CHUNK
    whole = net.features(x)
    assert torch.allclose(whole[:3], net.features(x[:3]), atol=1e-4)
    assert torch.allclose(whole[-3:], net.features(x[-3:]), atol=1e-4)
    net.train()
    assert torch.equal(net.features(x[:3]), net.features(x[:3])) and not net.training


def test_loading_again_gives_the_same_object():
    assert classifier() is classifier() and not classifier().training


@pytest.mark.parametrize(
    ("x", "error", "says"),
    [
        (torch.zeros(5, 28, 28), ValueError, r"x must have shape \[n, 1, 28, 28\]; got \[5, 28, 28\]"),
        (torch.zeros(5, 784), ValueError, r"got \[5, 784\]"),
        (torch.zeros(0, 1, 28, 28), ValueError, r"got \[0, 1, 28, 28\]"),
        ([0.0], TypeError, "x must be a tensor"),
        (torch.zeros(5, 1, 28, 28, dtype=torch.uint8), TypeError, "x must be floats"),
        (torch.full((5, 1, 28, 28), 255.0), ValueError, r"x must lie in \[-1, 1\].*255"),
        (torch.full((5, 1, 28, 28), float("nan")), ValueError, "3920 NaN or Inf"),
    ],
)
@pytest.mark.parametrize("method", ["predict", "features", "class_histogram"])
def test_bad_input(net, method, x, error, says):
    with pytest.raises(error, match=says):
        getattr(net, method)(x)


def test_accuracy_on_the_test_images(net):
    folder = os.environ.get("GAN_UTILS_MNIST_TEST")
    if not folder:
        pytest.skip(
            "set GAN_UTILS_MNIST_TEST to a folder with t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz, "
            "such as the MNIST/raw that torchvision.datasets.MNIST(root, download=True) makes"
        )
    x = read_idx(Path(folder, "t10k-images-idx3-ubyte.gz"))[:, None].float() / 127.5 - 1
    y = read_idx(Path(folder, "t10k-labels-idx1-ubyte.gz"))
    digit, _, is_digit = net.predict(x)
    right = digit == y
    assert float(right.double().mean()) >= 0.985
    assert float((~is_digit).double().mean()) <= 0.02
    recorded = FIGURES["test digits"]
    assert abs(float(right.double().mean()) * 100 - recorded["accuracy"]) < 0.05
    assert abs(float((~is_digit).double().mean()) * 100 - recorded["rejected"]) < 0.05


def test_digits_from_zero_to_one_are_refused_and_grey_ones_are_not(net):
    x = mnist().sample(20, rng())
    with pytest.raises(
        ValueError, match=r"x must lie in \[-1, 1\], black to white \(2 x - 1 of \[0, 1\]\); got 0 to 1"
    ):
        net.predict((x + 1) / 2)
    assert not net.predict(torch.zeros(3, 1, 28, 28)).is_digit.any()  # what is left of a run that has diverged
