"""Checks of chapter 1, the minimax game."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gan_utils.exercises.framework import close, exercise, expect, run_answer


def _number(given: Any, what: str) -> Tensor:
    """Return the answer as a tensor without dimensions, or say that it is none."""
    try:
        value = torch.as_tensor(given).detach().double()
    except (TypeError, ValueError, RuntimeError):
        value = torch.empty(0)
    expect(
        value.ndim == 0,
        f"{what} should be one number; yours has shape {list(value.shape)}. Did you take the mean or the sum?",
    )
    return value


@exercise("1.1", praise="That is Bayes' rule, and the best that any discriminator can do.")
def optimal_discriminator(answer: Any) -> None:
    p_data = torch.tensor([0.1, 0.4, 0.2, 0.3])
    p_g = torch.tensor([0.3, 0.1, 0.2, 0.0])
    given = run_answer(answer, p_data.clone(), p_g.clone())
    expect(
        not close(given, p_g / (p_data + p_g)),
        "Yours is the probability that a point was generated. D(x) is the probability that it is real: 1 minus yours.",
    )
    expect(
        not close(given, p_data / p_g),
        "Yours is the ratio of the densities, the odds that x is real; it can exceed 1. D* is the probability.",
    )
    expect(
        not close(given, p_data.log() - p_g.log()),
        "Yours is the logit of D*, the log-ratio of the densities. The exercise asks for the probability.",
    )
    expect(
        close(given, p_data / (p_data + p_g)),
        "For p_data = 0.1 and p_g = 0.3 at some x, D* is 0.25. Maximise u log y + w log(1 - y) over y at each x alone.",
    )


@exercise("1.2", praise="Stable at any logit, and an unbiased estimate of V.")
def estimate_value(answer: Any) -> None:
    real, fake = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([-2.0, 1.5])
    given = _number(run_answer(answer, real.clone(), fake.clone()), "V")
    wanted = -softplus(-real).mean() - softplus(fake).mean()
    expect(not close(given, -wanted), "The sign is turned: yours is what D minimises, -V. V itself is never positive.")
    expect(
        not close(given, -softplus(-real).mean() - softplus(-fake).mean()),
        "On generated points yours takes log D(G(z)). V has log(1 - D(G(z))) there.",
    )
    expect(
        not close(given, -softplus(-real).sum() - softplus(fake).sum()),
        "Yours is a sum over the batches. An expectation is estimated by the mean.",
    )
    expect(
        close(given, wanted),
        "Add the mean of log D over the real batch and that of log(1 - D) over the fake one, with D = sigmoid(logit).",
    )
    sure = run_answer(answer, torch.tensor([-200.0]), torch.tensor([200.0]))
    expect(
        close(sure, -400.0),
        f"At logits of -200 (real) and 200 (fake), V is -400; yours gives {float(sure):g}. The sigmoid rounds to 0 or "
        "1 there, and the logarithm is lost: use softplus.",
    )


@exercise("1.3", praise="Zero for equal distributions, log 2 without overlap, and nothing breaks at zeros.")
def jensen_shannon(answer: Any) -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
    m = (p + q) / 2
    wanted = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
    given = _number(run_answer(answer, p.clone(), q.clone()), "The divergence")
    expect(not close(given, 2 * wanted), "Yours is twice the JSD, which is the mean of the two KLs, not their sum.")
    expect(not close(given, wanted / math.log(2)), "Yours is in bits. The book's logarithms are natural: nats.")
    expect(
        not close(given, ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2),
        "Yours compares p and q with each other. The JSD compares each with their average m = (p + q) / 2.",
    )
    expect(
        not close(given, ((m * (m / p).log()).sum() + (m * (m / q).log()).sum()) / 2),
        "Your KLs are turned: m stands in front, where p and q should. (torch's kl_div takes the logarithm of m first.)",
    )
    expect(close(given, wanted), "Not the JSD: it is KL(p || m) / 2 + KL(q || m) / 2, with m = (p + q) / 2.")
    for p, q, exact, case in (
        (torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), math.log(2), "without overlap"),
        (torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.5, 0.5, 0.0]), 0.0, "where both are zero at a place"),
    ):
        given = _number(run_answer(answer, p, q), "The divergence")
        expect(
            close(given, exact, atol=1e-5),
            f"Right for positive entries, but {case} (p = {p.tolist()}, q = {q.tolist()}) it should be {exact:.4f}; "
            f"yours is {float(given):g}. A term with p = 0 counts as 0.",
        )


@exercise("1.4", praise="Nobody crosses: sorted points go to sorted points.")
def wasserstein(answer: Any) -> None:
    x, y = torch.tensor([3.0, -1.0, 0.5, 2.0]), torch.tensor([1.5, 4.0, -2.0, 0.0])
    given = _number(run_answer(answer, x.clone(), y.clone()), "The distance")
    expect(
        not close(given, (x - y).abs().mean()),
        "You moved each x to the y at the same place in the list. A shorter way is to pair them in order of size.",
    )
    expect(
        not close(given.abs(), (x.mean() - y.mean()).abs()),
        "Yours is the distance between the two means, where ways to the left and to the right cancel. Take the absolute "
        "value of each way, before the mean.",
    )
    sorted_x, sorted_y = x.sort().values, y.sort().values
    expect(
        not close(given, (sorted_x - sorted_y).square().mean())
        and not close(given, (sorted_x - sorted_y).square().mean().sqrt()),
        "Yours takes squares: that is W2's cost. W1 counts the distance itself.",
    )
    expect(
        not close(given, (sorted_x - sorted_y).abs().sum()),
        "Yours is the total distance. Each point carries a mass of 1 / n: take the mean.",
    )
    expect(close(given, (sorted_x - sorted_y).abs().mean()), "Pair the sorted points and take the mean distance.")
    given = _number(run_answer(answer, torch.tensor([0.0, 1.0]), torch.tensor([3.0, 0.4])), "The distance")
    expect(
        close(given, 1.2),
        f"For x = (0, 1) and y = (3, 0.4) it is 1.2; yours gives {float(given):g}. Each y takes one x, not any that is near.",
    )
    given = _number(run_answer(answer, torch.tensor([3.0, 0.4]), torch.tensor([0.0, 1.0])), "The distance")
    expect(
        close(given, 1.2),
        f"For x = (3, 0.4) and y = (0, 1) it is 1.2; yours gives {float(given):g}. Each x goes to one y: none stays behind.",
    )


@exercise("1.5", praise="One point takes everything: this is collapse, as a best answer.")
def best_generator(answer: Any) -> None:
    D = torch.tensor([0.3, 0.6, 0.9, 0.2])
    given = run_answer(answer, D.clone())
    expect(
        isinstance(given, Tensor) and given.shape == D.shape,
        "Return a tensor of 4 probabilities for a D of 4 values: the mass that G puts on each point.",
    )
    given = given.detach().double()
    expect(
        bool((given >= 0).all()) and close(given.sum(), 1.0),
        f"G's probabilities must not be negative and must sum to 1; yours sum to {float(given.sum()):g}.",
    )
    expect(given[D.argmin()] < 0.99, "You put the mass where D is lowest, where G is caught. G wants D to say 'real'.")
    expect(
        given[D.argmax()] > 0.99,
        "This G spreads its mass. What lies where D is below its highest value raises the mean of log(1 - D): move it.",
    )
    near = run_answer(answer, torch.tensor([0.60, 0.61, 0.2]))
    expect(
        close(near, torch.tensor([0.0, 1.0, 0.0])),
        "Right for the first D, but for D = (0.60, 0.61, 0.2) all of the mass belongs on the second of three points, however "
        "narrow its lead.",
    )
    tied = run_answer(answer, torch.tensor([0.7, 0.2, 0.7]))
    expect(
        close(tied[1], 0.0) and close(tied.sum(), 1.0),
        "With two points tied at the top, the mass may lie on these two only, and must sum to 1.",
    )
