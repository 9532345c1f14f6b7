"""Checks of chapter 12, "Change the loss"."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_utils.exercises.framework import close, exercise, expect, one_number, run_answer


@exercise(
    "12.1", praise="A fake whose score has passed the target is pulled back: no other loss of the chapter does that."
)
def _least_squares(answer: Any) -> None:
    b = torch.tensor([-3.0, -0.5, 0.0, 0.25, 2.0])
    given, wanted = run_answer(answer, b.clone(), 0.5), 0.5 - b
    expect(
        isinstance(given, Tensor) and given.shape == b.shape,
        f"Return the pull on each of the {len(b)} fakes, a tensor [{len(b)}]; yours is {_form(given)}.",
    )
    expect(
        not close(given, -wanted),
        "That is the slope of the loss. The pull is its negative: the way in which descent moves the score.",
    )
    expect(
        not close(given, wanted / len(b)),
        "You differentiate a mean over the fakes, which makes it n times too small. Differentiate the sum.",
    )
    expect(
        not close(given, 2 * wanted),
        "Twice too large: this loss has a half in front of the square. (Some repositories leave it out.)",
    )
    expect(
        not close(given, wanted.abs()),
        "A fake whose score lies above the target is pulled down again: its pull is negative.",
    )
    expect(
        not close(given, 1 - b), "That is right for the target 1 alone. Use the target that is given, 0.5 in this call."
    )
    expect(
        not close(given, wanted.square() / 2),
        "That is the loss itself. The pull is minus its derivative by the score.",
    )
    expect(
        close(given, wanted), f"At b = {b.tolist()} and target 0.5 it is {wanted.tolist()}; yours is {_list(given)}."
    )
    expect(close(run_answer(answer, b.clone(), 2.0), 2 - b), "Right for the target 0.5. Use the target that is given.")


@exercise("12.2", praise="Every real sample pulls at each fake, the harder the more it outscores it.")
def _all_pairs(answer: Any) -> None:
    real, fake = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1.0, -2.0, 0.0, 3.0])
    hint = "Every real sample meets every fake: real[:, None] - fake has the shape [real, fake]."
    given = run_answer(answer, real.clone(), fake.clone(), hint=hint)
    pull = torch.sigmoid(real[:, None] - fake)  # [real, fake]
    expect(
        not (isinstance(given, Tensor) and given.shape in (pull.shape, pull.T.shape)),
        "You return the pull of every pair. Average over the real samples: one number for each fake.",
    )
    expect(
        not close(given, pull.mean(1)),
        "You average over the fakes: one number for each real sample. Average over the real ones.",
    )
    expect(
        isinstance(given, Tensor) and given.shape == fake.shape,
        f"Return the pull on each of the {len(fake)} fakes, a tensor [{len(fake)}]; yours is {_form(given)}.",
    )
    expect(not close(given, -pull.mean(0)), "That is the slope of the loss. The pull is its negative.")
    expect(
        not close(given, pull.mean(0) / len(fake)),
        "You differentiate a mean over the fakes, which makes it n times too small. Differentiate the sum.",
    )
    expect(
        not close(given, 1 - pull.mean(0)),
        "The sign inside is turned: a fake that scores below the real ones is pulled hard, one above them hardly.",
    )
    expect(
        not close(given, torch.sigmoid(real.mean() - fake)),
        "You compare with the mean score of the real samples. That is another loss, the average relativistic one.",
    )
    expect(
        not close(given, pull.sum(0)), "That is the sum over the real samples. Average, or a larger batch pulls harder."
    )
    expect(close(given, pull.mean(0)), f"It should be {_list(pull.mean(0))}; yours is {_list(given)}.")


@exercise("12.3", praise="The power of the limit is the number of layers: why the clip is so hard to choose.")
def _steepest(answer: Any) -> None:
    given, wanted = one_number(run_answer(answer, (1, 32, 32, 1), 0.1)), 32 * 32 * 0.1**3
    expect(
        not close(given, 32 * 32 * 0.1),
        "Every layer is clipped: one factor of the limit for each layer, not one in all.",
    )
    expect(
        not close(given, 0.1**3),
        "That is a network of width one. A hidden layer of 32 units offers 32 paths, and the slopes of all paths add up.",
    )
    expect(
        not close(given, 32 * 32 * 0.1**2), "Count the layers of weights: four widths have three layers between them."
    )
    expect(
        not close(given, 32 * 32 * 0.1**4), "Count the layers of weights: four widths have three layers between them."
    )
    expect(
        not close(given, 32 * 0.1**3),
        "Two hidden layers: a path chooses a unit in each of them, and there are 32 times 32 paths.",
    )
    expect(close(given, wanted), f"For widths (1, 32, 32, 1) and limit 0.1 it is {wanted:.3f}; yours is {given}.")
    flat = run_answer(answer, (4, 10, 1), 0.5)
    expect(
        not close(flat, 10 * 0.25),
        "Right for one input. With d inputs each has this slope, and the length of the gradient is sqrt(d) times it.",
    )
    expect(
        not close(flat, 4 * 10 * 0.25),
        "The inputs are not summed over: the gradient has d equal entries, and its length is sqrt(d) times one of them.",
    )
    expect(close(flat, 2 * 10 * 0.25), f"For widths (4, 10, 1) and limit 0.5 it is {2 * 10 * 0.25}; yours is {flat}.")
    deep = run_answer(answer, (1, 2, 3, 4, 1), 0.5)
    expect(close(deep, 24 / 16), f"Right so far, but for widths (1, 2, 3, 4, 1) it should be 1.5; yours is {deep}.")


@exercise("12.4", praise="A margin makes D lazy, and a lazy D is flat.")
def _silent(answer: Any) -> None:
    real = torch.tensor([2.0, 1.5, 0.5, -0.5, 1.2])
    fake = torch.tensor([-2.0, -0.5, 3.0, 2.5, 0.8, 0.4, -0.9])
    hint = "There are more fakes than real samples: count the silent ones of each, and divide by the number of all."
    given, wanted = one_number(run_answer(answer, real.clone(), fake.clone(), hint=hint)), 4 / 12
    wrong = {
        7 / 12: "You cut at zero. The margins are at +1 for real samples and at -1 for fakes.",
        8 / 12: "You have it the wrong way round: from a real sample below 1, or a fake above -1, D still learns.",
        5 / 12: "You cut both at +1. A fake is past its margin when its score is low: at -1 or less.",
        4.0: "That is a count. Return the share of all samples, real and fake together.",
        3 / 5: "That is the share of the real samples. Count the fakes too, which are silent at -1 or less.",
        1 / 7: "That is the share of the fakes. Count the real samples too, which are silent at 1 or more.",
        3 / 5 + 1 / 7: "That is the sum of two shares. Take one share, of all samples together.",
        (3 / 5 + 1 / 7) / 2: "That is the mean of two shares, right only if there are as many fakes as real samples.",
    }
    for value, message in wrong.items():
        expect(not close(given, value), message)
    expect(close(given, wanted), f"Three of 5 real samples and one of 7 fakes are silent: 4 / 12; yours is {given}.")
    other = run_answer(answer, torch.tensor([1.1, 0.0]), torch.tensor([-1.5, -3.0, 2.0]))
    expect(
        close(other, 0.6), f"Right once, but of 2 real samples and 3 fakes with 3 silent it is 0.6; yours is {other}."
    )


def _form(value: object) -> str:
    return f"of shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _list(value: object) -> object:
    return [round(v, 3) for v in value.tolist()] if isinstance(value, Tensor) else value
