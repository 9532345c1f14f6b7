"""Every recipe of the zoo: it builds, steps, runs in an ensemble as alone, resumes, and says what it is."""

from __future__ import annotations

import copy
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.func import vmap
from torch.utils._pytree import tree_leaves, tree_map

import gan_utils as gu
from gan_utils import critics, memory, terms, zoo

B = 8
RING = gu.data.ring()
IMAGES = gu.data.Images(
    torch.randint(256, (40, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
)
STACKED = gu.data.Points(torch.zeros(4, 3, 28, 28))
POINTS = [name for name in zoo.names() if name != "diffaugment"]
KEEPERS = ["spectral", "instance-noise", "replay", "historical-averaging", "veegan", "optimistic-adam"]


def in_double(tree):
    return tree_map(lambda t: t.double() if t.is_floating_point() else t, tree)


def stack(trees):
    return tree_map(lambda *t: torch.stack(t), *trees)


def first(gan: gu.GAN, source, seed: int) -> gu.Batch:
    return gu.Batch(*(part[0] for part in in_double(gu.draw_block(gan, source, seed, 0, B))))


def check_step(gan: gu.GAN, source) -> None:
    """A step is finite, changes no input, moves both players, and under vmap is what it is alone."""
    gan = gu.training.checked(gan, source, B)
    states, noise = [in_double(gan.init(seed)) for seed in (0, 1)], [first(gan, source, seed) for seed in (0, 1)]
    before = copy.deepcopy((states, noise))
    together = vmap(partial(gu.step, gan))(stack(states), stack(noise))
    alone = gu.step(gan, states[1], noise[1])
    for now, then in zip(tree_leaves((states, noise)), tree_leaves(before), strict=True):
        assert torch.equal(now, then)
    for many, one in zip(tree_leaves(together), tree_leaves(alone), strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(many[1], one, rtol=1e-6, atol=1e-9)
    for player in ("G", "D"):
        old, new = getattr(states[1], player).params, getattr(alone[0], player).params
        assert any(not torch.equal(old[name], new[name]) for name in old)
    assert not torch.equal(together[1].d_loss[0], together[1].d_loss[1])


@pytest.mark.parametrize("name", POINTS)
def test_every_recipe_on_the_ring(name):
    check_step(zoo.build(name, RING), RING)


@pytest.mark.parametrize("name", zoo.names())
def test_every_recipe_on_images(name):
    check_step(zoo.build(name, IMAGES), IMAGES)


@pytest.mark.parametrize("name", ["r3gan", "pacgan", "minibatch-discrimination", "spectral", "diffaugment", "veegan"])
def test_recipes_with_the_dcgan_pair(name):
    gan = zoo.build(name, STACKED, networks="dcgan")
    assert gan.G.convolutional and gan.latent == 64
    state = gu.training.checked(gan, STACKED, B).init(0)
    assert gan.G(state.G.params, state.G.buffers, torch.zeros(2, 64))[0].shape == (2, 3, 28, 28)
    if not gan.joint:
        weight = next(v for v in state.D.params.values() if v.ndim == 4)
        assert weight.shape[1] == (6 if name == "pacgan" else 3)
        if name != "spectral":
            assert float(weight.std()) == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize(
    "name", ["gdpp", "mixture", "minibatch-discrimination", "replay", "instance-noise", "unrolled"]
)
def test_a_seed_in_an_ensemble_equals_that_seed_alone(name):
    """As `fit` runs them, in single precision, past one block of noise; early, before rounding has grown."""
    gan = zoo.build(name, RING, **({"k": 2} if name == "unrolled" else {}))
    more = {"steps": 12, "batch": B, "log_every": 1, "compile": False, "progress": False}
    together, alone = (gu.fit(gan, RING, seeds=seeds, **more) for seeds in ([4, 0, 7], [0]))
    for many, one in zip(together.logs, alone.logs, strict=True):
        torch.testing.assert_close(many[1], one[0], rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("name", POINTS)
def test_trained_networks_taken_away_do_as_the_run_does(name):
    run = gu.fit(zoo.build(name, RING), RING, steps=2, seeds=[3, 5], batch=B, compile=False, progress=False)
    G, D = run.networks(seed=5)
    x, z = RING.sample(B, gu.generator(0)), torch.randn(B, run.gan.latent, generator=gu.generator(1))
    assert torch.equal(G(z), run.generate(z)[1])
    assert torch.equal(D(gu.gan.pairs(x, G(x, encode=True)) if run.gan.joint else x).flatten(), run.judge(x)[1])


@pytest.mark.parametrize("name", KEEPERS)
def test_resuming_is_bitwise_as_if_nothing_had_happened(name, tmp_path):
    gan = zoo.build(name, RING)
    more = {"seeds": 2, "batch": B, "log_every": 2, "compile": False, "progress": False}
    whole = gu.fit(gan, RING, steps=9, **more)
    gu.fit(gan, RING, steps=4, checkpoint=tmp_path / "run", **more)
    resumed = gu.fit(gan, RING, steps=9, checkpoint=tmp_path / "run", **more)
    assert resumed.step == 9
    for mine, theirs in zip(tree_leaves(resumed.state), tree_leaves(whole.state), strict=True):
        assert torch.equal(mine, theirs)
    with pytest.raises(gu.CheckpointError, match="of another recipe"):
        gu.fit(zoo.build("non-saturating", RING), RING, steps=9, checkpoint=tmp_path / "run", **more)


def everything() -> gu.GAN:
    """Nearly every new part in one expression: they compose."""
    mlp = gu.models.mlp
    G = gu.models.WithEncoder(gu.models.Generators(2, 2, 6, mlp(6, 2)), mlp(2, 4, 3))
    body = mlp(10, 6, 6, slope=0.2)
    look = (critics.MinibatchDiscrimination(6, 2, 2), critics.MinibatchStddev(2))
    D = critics.InstanceNoise(critics.Spectral(critics.Pac(nn.Sequential(*body, *look, nn.Linear(9, 1)), 2)), 0.1, 9)
    return gu.GAN(
        G,
        D,
        loss=gu.losses.smoothed(),
        penalties=gu.penalties.r1(1.0),
        terms=(terms.msgan(0.1), terms.gdpp(), terms.feature_matching(), terms.reconstruction()),
        opt_d=gu.optim.historical(gu.optim.adam()),
        play=gu.unrolled(1),
        replay=memory.replay(9),
        joint=True,
        together=False,
    )


def test_everything_at_once():
    check_step(everything(), RING)


def compiled_cases():
    mlp, sgd = gu.models.mlp, gu.optim.sgd(0.1)
    more = {"opt_g": sgd, "opt_d": sgd}
    D = critics.InstanceNoise(critics.Spectral(mlp(4, 6, 1)), 0.1, 9)
    pairs = {"joint": True, "terms": (terms.gdpp(), terms.reconstruction()), "replay": memory.replay(9)}
    yield "pairs", gu.GAN(gu.models.WithEncoder(mlp(2, 4, 2), mlp(2, 4, 2)), D, together=True, **pairs, **more), RING
    G, D = mlp(3, 4, 49, shape=(1, 7, 7)), critics.DiffAugment(mlp(49, 4, 1))
    more = {"opt_g": sgd, "opt_d": gu.optim.historical(sgd), "play": gu.unrolled(1)}
    yield "images", gu.GAN(G, D, together=True, **more), gu.data.Points(torch.ones(5, 1, 7, 7))


@pytest.mark.parametrize("gan, source", [pytest.param(gan, source, id=name) for name, gan, source in compiled_cases()])
def test_the_compiler_takes_the_whole_step(gan, source):
    """Traced in one piece and differentiated ahead of time; the kernels stay torch's own, for speed of this test."""
    state = in_double(stack([gan.init(seed) for seed in (0, 1)]))
    noise = stack([first(gan, source, seed) for seed in (0, 1)])
    eager = vmap(partial(gu.step, gan))
    compiled = torch.compile(eager, fullgraph=True, backend="aot_eager")
    for have, want in zip(tree_leaves(compiled(state, noise)), tree_leaves(eager(state, noise)), strict=True):
        torch.testing.assert_close(have, want, rtol=1e-6, atol=1e-9)


# --- what recipes say, and what they take


def test_recipes_are_told_apart():
    said = {str(zoo.build(name, IMAGES).describe()) for name in zoo.names()}
    assert len(said) == len(zoo.names()) == len(zoo.RECIPES) >= 32


def test_every_recipe_names_its_paper_formula_cost_and_trap():
    library = (Path(__file__).parents[1] / "book" / "references.bib").read_text("utf-8")
    keys = set(re.findall(r"^@\w+\{(\w+),", library, re.M))
    for name, recipe in zoo.RECIPES.items():
        assert recipe.name == name == name.lower() and zoo.recipe(name) is recipe
        assert recipe.paper in keys, f"{name}: {recipe.paper} is not in references.bib"
        assert (
            recipe.formula.count("{") == recipe.formula.count("}")
            and "\n" not in recipe.formula
            and "\f" not in recipe.formula
        )
        form = r"\d(\.\d)?( \+ (1\.5K|O\(B\^[23]\)))?"
        assert re.fullmatch(form, recipe.cost), f"{recipe.name}: a cost of the form {form}, please; got {recipe.cost!r}"
        assert len(recipe.trap.split()) >= 4 and recipe.trap.endswith(".") and recipe.title and "\n" not in recipe.title


def products(name: str) -> int:
    return gu.benchmark.products(zoo.build(name, IMAGES), IMAGES, B)


def test_costs_are_what_a_step_multiplies():
    plain = products("non-saturating")
    for name, recipe in zoo.RECIPES.items():
        said = sum(float(part.replace("1.5K", "7.5")) for part in recipe.cost.split(" + ") if "O(" not in part)
        assert products(name) / plain == pytest.approx(said, rel=0.08, abs=0.05), name


@pytest.mark.parametrize(
    ("name", "trick"),
    [
        ("spectral", "Spectral"),
        ("pacgan", "Pac"),
        ("minibatch-stddev", "MinibatchStddev"),
        ("instance-noise", "InstanceNoise"),
    ],
)
def test_another_d_must_keep_the_trick_that_makes_the_recipe(name, trick):
    D = gu.models.mlp(4 if trick == "Pac" else 2, 8, 1)
    with pytest.raises(
        ValueError, match=f"D must have the {trick} that makes '{name}': put gu.critics.{trick} into it"
    ):
        zoo.build(name, RING, D=D)
    own = {
        "Spectral": gu.critics.Spectral,
        "Pac": lambda D: gu.critics.Pac(D, 2),
        "InstanceNoise": gu.critics.InstanceNoise,
    }
    with_it = own.get(trick, lambda D: nn.Sequential(gu.critics.MinibatchStddev(), nn.Linear(3, 1)))(D)
    assert f"{trick}(" in zoo.build(name, RING, D=with_it).D.description


def test_settings_reach_the_recipe_and_the_rest_replaces_its_parts():
    assert zoo.recipe("pacgan").settings == {"m": 2}
    assert "m=3" in zoo.build("pacgan", RING, m=3).describe()["D"]
    assert zoo.build("unrolled", RING, k=2, through=False).describe()["play"] == "unrolled(2, through=False)"
    assert zoo.build("r1", RING, G=gu.models.mlp(5, 8, 2)).latent == 5
    assert zoo.build("r1", RING, G=gu.models.mlp(5, 8, 2), latent=5).latent == 5
    gan = zoo.build("wgan-gp", RING, d_steps=2, weight=3.0, ema=0.9, loss="hinge")
    assert (gan.d_steps, gan.penalties[0].weight, gan.ema, gan.loss.name) == (2, 3.0, 0.9, "hinge")
    assert "lr=0.02" in zoo.build("hinge", RING, lr=0.02).opt_g.name
    assert "lr=0.06" in zoo.build("ttur", RING, lr=0.02).opt_d.name
    assert "lr=0.001," in zoo.build("wgan", RING, lr=0.02).opt_g.name
    assert "lr=0.0005" in zoo.build("r1", IMAGES).opt_d.name and "lr=0.001" in zoo.build("r1", RING).opt_d.name


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: zoo.build("wgangp", RING), r"name='wgangp' is not known. Did you mean 'wgan-gp'\?"),
        (lambda: zoo.recipe(3), "name=3 is not known"),
        (lambda: zoo.build("r1", RING, gama=3), r"argument='gama' is not known. Did you mean 'gamma'\?"),
        (lambda: zoo.build("r1", RING, m=3), "argument='m' is not known"),
        (lambda: zoo.build("pacgan", RING, m=0), "m must be at least 1; got 0"),
        (lambda: zoo.build("diffaugment", RING), r"diffaugment is for images .*; the source has \[2\]"),
        (lambda: zoo.build("r1", RING, networks="dcgan"), r"networks='dcgan' takes images \[channels, 28, 28\]"),
        (lambda: zoo.build("r1", IMAGES, networks="resnet"), "networks='resnet' is not known"),
        (lambda: zoo.build("r1", RING, lr=0), "lr must be a finite number above 0"),
    ],
)
def test_bad_requests_are_named(call, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        call()


@pytest.mark.parametrize("name", [name for name in zoo.names() if name != "diffaugment"])
def test_series_will_do(name):
    series = gu.data.Points(torch.randn(40, 6, 3, generator=gu.generator(0)))
    run = gu.fit(zoo.build(name, series), series, steps=1, batch=B, device="cpu", compile=False, progress=False)
    assert run.sample(2).shape == (1, 2, 6, 3) and not run.diverged.any()


def test_a_recipe_needs_a_name_of_its_own_and_three_paragraphs():
    def twice(n):
        r"""A loss.

        $a$

        It falls into no trap.
        """

    def unexplained(n):
        """A loss."""

    before = dict(zoo.RECIPES)
    for name, make in (("dragan", twice), ("new", unexplained)):
        with pytest.raises(ValueError, match=f"recipe '{name}' must have a name of its own, a title, a formula and a"):
            zoo._recipe(name, "kodali2017", "1")(make)
    assert before == zoo.RECIPES


def test_latents_may_be_of_any_length():
    table = gu.data.Points(torch.randn(50, 10, generator=torch.Generator().manual_seed(0)))
    assert zoo.build("r3gan", table).latent == 2
    for name in ("r3gan", "veegan", "mixture"):
        gan = zoo.build(name, table, latent=10)
        assert gan.latent == (11 if name == "mixture" else 10)  # one number says which generator
        check_step(gan, table)
    with pytest.raises(ValueError, match="latent must be at least 1; got 0"):
        zoo.build("r3gan", table, latent=0)
