"""The small frozen MNIST classifier: which digit is it, how sure are we, and is it a digit at all?

A classifier of ten digits must answer with a digit, so it calls a grey blur an eight, and is certain of it. This one
has an eleventh answer, "no digit", learnt from images that we made to be none (``scripts/train_classifier.py``). What
it reaches, measured on images it never saw, is recorded beside its weights in ``weights/mnist_classifier.json``.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gan_utils import checks, runtime

__all__ = ["MNISTClassifier", "Prediction", "classifier"]

NO_DIGIT = 10  # the index of the eleventh output
CHUNK = 64  # images at a time: they stay in the cache, which is twice as fast on a CPU as 1,024


class Prediction(NamedTuple):
    """What the classifier says of n images."""

    digit: Tensor  #: int64 [n], the likeliest of the ten digits, whether or not it is one
    confidence: Tensor  #: float32 [n], the probability of that digit among the eleven answers
    is_digit: Tensor  #: bool [n], False where "no digit" is likelier than not


class MNISTClassifier(nn.Module):
    """Three 3x3 convolution blocks (32, 64, 64 channels), a layer of 64 features, eleven outputs; 94,000 parameters.

    ``forward`` takes images and returns logits [n, 11]; the other methods take any number of images float32
    [n, 1, 28, 28] in [-1, 1], work through them in bounded memory, in evaluation mode and without gradients, and answer
    on the classifier's own device. They raise TypeError or ValueError for other shapes, types or ranges, NaN and Inf.
    """

    def __init__(self) -> None:
        super().__init__()
        blocks = []
        for channels_in, channels_out in ((1, 32), (32, 64), (64, 64)):
            convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
            blocks += [convolution, nn.BatchNorm2d(channels_out), nn.ReLU(), nn.MaxPool2d(2)]
        self.trunk = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(64 * 3 * 3, 64), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(64, NO_DIGIT + 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [n, 11]: the ten digits, then "no digit"."""
        return self.head(self.trunk(x))

    def predict(self, x: checks.Samples) -> Prediction:
        """Return digit, confidence and is_digit for each image."""
        probability = self._over_chunks(self, x).softmax(1)
        confidence, digit = probability[:, :NO_DIGIT].max(1)
        return Prediction(digit, confidence, probability[:, NO_DIGIT] <= 0.5)

    def features(self, x: checks.Samples) -> Tensor:
        """Return the features [n, 64] (not negative) of the last layer but one, to compare sets of images by."""
        return self._over_chunks(self.trunk, x)

    def class_histogram(self, x: checks.Samples) -> Tensor:
        """Return how many images are each of the ten digits, and how many none: int64 [11], whose sum is n."""
        digit, _, is_digit = self.predict(x)
        return torch.bincount(torch.where(is_digit, digit, NO_DIGIT), minlength=NO_DIGIT + 1)

    @torch.no_grad()
    def _over_chunks(self, layers: nn.Module, x: checks.Samples) -> Tensor:
        self.eval()  # dropout and batch statistics would make an answer depend on chance and on its neighbours
        weight = self.head[1].weight
        return torch.cat([layers(part.to(weight.device, weight.dtype)) for part in _images(x).split(CHUNK)]).float()


@functools.lru_cache(maxsize=4)
def classifier(device: str | torch.device = "cpu") -> MNISTClassifier:
    """Return the shipped classifier on ``device``, loaded once and then shared: do not train it."""
    from safetensors.torch import load  # floats only, no code: nothing in the file can run

    net = MNISTClassifier()
    stored = load((resources.files("gan_utils") / "weights" / "mnist_classifier.safetensors").read_bytes())
    net.load_state_dict(stored)  # stored as float16, computed with in float32
    net.to(runtime.device(device)).to(memory_format=torch.channels_last)  # convolutions on a CPU: 1.8 times as fast
    return net.requires_grad_(False).eval()


def _images(x: object) -> Tensor:
    x = checks.shaped("x", checks.tensor(x), None, 1, 28, 28)
    if not x.is_floating_point():
        raise TypeError(f"x must be floats in [-1, 1]; got {x.dtype}. From bytes: x.float() / 127.5 - 1.")
    low, high = (float(bound) for bound in checks.finite("x", x.detach()).aminmax())
    ink = low == 0 and high > 0.5 and (x == 0).double().mean() > 0.5  # a black ground, in [0, 1]
    if low < -1.001 or high > 1.001 or ink:
        raise ValueError(f"x must lie in [-1, 1], black to white (2 x - 1 of [0, 1]); got {low:.4g} to {high:.4g}.")
    return x.detach()
