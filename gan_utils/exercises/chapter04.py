"""Checks of chapter 4, "A GAN on MNIST"."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import close, exercise, expect, run_answer, several
from gan_utils.metrics.spread import spread


@exercise("4.1", praise="Most of them sit in the two layers next to the image.")
def _count(answer: Any) -> None:
    widths = (5, 7, 3)
    weights, biases, nodes = 5 * 7 + 7 * 3, 7 + 3, 5 + 7 + 3
    given = run_answer(answer, *widths)
    expect(not close(given, weights), "You counted the weights. Each layer also has a bias for each of its outputs.")
    expect(not close(given, weights + nodes), "The input has no bias: a layer's biases are as many as its outputs.")
    expect(not close(given, 5 * 7 * 3), "Layers follow each other: add up their weights, do not multiply all widths.")
    message = f"For widths 5, 7, 3 there are 35 + 7 + 21 + 3 = 66 parameters; yours gives {given}."
    expect(close(given, weights + biases), message)
    one = run_answer(answer, 784, 1)
    expect(
        close(one, 785), f"Right for three widths, but one layer from 784 to 1 has 785 parameters; yours gives {one}."
    )


_BYTES = torch.tensor([[[[0, 1, 64], [127, 128, 255]]]], dtype=torch.uint8)


@exercise("4.2", praise="Black is -1 and white is 1, where the tanh of the generator can reach them.")
def _scale(answer: Any) -> None:
    given, wanted = run_answer(answer, _BYTES.clone()), _BYTES.float() / 127.5 - 1
    expect(isinstance(given, Tensor), "Return a tensor.")
    expect(given.shape == _BYTES.shape, f"The shape should stay {list(_BYTES.shape)}; yours is {list(given.shape)}.")
    expect(
        not close(given, _BYTES.float() / 255),
        "Yours lies in [0, 1]. Black must be -1, or half of what tanh can say is never used.",
    )
    wrapped = (_BYTES * 2).float() / 255 - 1
    expect(
        not close(given, wrapped),
        "128 became black: bytes wrap around at 256, so 2 * x must not be computed in uint8. Call .float() first.",
    )
    expect(
        not close(given, _BYTES.float() / 128 - 1),
        "White (255) is a little below 1: divide by 127.5, half of the largest byte, not by 128.",
    )
    expect(not close(given, -wanted), "Black and white have changed places: 0 must become -1, and 255 must become 1.")
    expect(given.is_floating_point(), f"Return floats; yours is {given.dtype}, which has no room for fractions.")
    expect(
        close(given, wanted),
        "0 must become -1, 255 must become 1, and the bytes between lie on the line from one to the other.",
    )
    expect(
        close(run_answer(answer, _BYTES[..., 1:2]), wanted[..., 1:2]),
        "Right for images that hold both black and white, but not for others: the scale must not depend on the batch.",
    )


@exercise("4.3", praise="0 for one image again and again, about 1 for a generator as varied as the data.")
def _relative_spread(answer: Any) -> None:
    draws = torch.Generator().manual_seed(0)
    fake, real = 0.5 * torch.randn(6, 4, generator=draws), torch.randn(9, 4, generator=draws)
    given, wanted = run_answer(answer, fake.clone(), real.clone()), spread(fake) / spread(real)
    given = torch.as_tensor(given).detach()
    expect(given.ndim == 0, f"Return one number; yours has shape {list(given.shape)}.")
    with_self = torch.cdist(fake, fake).mean() / torch.cdist(real, real).mean()
    expect(
        not close(given, with_self),
        "Your mean counts each sample's distance to itself, which is 0. Divide by n (n - 1), not by n squared.",
    )
    expect(not close(given, 1 / wanted), "The ratio is turned over: divide the samples' spread by the data's.")
    expect(not close(given, spread(fake)), "That is the samples' spread. Divide by the data's, or it has no scale.")
    squared = [torch.cdist(x, x).square().sum() / (len(x) * (len(x) - 1)) for x in (fake, real)]
    expect(
        not close(given, squared[0] / squared[1]), "Yours takes squared distances; the formula has the distance itself."
    )
    cross = torch.cdist(fake, real).mean()
    expect(
        not close(given, cross / spread(real)),
        "Yours compares samples with data. Spread compares the samples with one another.",
    )
    expect(close(given, wanted), "Not the ratio of the two mean distances between different rows.")
    same = run_answer(answer, torch.ones(5, 4), real)
    expect(close(same, 0.0), f"For five equal samples it should be 0; yours is {float(same):.3g}.")


_FAKE = torch.tensor([3, 0, 7, 0, 0, 30, 0, 0, 20, 0, 40])  # the first digit's term is negative
_REAL = torch.tensor([10, 10, 10, 10, 10, 20, 10, 10, 5, 5, 20])  # the judge refuses a few real images too


@exercise("4.4", praise="The two numbers belong together: the first means little where the second is large.")
def _class_kl(answer: Any) -> None:
    given = run_answer(answer, _FAKE.clone(), _REAL.clone())
    given = several(given)
    message = "Return two numbers: (the divergence over the ten digits, the share of no digit)."
    expect(isinstance(given, (tuple, list)) and len(given) == 2, message)
    kl, none = given
    for part, name in ((kl, "divergence"), (none, "share")):
        expect(
            torch.as_tensor(part).ndim == 0,
            f"The {name} should be one number; yours has shape {list(torch.as_tensor(part).shape)}.",
        )
    expect(not close(kl, 0.4), "The first number is the share of no digit. Return the divergence first.")
    p, q = _FAKE[:10] / _FAKE[:10].sum(), _REAL[:10] / _REAL[:10].sum()
    wanted = torch.special.xlogy(p, p / q).sum()
    eleven_p, eleven_q = _FAKE / _FAKE.sum(), _REAL / _REAL.sum()
    expect(not close(none, 40.0), "The second number should be a share of all samples; yours is a count.")
    expect(close(none, 0.4), "The share of no digit is the eleventh count over the sum of all eleven: here 0.4.")
    expect(
        not math.isnan(float(kl)),
        "Yours is nan: digits that were never made give 0 log 0, which counts as 0 (torch.special.xlogy knows).",
    )
    expect(
        not math.isinf(float(kl)),
        "Yours is infinite. Either it is the other direction, from data to samples, or it counts no digit as a class.",
    )
    expect(not close(kl, wanted / math.log(2)), "Yours is in bits. The book's logarithms are natural: nats.")
    partial = torch.special.xlogy(eleven_p[:10], eleven_p[:10] / eleven_q[:10]).sum()
    expect(
        not close(kl, partial),
        "Your ten shares sum to 0.6: divide by the number of digits, not of all samples, or it is no divergence.",
    )
    expect(
        not close(kl, torch.special.xlogy(p, p / eleven_q[:10]).sum()),
        "The data's ten shares do not sum to one in yours: divide them, too, by the number of digits among them.",
    )
    made = p > 0
    expect(
        not close(kl, (q[made] * (q[made] / p[made]).log()).sum()),
        "Yours is weighted by the data's shares: that is the other direction.",
    )
    uniform = torch.special.xlogy(p, 10 * p).sum()
    expect(not close(kl, uniform), "Yours compares with equal shares of a tenth. Compare with the data's own shares.")
    expect(
        close(kl, wanted), "Not the sum of q log(q / p) over the ten digits, q the samples' and p the data's shares."
    )
