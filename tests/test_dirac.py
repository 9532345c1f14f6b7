"""The Dirac-GAN against closed forms, and against a plain loop written in the convention of Mescheder et al. (2018)."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import jacrev

import gan_utils as gu

H, STEPS = 0.2, 500
ZERO = torch.zeros(1, 1, 1, dtype=torch.float64)
BATCH = gu.Batch(x=ZERO, z=torch.zeros(2, 1, 1, dtype=torch.float64), noise=ZERO, key=torch.tensor(0))


def dirac(loss="saturating", play="simultaneous", penalties=(), opt=None, clip=None):
    opt = opt or gu.optim.sgd(H)
    opt_d = gu.optim.clipped(opt, clip) if clip else opt
    G, D = gu.models.DiracGenerator(), gu.models.DiracDiscriminator()
    return gu.GAN(G, D, loss=loss, play=play, penalties=penalties, opt_g=opt, opt_d=opt_d)


def place(gan, w):
    state = gan.init(0)
    return state._replace(G=state.G._replace(params={"theta": w[0]}), D=state.D._replace(params={"psi": w[1]}))


def update(gan, w):
    state, _ = gu.step(gan, place(gan, w), BATCH)
    return torch.stack([state.G.params["theta"], state.D.params["psi"]])


def path(gan, start=(1.0, -1.0), steps=STEPS):
    state = place(gan, torch.tensor(start, dtype=torch.float64))
    points = []
    move = gu.listed(lambda state: gu.step(gan, state, BATCH)[0], state)  # the step without its Python
    for _ in range(steps):
        points.append([state.G.params["theta"].item(), state.D.params["psi"].item()])
        state = move(state)
    points.append([state.G.params["theta"].item(), state.D.params["psi"].item()])
    return torch.tensor(points, dtype=torch.float64)


def g_first(gan, state, batch):
    simultaneous = gu.gan.PLAYS["simultaneous"]
    moved, _ = simultaneous(gan, state, batch)
    state = state._replace(G=moved.G)
    moved, logs = simultaneous(gan, state, batch)
    return state._replace(D=moved.D), logs


def sigmoid(t):
    return 1 / (1 + math.exp(-t))


# The independent loop. Mescheder et al.: D is high on fakes, L = f(psi theta) + f(0) with f(t) = -log(1 + exp(-t));
# G descends on L, D ascends. Each entry gives (dL_G / dtheta, dL_D / dpsi).
PLAIN = {
    "saturating": lambda t, p: (p * sigmoid(-t * p), t * sigmoid(-t * p)),
    "nonsaturating": lambda t, p: (p * sigmoid(t * p), t * sigmoid(-t * p)),
    "wasserstein": lambda t, p: (p, t),
    "gp": lambda t, p: (p, t - 0.7 * (abs(p) - 1) * math.copysign(1, p)),
    "r1": lambda t, p: (p * sigmoid(-t * p), t * sigmoid(-t * p) - 0.3 * p),
}


def plain(game, order, clip=math.inf):
    t, p = 1.0, 1.0
    for _ in range(STEPS):
        dt, dp = PLAIN[game](t, p)
        if order == "G first":
            t -= H * dt
            dp = PLAIN[game](t, p)[1]
        elif order == "D first":
            p = max(-clip, min(clip, p + H * dp))
            t -= H * PLAIN[game](t, p)[0]
            continue
        else:
            t -= H * dt
        p = max(-clip, min(clip, p + H * dp))
    return math.hypot(t, p)


ROWS = {  # recipe, the plain game, (simultaneous, G first) as published figures of the book's table
    "GAN": (dict(), "saturating", (3.10, 1.42)),
    "non-saturating": (dict(loss="nonsaturating"), "nonsaturating", (0.640, 0.284)),
    "clipped": (dict(loss="wasserstein", clip=1.0), "wasserstein", (1.00, 1.02)),
    "WGAN-GP": (dict(loss="wasserstein", penalties=gu.penalties.wgan_gp(0.35)), "gp", (1.80, 1.22)),
    "R1": (dict(penalties=gu.penalties.r1(0.3)), "r1", (2.64e-6, 2.3e-7)),
    "bilinear": (dict(loss="wasserstein"), "wasserstein", (2.56e4, 1.40)),
}


@pytest.mark.parametrize("order", ["simultaneous", "G first", "D first"])
@pytest.mark.parametrize("name", ROWS)
def test_final_norm_is_that_of_a_plain_loop_and_of_the_table(name, order):
    recipe, game, table = ROWS[name]
    play = {"simultaneous": "simultaneous", "G first": g_first, "D first": "alternating"}[order]
    norm = path(dirac(play=play, **recipe))[-1].norm().item()
    assert math.isclose(norm, plain(game, order, recipe.get("clip", math.inf)), rel_tol=1e-4)
    if order != "D first":
        assert math.isclose(norm, table[order == "G first"], rel_tol=0.01)


def test_optimism_extragradient_and_consensus_arrive_as_the_table_says():
    optimistic = dirac("wasserstein", opt=gu.optim.optimistic(gu.optim.sgd(H)))
    assert math.isclose(path(optimistic)[-1].norm(), 3.5e-5, rel_tol=0.02)
    assert math.isclose(path(dirac("wasserstein", "extragradient"))[-1].norm(), 7.9e-5, rel_tol=0.01)
    assert 1e-10 < path(dirac(play=gu.consensus(1.0)))[-1].norm() < 4e-10


def test_bilinear_growth_and_the_ellipses_of_both_orders():
    norm = path(dirac("wasserstein"))[-1].norm()
    assert math.isclose(norm, math.sqrt(2) * (1 + H**2) ** 250, rel_tol=1e-5)
    for play, sign in (("alternating", -1), (g_first, 1)):
        w = path(dirac("wasserstein", play))
        kept = w.square().sum(1) + sign * H * w.prod(1)
        assert torch.allclose(kept, torch.full_like(kept, 2 - sign * H), atol=1e-5)
        assert w.norm(dim=1).max() < math.sqrt((2 + H) / (1 - H / 2))


i = 0.1j  # h times the eigenvalue i f'(0), with f'(0) = 1/2
R1 = H * (-0.15 + 1j * math.sqrt(0.25 - 0.15**2))
OPERATORS = {
    "simultaneous": (dirac(), 1 + i),
    "alternating": (dirac(play="alternating"), 1 - 0.005 + 1j * math.sqrt(1 - 0.995**2)),
    "G first": (dirac(play=g_first), 1 - 0.005 + 1j * math.sqrt(1 - 0.995**2)),
    "non-saturating": (dirac("nonsaturating"), 1 + i),
    "Wasserstein": (dirac("wasserstein"), 1 + 2 * i),
    "R1": (dirac(penalties=gu.penalties.r1(0.3)), 1 + R1),
    "consensus": (dirac(play=gu.consensus(1.0)), 1 + i - H / 4),
    "extragradient": (dirac(play="extragradient"), 1 + i + i * i),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_eigenvalues_of_one_step_at_the_equilibrium(name):
    gan, wanted = OPERATORS[name]
    operator = jacrev(lambda w: update(gan, w))(torch.zeros(2, dtype=torch.float64))
    found = torch.linalg.eigvals(operator)
    upper = found[found.imag.argmax()]
    assert abs(upper.item() - wanted) < 1e-6
    assert abs(found[found.imag.argmin()].item() - wanted.conjugate()) < 1e-6


def test_the_nonsaturating_orbit_has_radius_root_2h():
    late = path(dirac("nonsaturating"), steps=1_500)[-200:].norm(dim=1)
    assert 0.95 * math.sqrt(2 * H) < late.min() and late.max() < 1.1 * math.sqrt(2 * H)
