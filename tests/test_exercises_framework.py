"""The exercise framework: what is wrong is said, a stub is not an attempt, and no answer breaks the notebook."""

from __future__ import annotations

import pytest
import torch

import gan_utils as gu
from gan_utils.exercises import framework
from gan_utils.exercises.framework import Mistake, check, close, exercise, expect, run_answer


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(framework, "_EXERCISES", {})

    @exercise("9.2", praise="Well done.")
    def double(answer):
        result = run_answer(answer, 3.0)
        expect(not close(result, 9.0), "that is the square")
        expect(close(result, 6.0), "it should be 6")

    @exercise("9.10")
    def number(answer):
        expect(answer == 4, "it should be 4")


def test_right_and_wrong_answers():
    right, wrong = check("9.2", lambda x: 2 * x), check("9.2", lambda x: x * x)
    assert (right.status, right.message, wrong.status, wrong.message) == (
        "correct",
        "Well done.",
        "not yet",
        "that is the square",
    )
    assert "correct. Well done." in repr(right) and "Exercise 9.2: not yet. that is the square" in repr(wrong)
    assert check("9.2", lambda x: 5).message == "it should be 6" and check("9.10", 4).status == "correct"


def stub(x): ...  # your code here


def not_implemented(x):
    raise NotImplementedError


def stub_with_docstring(x):
    """Return its double."""
    ...  # your code here


def slips(x):
    y = x - 3
    return x / y


def forgets_to_return(x):
    2 * x


@pytest.mark.parametrize("answer", [..., None, stub, stub_with_docstring, not_implemented, lambda x: ...])
def test_stubs_are_not_attempts(answer):
    assert check("9.2", answer).status == "not attempted"


@pytest.mark.parametrize(
    "answer, fragment",
    [
        (3.0, "should be a function, not called; it is float."),
        (lambda: 1, "Your function raised TypeError"),
        (lambda x: 1 / 0, "Your function raised ZeroDivisionError"),
        (lambda x: 1 / 0, "(called with 3.0)"),
        (slips, "raised ZeroDivisionError in its line 3: "),
        (lambda x: torch.ones(2).bool().mean(), "Your function raised"),  # NotImplementedError, but torch's
        (forgets_to_return, "Your function returned None (called with 3.0)"),
        (lambda x: "six", "it should be 6"),
        (lambda x: [torch.ones(2)], "it should be 6"),
        (lambda x: torch.tensor([6.0]), "it should be 6"),
        (lambda x: float("nan"), "it should be 6"),
        (torch.nn.Linear(2, 2), "Your function raised"),
    ],
)
def test_no_answer_breaks_the_notebook(answer, fragment):
    feedback = check("9.2", answer)
    assert feedback.status == "not yet" and fragment in feedback.message


def test_an_error_in_a_check_itself_is_shown():
    message = check("9.10", torch.zeros(2)).message
    assert "could not be used: RuntimeError" in message and message.endswith("that the exercise asks for?")


def test_an_answer_may_work_in_place():
    x, slope = torch.ones(2), torch.ones(2, requires_grad=True)
    assert run_answer(lambda v: v.add_(1), x).tolist() == [2.0, 2.0] and x.tolist() == [1.0, 1.0]
    assert run_answer(lambda v: v, slope) is slope  # a gradient is asked of this one


def test_names_are_in_the_books_order_and_unique():
    assert framework.names() == ["9.2", "9.10"]
    with pytest.raises(ValueError, match=r"exercise 9\.2 is registered twice"):
        exercise("9.2")(lambda answer: None)
    with pytest.raises(ValueError, match=r"name='9\.1' is not known"):
        check("9.1", 0)


def test_expect_and_close():
    expect(torch.tensor(True), "")
    with pytest.raises(Mistake, match="so"):
        expect(torch.tensor(False), "so")
    assert close(1.0, 1.0005) and not close(1.0, 1.01) and close(torch.ones(2).requires_grad_(), [1.0, 1.0])
    assert not close(torch.ones(2), torch.ones(3)) and not close("a", 1.0) and not close(float("nan"), float("nan"))
    assert gu.exercises.check is check
