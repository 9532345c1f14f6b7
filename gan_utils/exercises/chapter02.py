"""Checks of chapter 2, "Training by alternating gradients"."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_utils.exercises.framework import Mistake, close, exercise, expect, listed, run_answer, several

_LOGITS = torch.tensor([-30.0, -3.0, -0.5, 0.0, 0.7, 4.0, 30.0])


@exercise("2.1", praise="These are the losses of a perfect generator, and of a discriminator that has learnt nothing.")
def _balance(answer: Any) -> None:
    answer = several(answer)
    expect(
        isinstance(answer, (tuple, list)) and len(answer) == 3,
        "Give three numbers: (of D, saturating, non-saturating).",
    )
    expect(all(isinstance(v, (Real, Tensor)) for v in answer), "All three must be numbers.")
    log2 = math.log(2)
    exact = (-2 * log2, -log2, log2, 2 * log2)
    d, saturating, nonsaturating = (next((e for e in exact if abs(float(v) - e) < 0.007), float(v)) for v in answer)
    expect(not close(d, log2), "D's loss has two terms, one for the real and one for the fake batch; you counted one.")
    expect(not close(d, -2 * log2), "-2 log 2 = -log 4 is the value V. D minimises -V: mind the sign.")
    expect(not close(d, 2.0), "Natural logarithms, please: log 2 is about 0.69, not 1.")
    expect(close(d, 2 * log2), "D's loss is not right: put D(x) = D(G(z)) = 1/2 into -log D(x) - log(1 - D(G(z))).")
    swapped = close(saturating, log2) and close(nonsaturating, -log2)
    expect(not swapped, "The generator's two losses have changed places: the saturating one, log(1 - D), is negative.")
    expect(close(saturating, -log2), "The saturating loss is not right: put D(G(z)) = 1/2 into log(1 - D(G(z))).")
    expect(close(nonsaturating, log2), "The non-saturating loss is not right: put D(G(z)) = 1/2 into -log D(G(z)).")


@exercise("2.2", praise="Right at every logit, and so is its gradient.")
def _nonsaturating(answer: Any) -> None:
    a = _LOGITS.clone().requires_grad_()
    given, wanted = run_answer(answer, a), softplus(-_LOGITS)
    expect(isinstance(given, Tensor), "Return a tensor.")
    expect(given.shape == a.shape, f"Return one loss a sample, shape {list(a.shape)}; yours has {list(given.shape)}.")
    expect(not close(given, softplus(_LOGITS)), "That is -log(1 - D(G(z))), D's loss on fakes: G wants the opposite.")
    expect(not close(given, -softplus(_LOGITS)), "That is the saturating loss, log(1 - D(G(z))).")
    expect(not close(given, torch.sigmoid(-_LOGITS)), "That is 1 - D(G(z)); the logarithm is missing.")
    middle = _LOGITS.abs() < 5
    expect(close(given[middle], wanted[middle]), "Wrong value for moderate logits: the loss is -log sigmoid(a).")
    expect(torch.isfinite(given).all(), "Your loss is infinite at some logit: sigmoid underflows before the logarithm.")
    expect(given.requires_grad, "The values are right, but no gradient can flow: compute with tensors all the way.")
    (slope,) = torch.autograd.grad(given.sum(), a)
    true = -torch.sigmoid(-_LOGITS)
    at = int((slope - true).abs().argmax())
    why = (
        "two pieces with a kink, such as relu and abs, meet there."
        if _LOGITS[at] == 0
        else "a constant inside the logarithm or a clamp takes the gradient away just where G needs it."
    )
    said = f"At logit {_LOGITS[at]:g} the slope of your loss is {slope[at]:.2g} where the truth is {true[at]:.2g}"
    expect(close(slope, true, atol=1e-5), f"{said}: {why} Write it with softplus.")
    expect(close(given, wanted), "The value is wrong at logits of 30 or -30.")
    a = torch.tensor([-1e4, 1e4], requires_grad=True)
    far = run_answer(answer, a)
    expect(close(far, torch.tensor([1e4, 0.0])), "At logits of +-10,000 your loss overflows; softplus(-a) does not.")
    (slope,) = torch.autograd.grad(far.sum(), a)
    expect(
        close(slope, torch.tensor([-1.0, 0.0])),
        f"Right values, but at logits of -+10,000 the slopes are {listed(slope)} and should be [-1, 0]: torch.where computes "
        "both branches, and the one that overflows spoils the gradient. Use softplus.",
    )


@exercise("2.3", praise="Plain logits: the saturating slope dies with sigmoid(a), the other one cannot.")
def _slopes(answer: Any) -> None:
    given = run_answer(answer, _LOGITS)
    given = several(given)
    expect(isinstance(given, (tuple, list)) and len(given) == 2, "Return two tensors: (saturating, nonsaturating).")
    saturating, nonsaturating = -torch.sigmoid(_LOGITS), -torch.sigmoid(-_LOGITS)
    first, second = given
    swapped = close(first, nonsaturating) and close(second, saturating)
    expect(
        not swapped,
        "The two have changed places: where D is sure of a fake (a = -30) it is the saturating slope that is 0.",
    )
    signs = close(first, -saturating) or close(second, -nonsaturating)
    expect(not signs, "A sign is wrong: both losses fall as the logit rises, so both slopes are negative.")
    by_p = close(first, -1 / torch.sigmoid(-_LOGITS), atol=1e-2) or close(
        second, -1 / torch.sigmoid(_LOGITS), atol=1e-2
    )
    expect(not by_p, "That is the slope in the probability D; by the chain rule times dD/da = D (1 - D).")
    expect(close(first, saturating), "The saturating slope is not right: differentiate -softplus(a).")
    expect(close(second, nonsaturating), "The non-saturating slope is not right: differentiate softplus(-a).")


def _pair() -> tuple[nn.Module, nn.Module]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))


def _walk(order: str, pair: tuple[nn.Module, nn.Module], batches: list[Tensor]) -> tuple[Tensor, Tensor, list[float]]:
    """Two steps of gradient descent, 0.5 long, in one of several ways: G's and D's parameters, and the last losses."""
    G, D = copy.deepcopy(pair)
    thetas, phis = list(G.parameters()), list(D.parameters())
    for x, z in zip(batches[::2], batches[1::2], strict=True):
        fake = G(z)
        d_loss = (softplus(-D(x)) + softplus(D(fake))).mean()
        spilt = torch.autograd.grad(d_loss, thetas, retain_graph=True)
        g_early = torch.autograd.grad(softplus(-D(fake)).mean(), thetas, retain_graph=True)
        _descend(phis, torch.autograd.grad(d_loss, phis))
        g_loss = softplus(-D(G(z))).mean()
        late_d = torch.autograd.grad(g_loss, phis, retain_graph=True)
        late_g = torch.autograd.grad(g_loss, thetas)
        if order == "spilt":
            late_g = tuple(a + b for a, b in zip(late_g, spilt, strict=True))
        _descend(thetas, g_early if order == "simultaneous" else late_g)
        if order == "both":
            _descend(phis, late_d)
    theta, phi = (nn.utils.parameters_to_vector(params).detach() for params in (thetas, phis))
    return theta, phi, [d_loss.item(), g_loss.item()]


def _descend(params: Sequence[Tensor], grads: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for param, slope in zip(params, grads, strict=True):
            param -= 0.5 * slope


# What PyTorch says of two common mistakes, and what it means here.
_TORCH_SAYS = (
    ("inplace operation", "That is: G's loss was computed before D moved. Compute it after opt_d.step()."),
    ("second time", "That is: D's backward went through G and freed its graph. Detach the fakes in D's turn."),
)


@exercise("2.4", praise="D moves on D's gradient alone, G on G's alone, and nothing is computed in vain.")
def _mended_step(answer: Any) -> None:
    pair = _pair()
    draws = torch.Generator().manual_seed(1)
    batches = [torch.randn(16, 2, generator=draws) for _ in range(4)]
    ways = {order: _walk(order, pair, batches) for order in ("right", "spilt", "simultaneous", "both")}
    G, D = copy.deepcopy(pair)
    opt_g, opt_d = torch.optim.SGD(G.parameters(), 0.5), torch.optim.SGD(D.parameters(), 0.5)
    before = nn.utils.parameters_to_vector(G.parameters()).detach().clone()
    passes: dict[str, int] = {"G": 0, "D": 0}

    def count(player: str, _: Tensor) -> None:
        passes[player] += 1

    players = {"G": G, "D": D}
    handles = [p.register_hook(partial(count, name)) for name, net in players.items() for p in net.parameters()]
    opt_d.register_step_post_hook(lambda *_: passes.update(D=0))  # what reaches D after its step comes from G's turn
    try:
        for x, z in zip(batches[::2], batches[1::2], strict=True):
            losses = run_answer(answer, G, D, opt_g, opt_d, x, z)
    except Mistake as mistake:
        raise Mistake(
            str(mistake) + next((f" {why}" for sign, why in _TORCH_SAYS if sign in str(mistake)), "")
        ) from None
    for handle in handles:
        handle.remove()
    theta, phi = (nn.utils.parameters_to_vector(net.parameters()).detach() for net in (G, D))

    def follows(order: str) -> bool:
        return close(theta, ways[order][0], atol=1e-5) and close(phi, ways[order][1], atol=1e-5)

    expect(not follows("both"), "D moves twice: G's loss must not move D. (opt_d.step() belongs to D's turn only.)")
    expect(
        not follows("spilt"),
        "G still moves on a sum of two gradients: D's loss has left its gradient in G's .grad. Detach the fakes in D's turn.",
    )
    expect(
        not follows("simultaneous"),
        "G answers the D that was, not the D that has moved: compute G's loss after opt_d.step().",
    )
    expect(
        not close(theta, before, atol=1e-7),
        "G does not move: its own turn needs G's graph, so do not detach there, and needs opt_g.step().",
    )
    still = nn.utils.parameters_to_vector(pair[1].parameters())
    expect(not close(phi, still, atol=1e-7), "D does not move: its own turn needs backward() and opt_d.step().")
    expect(
        follows("right"),
        "The networks do not move as they should: one step of D on D's gradient, then one of G on G's gradient alone. "
        "Are all old gradients cleared, and both losses those of the faulty step?",
    )
    expect(
        passes["G"] == 2 * len(list(G.parameters())),
        "The numbers are right, but D's turn still back-propagates through G, for nothing: detach the fakes there.",
    )
    expect(
        isinstance(losses, (tuple, list)) and [type(loss) for loss in losses] == [float, float],
        "Both networks move as they should. Return the two losses as numbers: d_loss.item(), g_loss.item().",
    )
    wanted = ways["right"][2]
    expect(not close(losses, wanted[::-1]), "Both networks move as they should. Return D's loss first, then G's.")
    expect(close(losses, wanted), "Both networks move as they should. Return the losses on which they have descended.")
    expect(
        passes["D"] == 0,
        "The numbers are right, but G's turn also takes the gradients of D's weights, for nothing: "
        "g_loss.backward(inputs=list(G.parameters())).",
    )
