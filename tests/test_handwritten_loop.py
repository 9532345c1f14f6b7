"""``fit`` against the loop that everyone writes by hand, in plain autograd with ``torch.optim`` (the book, chapter 2)."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import softplus

import gan_utils as gu

STEPS, BATCH = 60, 32  # past one block of noise
RING = gu.data.ring(std=0.02)
# Rounding alone separates the two. Gradient descent keeps it small; Adam divides by the gradient's size and lets it grow.
CASES = {
    "sgd": (gu.optim.sgd(0.1), lambda p: torch.optim.SGD(p, 0.1), 2e-5),
    "adam": (gu.optim.adam(1e-3), lambda p: torch.optim.Adam(p, 1e-3, betas=(0.5, 0.999)), 5e-3),
}
G_LOSSES = {"nonsaturating": lambda a: softplus(-a), "saturating": lambda a: -softplus(a)}


def recipe(case, loss, d_steps):
    G, D = gu.models.mlp(2, 32, 32, 2), gu.models.mlp(2, 32, 32, 1, slope=0.2)
    return gu.GAN(G, D, loss=loss, opt_g=CASES[case][0], opt_d=CASES[case][0], d_steps=d_steps)


def by_hand(gan, seed, make_optimizer, loss, k):
    """Train for STEPS steps on the data and noise of ``fit``; return the losses [STEPS, 2] and both networks."""
    torch.manual_seed(seed)
    G, D = gu.models.mlp(2, 32, 32, 2), gu.models.mlp(2, 32, 32, 1, slope=0.2)
    opt_g, opt_d = make_optimizer(G.parameters()), make_optimizer(D.parameters())
    blocks = [gu.draw_block(gan, RING, seed, block, BATCH) for block in range(2)]
    losses = []
    for x, z in zip(torch.cat([b.x for b in blocks])[:STEPS], torch.cat([b.z for b in blocks])[:STEPS], strict=True):
        for i in range(k):
            d_loss = (softplus(-D(x[i])) + softplus(D(G(z[i]).detach()))).mean()
            opt_d.zero_grad()
            d_loss.backward()
            opt_d.step()
        g_loss = G_LOSSES[loss](D(G(z[k]))).mean()
        opt_g.zero_grad()
        g_loss.backward()
        opt_g.step()
        losses.append(torch.stack([d_loss, g_loss]).detach())
    return torch.stack(losses), G, D


def gap(run, seed, losses):
    """The largest difference between a member's logged losses and those of the loop."""
    table = run.history.query("seed == @seed").sort_values("step")
    logged = torch.tensor(table[["d_loss", "g_loss"]].to_numpy())
    assert logged.shape == losses.shape
    return (logged - losses).abs().max().item()


@pytest.mark.parametrize("seeds", [[3], [0, 3, 7]], ids=["alone", "in an ensemble"])
@pytest.mark.parametrize("loss", G_LOSSES)
@pytest.mark.parametrize("case", CASES)
def test_fit_follows_the_loop_written_by_hand(case, loss, seeds):
    gan = recipe(case, loss, d_steps=1)
    losses, G, D = by_hand(gan, 3, CASES[case][1], loss, 1)
    run = gu.fit(gan, RING, steps=STEPS, seeds=seeds, batch=BATCH, device="cpu", log_every=1, progress=False)
    assert losses.diff(dim=0).abs().max() > 1e-2, "the losses must move for the comparison to mean anything"
    assert gap(run, 3, losses) < CASES[case][2]
    if case == "sgd":
        state = run.state
        for player, module in ((state.G, G), (state.D, D)):
            for name, value in module.named_parameters():
                torch.testing.assert_close(player.params[name][seeds.index(3)], value.detach(), rtol=1e-3, atol=2e-5)


def test_fit_follows_the_loop_with_three_moves_of_d_for_one_of_g():
    gan = recipe("sgd", "nonsaturating", d_steps=3)
    losses, _, _ = by_hand(gan, 5, CASES["sgd"][1], "nonsaturating", 3)
    run = gu.fit(gan, RING, steps=STEPS, seeds=[5], batch=BATCH, device="cpu", log_every=1, progress=False)
    assert gap(run, 5, losses) < CASES["sgd"][2]


def test_another_seed_is_another_path():
    losses, _, _ = by_hand(recipe("sgd", "nonsaturating", 1), 3, CASES["sgd"][1], "nonsaturating", 1)
    run = gu.fit(
        recipe("sgd", "nonsaturating", 1), RING, steps=STEPS, seeds=[4], batch=BATCH, log_every=1, progress=False
    )
    assert gap(run, 4, losses) > 1e-2
