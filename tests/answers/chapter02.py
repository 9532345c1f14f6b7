"""Plausible wrong answers to the exercises of chapter 2, each with a fragment of the message it must get."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn.functional import softplus

LOG2 = math.log(2)


def step_with(
    *, detach=False, clear=True, simultaneous=False, move_d_twice=False, frozen=False, stays="", tensors=False
):
    """A training step with the mistakes asked for."""

    def step(G, D, opt_g, opt_d, x, z):
        opt_g.zero_grad()
        opt_d.zero_grad()
        fake = G(z)
        d_loss = (softplus(-D(x)) + softplus(D(fake.detach() if detach else fake))).mean()
        d_loss.backward(retain_graph=True)
        if simultaneous:
            early = torch.autograd.grad(softplus(-D(fake)).mean(), list(G.parameters()))
        if stays != "d":
            opt_d.step()
        if clear:
            opt_g.zero_grad()
            opt_d.zero_grad()
        made = G(z).detach() if frozen else G(z)
        g_loss = softplus(-D(made)).mean()
        g_loss.backward()
        if simultaneous:
            for param, slope in zip(G.parameters(), early, strict=True):
                param.grad = slope
        if stays != "g":
            opt_g.step()
        if move_d_twice:
            opt_d.step()
        return (d_loss, g_loss) if tensors else (d_loss.item(), g_loss.item())

    return step


def both_losses_first(G, D, opt_g, opt_d, x, z):
    opt_g.zero_grad()
    opt_d.zero_grad()
    d_loss = (softplus(-D(x)) + softplus(D(G(z).detach()))).mean()
    g_loss = softplus(-D(G(z))).mean()
    d_loss.backward()
    opt_d.step()
    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
    return d_loss.item(), g_loss.item()


def one_graph(G, D, opt_g, opt_d, x, z):
    fake = G(z)
    d_loss = (softplus(-D(x)) + softplus(D(fake))).mean()
    opt_d.zero_grad()
    d_loss.backward()
    opt_d.step()
    g_loss = softplus(-D(fake)).mean()
    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
    return d_loss.item(), g_loss.item()


def frozen_d(G, D, opt_g, opt_d, x, z):
    """Right: D's weights ask for no gradient while G has its turn."""
    fake = G(z)
    d_loss = (softplus(-D(x)) + softplus(D(fake.detach()))).mean()
    opt_d.zero_grad()
    d_loss.backward()
    opt_d.step()
    D.requires_grad_(False)
    g_loss = softplus(-D(fake)).mean()
    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
    D.requires_grad_(True)
    return d_loss.item(), g_loss.item()


def asked_for(G, D, opt_g, opt_d, x, z):
    """Right: only the gradients that are used are asked for."""
    d_loss = (softplus(-D(x)) + softplus(D(G(z).detach()))).mean()
    for param, slope in zip(D.parameters(), torch.autograd.grad(d_loss, list(D.parameters())), strict=True):
        param.grad = slope
    opt_d.step()
    g_loss = softplus(-D(G(z))).mean()
    for param, slope in zip(G.parameters(), torch.autograd.grad(g_loss, list(G.parameters())), strict=True):
        param.grad = slope
    opt_g.step()
    return d_loss.item(), g_loss.item()


def two_backward(G, D, opt_g, opt_d, x, z):
    """Right: D's turn goes back through its two halves one after the other, as PyTorch's DCGAN example does."""
    opt_d.zero_grad()
    halves = softplus(-D(x)).mean(), softplus(D(G(z).detach())).mean()
    for half in halves:
        half.backward()
    opt_d.step()
    opt_g.zero_grad()
    g_loss = softplus(-D(G(z))).mean()
    g_loss.backward(inputs=list(G.parameters()))
    opt_g.step()
    return sum(halves).item(), g_loss.item()


def swapped_losses(*given):
    return step_with(detach=True)(*given)[::-1]


def halved_loss(*given):
    d_loss, g_loss = step_with(detach=True)(*given)
    return d_loss / 2, g_loss


def slopes_in_place(a):
    p = a.sigmoid_()
    return -p, p - 1


WRONG = {
    "2.1": [
        ((LOG2, -LOG2, LOG2), "two terms"),
        ((-2 * LOG2, -LOG2, LOG2), "mind the sign"),
        ((2 * LOG2, LOG2, -LOG2), "changed places"),
        ((2.0, -1.0, 1.0), "Natural logarithms"),
        (2 * LOG2, "three numbers"),
    ],
    "2.2": [
        (
            lambda a: torch.where(a > 0, torch.log1p(torch.exp(-a)), torch.log1p(torch.exp(a)) - a),
            "computes both branches",
        ),
        (lambda a: (-a).relu() + torch.log1p(torch.exp(-a.abs())), "two pieces with a kink"),
        (lambda a: -torch.log(torch.sigmoid(a) + 1e-8), "a constant inside the logarithm"),
        (lambda a: -torch.log(torch.sigmoid(a).clamp(min=1e-6)), "a clamp takes the gradient away"),
        (lambda a: softplus(a), "D's loss on fakes"),
        (lambda a: -softplus(a), "the saturating loss"),
        (lambda a: softplus(-a).mean(), "one loss a sample"),
        (lambda a: 1 - torch.sigmoid(a), "logarithm is missing"),
        (lambda a: torch.log(1 + torch.exp(-a)), "overflows"),
        (lambda a: softplus(-a.detach()), "no gradient can flow"),
    ],
    "2.3": [
        (lambda a: (-torch.sigmoid(-a), -torch.sigmoid(a)), "changed places"),
        (lambda a: (torch.sigmoid(a), torch.sigmoid(-a)), "sign is wrong"),
        (lambda a: (-1 / (1 - torch.sigmoid(a)), -1 / torch.sigmoid(a)), "chain rule"),
        (lambda a: -torch.sigmoid(a), "two tensors"),
    ],
    "2.4": [
        (swapped_losses, "D's loss first"),
        (both_losses_first, "before D moved"),
        (one_graph, "freed its graph"),
        (halved_loss, "on which they have descended"),
        (step_with(clear=False), "sum of two gradients"),
        (step_with(detach=True, simultaneous=True), "the D that has moved"),
        (step_with(detach=True, move_d_twice=True), "D moves twice"),
        (step_with(detach=False, clear=True), "for nothing"),
        (step_with(detach=True, frozen=True), "G does not move"),
        (step_with(detach=True, stays="d"), "D does not move"),
        (step_with(detach=True, stays="g"), "G does not move"),
        (step_with(detach=True, tensors=True), "losses as numbers"),
        (step_with(detach=True), "gradients of D's weights"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "2.1": [
        torch.tensor([2 * LOG2, -LOG2, LOG2]),
        np.array([1.386, -0.693, 0.693], dtype=np.float32),
        (1.39, -0.69, 0.69),
    ],
    "2.2": [
        lambda a: -torch.nn.functional.logsigmoid(a),
    ],
    "2.3": [
        lambda a: torch.stack([-torch.sigmoid(a), -torch.sigmoid(-a)]),
        slopes_in_place,
        lambda a: np.stack([-torch.sigmoid(a).numpy(), -torch.sigmoid(-a).numpy()]),
        lambda a: [-torch.sigmoid(a), torch.sigmoid(a) - 1],
    ],
    "2.4": [
        frozen_d,
        asked_for,
        two_backward,
    ],
}
