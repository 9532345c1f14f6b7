"""``fit``: reproducible seeds, history, divergence, checkpoints and bad input."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import random
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

import gan_utils as gu
from gan_utils import training
from gan_utils.progress import Progress
from gan_utils.training import BLOCK, fit

RING = gu.data.ring()


def recipe(dropout: bool = True, **more) -> gu.GAN:
    G = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    D = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), *[nn.Dropout(0.3)] * dropout, nn.Linear(8, 1))
    return gu.GAN(G, D, **more)


def train(gan: gu.GAN | None = None, source=RING, **more) -> gu.Run:
    settings_ = {"steps": 60, "batch": 8, "compile": False, "progress": False} | more
    return fit(gan or recipe(), source, **settings_)


def same(a, b) -> bool:
    pairs = list(zip(tree_leaves(a), tree_leaves(b), strict=True))
    return all(torch.equal(torch.nan_to_num(x, 7.0), torch.nan_to_num(y, 7.0)) for x, y in pairs)


def member(run: gu.Run, i: int):
    return tree_map(lambda t: t[i], run.state)


# --- seeds


@pytest.mark.parametrize("kind", ["dropout", "penalty", "convolution"])
def test_a_seed_in_an_ensemble_equals_that_seed_alone(kind):
    if kind == "convolution":
        gan = gu.GAN(gu.models.DCGANGenerator(4, 2), gu.models.DCGANDiscriminator(2))
        source = gu.data.Images(torch.randint(256, (20, 1, 28, 28), dtype=torch.uint8))
        more = {"steps": 3, "batch": 4}
    else:
        gan = recipe(ema=0.9, d_steps=2, penalties=(gu.penalties.wgan_gp(),) * (kind == "penalty"))
        source, more = RING, {"steps": BLOCK + 5}
    together = train(gan, source, seeds=[4, 0, 7], **more)
    for i, seed in enumerate(together.seeds):
        alone = train(gan, source, seeds=[seed], **more)
        for one, many in zip(tree_leaves(member(alone, 0)), tree_leaves(member(together, i)), strict=True):
            torch.testing.assert_close(one, many, rtol=2e-3, atol=2e-4)
        torch.testing.assert_close(alone.logs[0][0], together.logs[0][i], rtol=1e-5, atol=1e-6)
    params = together.state.G.params
    assert not any(torch.equal(v[0], v[1]) for v in params.values() if v[0].numel() > 1)


def test_the_same_seed_twice_is_bitwise_the_same_whatever_else_runs():
    gan = recipe()
    first = train(gan, seeds=2)
    torch.rand(1000)
    before = torch.random.get_rng_state()
    second = train(gan, seeds=2, log_every=7, frames=3, callbacks=[lambda step, run: {"n": float(run.sample(3).sum())}])
    assert same(first.state, second.state) and torch.equal(before, torch.random.get_rng_state())


def test_noise_is_a_function_of_seed_and_block_alone():
    gan = recipe(d_steps=2, penalties=(gu.penalties.dragan(),))
    a, b = (training.draw_block(gan, RING, 3, 1, 8) for _ in range(2))
    assert same(a, b)
    for other in (training.draw_block(gan, RING, 3, 2, 8), training.draw_block(gan, RING, 4, 1, 8)):
        assert not any(torch.equal(x, y) for x, y in zip(a, other, strict=True))
    assert [list(t.shape) for t in a] == [[BLOCK, 2, 8, 2], [BLOCK, 3, 8, 2], [BLOCK, 2, 8, 2], [BLOCK]]
    assert float(a.noise.min()) >= 0 and float(a.noise.max()) < 1 and len(a.key.unique()) == BLOCK
    assert list(training.draw_block(recipe(), RING, 0, 0, 8).noise.shape) == [BLOCK, 1, 0]
    gp = training.draw_block(recipe(penalties=gu.penalties.wgan_gp()), RING, 0, 0, 8)
    assert list(gp.noise.shape) == [BLOCK, 1, 8, 1]


def test_evaluation_latents_are_not_the_first_training_batch():
    z = torch.randn(8, 2, generator=gu.generator(3))
    block = training.draw_block(recipe(), gu.data.Points(torch.zeros(1, 2)), 3, 0, 8)
    assert not torch.isclose(block.z.reshape(-1, 1), z.reshape(1, -1), atol=1e-7).any()


# --- sweeps of a learning rate

WRAPPED = gu.optim.optimistic(gu.optim.clipped(gu.optim.adam(7.0), 0.5))


@pytest.mark.parametrize("build", [gu.optim.sgd, gu.optim.rmsprop, gu.optim.adam])
@pytest.mark.parametrize("wrap", [lambda inner: inner, gu.optim.optimistic, lambda inner: gu.optim.clipped(inner, 0.5)])
def test_a_member_of_a_sweep_equals_that_seed_alone_with_its_learning_rate(build, wrap):
    rates_g, rates_d = [1e-3, 2e-2, 5e-3], [4e-3, 1e-3, 1e-2]
    sweep = train(
        recipe(opt_g=wrap(build(7.0)), opt_d=wrap(build(7.0))), steps=8, seeds=[4, 0, 7], lr_g=rates_g, lr_d=rates_d
    )
    for i, (seed, g, d) in enumerate(zip([4, 0, 7], rates_g, rates_d, strict=True)):
        alone = train(recipe(opt_g=wrap(build(g)), opt_d=wrap(build(d))), steps=8, seeds=[seed])
        for one, many in zip(tree_leaves(member(alone, 0)), tree_leaves(member(sweep, i)), strict=True):
            torch.testing.assert_close(one, many, rtol=2e-3, atol=2e-4)


def test_learning_rates_may_be_a_tensor_or_an_array_and_one_player_may_keep_its_own():
    gan = recipe(opt_g=gu.optim.sgd(0.1), opt_d=gu.optim.sgd(0.2))
    listed = train(gan, steps=3, seeds=2, lr_d=[0.5, 0.25])
    assert listed.state.G.opt["lr"].tolist() == pytest.approx([0.1, 0.1])
    assert listed.state.D.opt["lr"].tolist() == [0.5, 0.25]
    for kind in (torch.tensor, np.array, tuple):
        assert same(train(gan, steps=3, seeds=2, lr_d=kind([0.5, 0.25])).state, listed.state)
    single = train(gan, steps=3, seeds=[1], lr_d=[0.25])
    torch.testing.assert_close(single.logs[-1][0], listed.logs[-1][1], rtol=1e-4, atol=1e-5)


def test_the_history_of_a_sweep_names_the_learning_rates():
    more = {"steps": 20, "log_every": 10, "callbacks": [lambda step, run: {"n": 1.0}], "callback_every": 4}
    table = train(seeds=[5, 2], lr_d=[0.5, 0.25], lr_g=[0.1, 0.2], **more).history
    assert list(table.columns)[:4] == ["seed", "lr_g", "lr_d", "step"]
    assert table["lr_d"].tolist() == [0.5 if seed == 5 else 0.25 for seed in table["seed"]]
    assert table["lr_g"].tolist() == [0.1 if seed == 5 else 0.2 for seed in table["seed"]]
    assert "lr_g" not in train(seeds=2, lr_d=[0.5, 0.25], steps=2).history


def test_a_sweep_resumes_bitwise_and_refuses_the_checkpoint_of_another(tmp_path):
    path, gan = tmp_path / "run.safetensors", recipe(opt_d=WRAPPED)
    whole = train(gan, steps=20, seeds=2, lr_d=[0.01, 0.02])
    train(gan, steps=8, seeds=2, lr_d=[0.01, 0.02], checkpoint=path)
    content = path.read_bytes()
    for other in (dict(lr_d=[0.01, 0.03]), dict(), dict(lr_d=[0.01, 0.02], lr_g=[0.1, 0.1])):
        with pytest.raises(gu.CheckpointError, match=r"is of another recipe \(lr_[gd]: "):
            train(gan, steps=20, seeds=2, checkpoint=path, **other)
    assert path.read_bytes() == content
    resumed = train(gan, steps=20, seeds=2, lr_d=[0.01, 0.02], checkpoint=path)
    assert same(resumed.state, whole.state) and resumed.history.equals(whole.history)
    train(recipe(opt_d=WRAPPED), steps=5, seeds=2, checkpoint=tmp_path / "plain")
    with pytest.raises(gu.CheckpointError, match=r"lr_d: None there, '\[0.01, 0.02\]' here"):
        train(gan, steps=20, seeds=2, lr_d=[0.01, 0.02], checkpoint=tmp_path / "plain")


# --- what a run tells


def test_history_is_tidy():
    def measure(step: int, run: gu.Run) -> dict:
        return {"modes": step, "each": torch.tensor([1.0, step])}

    run = train(seeds=[5, 2], steps=20, log_every=6, callbacks=[measure], callback_every=8)
    table = run.history
    assert list(table.columns) == ["seed", "step", "d_loss", "g_loss", "d_real", "d_fake", "diverged", "modes", "each"]
    assert sorted(set(table["step"])) == [1, 6, 8, 12, 16, 18, 20] and len(table) == 14
    assert not table.duplicated(["seed", "step"]).any() and table["diverged"].dtype == bool
    logged = table[table["d_loss"].notna()]
    assert sorted(set(logged["step"])) == [1, 6, 12, 18]
    measured = table[table["modes"].notna()]
    assert sorted(set(measured["step"])) == [8, 16, 20] and (measured["modes"] == measured["step"]).all()
    assert (measured[measured["seed"] == 5]["each"] == 1).all()
    assert (measured[measured["seed"] == 2]["each"] == measured[measured["seed"] == 2]["step"]).all()
    for i, seed in enumerate((5, 2)):
        mine = table[(table["seed"] == seed) & (table["step"] == 12)]
        assert mine[["d_loss", "g_loss", "d_real", "d_fake"]].to_numpy()[0] == pytest.approx(run.logs[2][i].numpy())


def test_first_logged_losses_are_those_of_the_first_batch():
    gan = recipe(dropout=False, opt_g=gu.optim.sgd(0.1), opt_d=gu.optim.sgd(0.1))
    run = train(gan, steps=1)
    block = training.draw_block(gan, RING, 0, 0, 8)
    _, logs = gu.step(gan, gan.init(0), gu.Batch(*(part[0] for part in block)))
    assert run.history.loc[0, ["d_loss", "g_loss", "d_real", "d_fake"]].astype(float).tolist() == pytest.approx(
        [float(v) for v in logs], rel=1e-6
    )


def test_frames_run_from_start_to_end_on_fixed_latents():
    run = train(seeds=2, steps=40, frames=5, frame_size=6)
    assert run.frames.steps == [0, 10, 20, 30, 40] and run.frames.samples.shape == (5, 2, 6, 2)
    assert torch.equal(run.frames.samples[-1], run.sample(6))
    assert train().frames.samples.shape == (0, 1, 0, 2)


def test_samples_and_logits():
    run = train(recipe(ema=0.5), seeds=3)
    assert run.sample(10).shape == (3, 10, 2) and torch.equal(run.sample(10), run.sample(10))
    assert not torch.equal(run.sample(10, seed=1), run.sample(10))
    assert not torch.equal(run.sample(10, ema=False), run.sample(10)) and torch.equal(
        run.sample(10, ema=True), run.sample(10)
    )
    torch.testing.assert_close(run.sample(5_000)[:, :10], run.sample(10_000)[:, :10])
    x = RING.sample(7, gu.generator(0))
    assert torch.equal(run.judge(x), run.judge(x.expand(3, 7, 2))) and run.judge(x).shape == (3, 7)
    with pytest.raises(ValueError, match="ema=True, but the recipe keeps no average"):
        train(steps=1).sample(3, ema=True)
    with pytest.raises(ValueError, match="n must be at least 1; got 0"):
        run.sample(0)
    with pytest.raises(ValueError, match=r"z must have shape \[n, 2\]; got \[4, 3\]"):
        run.generate(torch.zeros(4, 3))


def test_the_trained_networks_can_be_taken_away():
    run = train(recipe(ema=0.5), seeds=[4, 9])
    before, state = torch.get_rng_state(), tree_map(torch.clone, run.state)
    G, D = run.networks(seed=9)
    x, z = RING.sample(7, gu.generator(0)), torch.randn(7, 2, generator=gu.generator(1))
    assert torch.equal(G(z), run.generate(z)[1]) and torch.equal(D(x)[:, 0], run.judge(x)[1])
    assert torch.equal(run.networks()[0](z), run.generate(z)[0])
    assert torch.equal(run.networks(9, ema=False)[0](z), run.generate(z, ema=False)[1])
    assert [type(part) for part in D] == [nn.Linear, nn.LeakyReLU, nn.Dropout, nn.Linear] and not D.training
    assert all(weight.requires_grad for weight in (*G.parameters(), *D.parameters()))
    with torch.no_grad():
        _ = [weight.zero_() for weight in (*G.parameters(), *D.parameters())]
    assert same(run.state, state) and torch.equal(before, torch.get_rng_state())
    with pytest.raises(ValueError, match=r"seed must be one of \[4, 9\]; got 0"):
        run.networks(0)
    with pytest.raises(ValueError, match="ema=True, but the recipe keeps no average"):
        train(steps=1).networks(ema=True)


def test_networks_taken_away_carry_buffers_and_what_was_frozen():
    def build():
        G = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.utils.parametrizations.spectral_norm(nn.Linear(8, 2)))
        G[0].requires_grad_(False)
        return G

    run = train(gu.GAN(build, gu.models.mlp(2, 8, 1)), seeds=2)
    z = torch.randn(7, 2, generator=gu.generator(1))
    before = torch.get_rng_state()
    taken = [run.networks(seed)[0] for seed in (0, 1)]
    assert torch.equal(before, torch.get_rng_state())  # though the builder has drawn
    for G, made in zip(taken, run.generate(z), strict=True):
        assert torch.equal(G(z), made) and not G[0].weight.requires_grad and G[1].num_batches_tracked == 2 * 60
    assert not torch.equal(taken[0][0].weight, taken[1][0].weight)


def test_training_goes_on_from_networks_taken_away():
    G, D = train(seeds=2).networks(seed=1)
    more = train(gu.GAN(lambda: copy.deepcopy(G), lambda: copy.deepcopy(D), loss="hinge"), seeds=[5, 6], steps=1)
    z = torch.randn(7, 2, generator=gu.generator(1))
    first = gu.GAN(lambda: copy.deepcopy(G), lambda: copy.deepcopy(D)).init(seed=3)
    assert all(torch.equal(weight, dict(G.named_parameters())[name]) for name, weight in first.G.params.items())
    assert more.step == 1 and (more.generate(z) - G(z)).abs().max() < 0.1


def test_summary_says_what_was_done():
    text = train(seeds=2, steps=20).summary()
    for part in (
        "2 GANs x 20 steps on ring(8 modes",
        "loss nonsaturating",
        "alternating",
        "(not compiled)",
        "diverged: 0 of 2",
    ):
        assert part in text


@pytest.mark.parametrize("name", ["d_loss", "step", "seed", "lr_d", "diverged"])
def test_a_callback_may_not_overwrite_a_column(name):
    with pytest.raises(ValueError, match=f"{name!r}, which is a column of the history already"):
        train(steps=2, callbacks=[lambda step, run: {name: 1.0}])


# --- divergence


def poison(step: int, run: gu.Run) -> dict:
    if step == 20:
        run.state.D.params["0.weight"][1] = torch.nan
    return {"seen": float(step)}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverging_member_leaves_the_others_untouched(value):
    def spoil(step: int, run: gu.Run) -> dict:
        if step == 20:
            run.state.D.params["0.weight"][1] = value
        return {}

    healthy = train(seeds=3, log_every=5)
    run = train(seeds=3, log_every=5, callbacks=[spoil], callback_every=20)
    assert run.diverged.tolist() == [False, True, False] and healthy.diverged.tolist() == [False] * 3
    for i in (0, 2):
        assert same(member(run, i), member(healthy, i))
    assert "diverged: 1 of 3" in run.summary()
    table = run.history
    marked = table[table["diverged"]]
    assert set(marked["seed"]) == {1} and min(marked["step"]) == 25 and max(table["step"]) == 60
    assert len(marked) == (table["step"].isin(marked["step"]) & (table["seed"] == 1)).sum() == 8
    assert torch.equal(run.sample(4)[0], healthy.sample(4)[0]) and not run.sample(4)[1].isfinite().all()


@pytest.mark.parametrize(("callback", "words"), [(poison, "; 1 diverged"), (lambda step, run: None, "")])
def test_the_bar_says_at_last_how_many_diverged(monkeypatch, callback, words):
    said = []
    monkeypatch.setattr(Progress, "close", lambda bar, text: said.append(text))
    train(seeds=3, steps=40, log_every=10, callbacks=[callback], callback_every=10)
    assert re.fullmatch(rf"3 x 40 steps in [\d.]+ s{words}", said[0])


def test_diverged_is_known_where_only_callbacks_looked():
    run = train(seeds=3, steps=40, log_every=8, callbacks=[poison], callback_every=10)
    table = run.history
    assert table["diverged"].dtype == bool
    assert set(table[table["diverged"]]["step"]) == {24, 30, 32, 40}


# --- checkpoints


def settled(**more) -> dict:
    return {"log_every": 3, "seeds": 2} | more


@settings(max_examples=5)
@given(split=st.integers(1, 54), total=st.just(55))
def test_resuming_is_bitwise_as_if_nothing_had_happened(split, total, tmp_path_factory):
    path = tmp_path_factory.mktemp("resume") / "run.safetensors"
    gan = recipe(ema=0.9, d_steps=2, penalties=(gu.penalties.dragan(),), opt_d=gu.optim.optimistic(gu.optim.adam()))
    whole = WHOLE.get(total) or WHOLE.setdefault(total, train(gan, steps=total, **settled()))
    train(gan, steps=split, checkpoint=path, **settled())
    resumed = train(gan, steps=total, checkpoint=path, **settled())
    assert resumed.step == total and same(resumed.state, whole.state)
    assert resumed.log_steps == whole.log_steps and same(resumed.logs, whole.logs)


WHOLE: dict[int, gu.Run] = {}


def test_a_checkpoint_keeps_everything(tmp_path):
    path = tmp_path / "deep" / "run.safetensors"
    more = {"frames": 3, "callbacks": [lambda s, r: {"a.b": float(s)}], "callback_every": 10, "steps": 20}
    run = train(seeds=[3, 1], checkpoint=path, **more)
    again = train(seeds=[3, 1], checkpoint=path, **more)
    assert again.step == 20 and again.history.equals(run.history) and same(again.state, run.state)
    assert again.frames.steps == run.frames.steps and torch.equal(again.frames.samples, run.frames.samples)
    assert sorted(os.listdir(path.parent)) == [path.name]


def test_a_resumed_run_is_not_shorter_than_it_was_and_logs_as_it_is_told(tmp_path):
    path = tmp_path / "run.safetensors"
    train(steps=20, log_every=10, checkpoint=path)
    with pytest.raises(ValueError, match=r"steps must be at least 20, which .*run\.safetensors has done; got 12"):
        train(steps=12, checkpoint=path)
    assert train(steps=30, checkpoint=path).log_steps == [1, 10, 20, 30]
    assert train(steps=36, log_every=2, checkpoint=path).log_steps == [1, 10, 20, 30, 32, 34, 36]


def damaged(path: Path) -> dict[str, bytes]:
    good = path.read_bytes()
    return {
        "cut short": good[: len(good) // 2],
        "cut in its head": good[:20],
        "empty": b"",
        "garbage": random.Random(0).randbytes(500),
        "a pickle": pickle.dumps({"a": 1}),
        "text": b"not a checkpoint at all, really",
    }


def test_files_that_are_no_checkpoint_are_refused_and_left_as_they_are(tmp_path):
    path = tmp_path / "run.safetensors"
    train(steps=5, checkpoint=path)
    for what, content in damaged(path).items():
        other = tmp_path / f"{what.replace(' ', '_')}.safetensors"
        other.write_bytes(content)
        with pytest.raises(gu.CheckpointError, match=other.name):
            train(steps=10, checkpoint=other)
        assert other.read_bytes() == content, what
    torch.save({"a": torch.zeros(3)}, tmp_path / "torch.pt")
    with pytest.raises(gu.CheckpointError, match=r"torch\.pt"):
        train(steps=10, checkpoint=tmp_path / "torch.pt")
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(gu.CheckpointError, match=r"foreign\.safetensors is no checkpoint of gan_utils"):
        train(steps=10, checkpoint=tmp_path / "foreign.safetensors")
    with pytest.raises(gu.CheckpointError, match="cannot be read"):
        train(steps=10, checkpoint=tmp_path)


@pytest.mark.parametrize(
    "change, named",
    [
        (dict(gan=recipe(loss="hinge")), "loss: 'nonsaturating' there, 'hinge' here"),
        (dict(gan=recipe(dropout=False)), "D: "),
        (dict(gan=recipe(opt_g=gu.optim.sgd())), "opt_g: "),
        (dict(gan=recipe(ema=0.9)), "ema: '0' there, '0.9' here"),
        (dict(seeds=[1]), r"seeds: '\[0\]' there, '\[1\]' here"),
        (dict(batch=9), "batch: '8' there, '9' here"),
        (dict(source=gu.data.grid()), "source: 'ring"),
    ],
)
def test_a_checkpoint_of_another_recipe_is_refused(tmp_path, change, named):
    path = tmp_path / "run.safetensors"
    train(steps=3, checkpoint=path)
    content = path.read_bytes()
    with pytest.raises(gu.CheckpointError, match=rf"run\.safetensors is of another recipe \(.*{named}"):
        train(**({"steps": 6, "checkpoint": path} | change))
    assert path.read_bytes() == content


@pytest.mark.parametrize("place", ["os.replace", "os.fsync"])
def test_a_full_disk_costs_a_warning_not_the_run(tmp_path, monkeypatch, place):
    path = tmp_path / "run.safetensors"
    train(steps=5, checkpoint=path)
    content = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(place, full)
    with pytest.warns(UserWarning, match=r"run\.safetensors could not be written: No space left on device.*goes on"):
        run = train(steps=20, checkpoint=path, checkpoint_every=10)
    assert run.step == 20 and path.read_bytes() == content and os.listdir(tmp_path) == [path.name]
    with pytest.raises(OSError, match="No space left"):
        run.save(path)


def test_a_folder_that_cannot_be_made_costs_a_warning_not_the_run(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="could not be written"):
        assert train(steps=5, checkpoint=tmp_path / "file" / "run").step == 5
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.warns(UserWarning, match="Permission denied"):
            assert train(steps=5, checkpoint=tmp_path / "run").step == 5


@pytest.mark.parametrize("resumable", [True, False])
def test_an_interrupted_run_is_returned_and_saved(tmp_path, resumable):
    def stop(step, run):
        if step == 30:
            raise KeyboardInterrupt
        return {}

    path = tmp_path / "run.safetensors" if resumable else None
    with pytest.warns(UserWarning, match="stopped at step 30 of 60; the run so far is returned"):
        run = train(callbacks=[stop], callback_every=10, checkpoint=path, checkpoint_every=60)
    assert run.step == 30 and same(run.state, train(steps=30).state)
    if resumable:
        assert same(train(checkpoint=path).state, train().state)


def test_an_interrupt_while_a_frame_is_drawn_keeps_frames_and_steps_together(tmp_path, monkeypatch):
    draw = gu.Run.sample

    def stop(run, n, **more):
        if run.step == 20:
            raise KeyboardInterrupt
        return draw(run, n, **more)

    monkeypatch.setattr(gu.Run, "sample", stop)
    with pytest.warns(UserWarning, match="stopped at step 20"):
        run = train(steps=40, frames=5)
    monkeypatch.undo()
    assert run.frames.steps == [0, 10] and len(run.frames.samples) == 2
    run.save(tmp_path / "run")


def test_an_interrupt_is_heard_soon_however_slow_a_step(monkeypatch):
    """The loop looks up after about a second's worth of steps: by this clock a step takes ten."""
    ticks = iter(range(0, 10**6, 10))
    monkeypatch.setattr(training.time, "perf_counter", lambda: float(next(ticks)))
    stops, to = [], training.Advance.to
    monkeypatch.setattr(training.Advance, "to", lambda advance, stop: stops.append(stop) or to(advance, stop))
    run = train(steps=5)
    assert stops == [1, 2, 3, 4, 5]
    monkeypatch.undo()
    assert same(run.state, train(steps=5).state)


def test_a_logit_a_sample_may_have_any_number_of_axes():
    D = nn.Sequential(nn.Unflatten(1, (2, 1, 1)), nn.Conv2d(2, 1, 1))  # [B, 1, 1, 1], as DCGAN's ends
    run = train(gu.GAN(gu.models.mlp(2, 4, 2), D), steps=2, seeds=np.array([1, 4]))
    assert run.seeds == (1, 4) and repr(run) == run.summary()  # a cell that ends in fit(...) shows this
    assert run.judge(torch.zeros(3, 2)).shape == (2, 3)


def test_a_module_in_a_term_a_penalty_or_the_data_leaves_no_graph_on_the_state(tmp_path):
    torch.manual_seed(0)
    net = nn.Linear(2, 3)
    term = gu.terms.Term("seen", 0.1, lambda view: (net(view.sample) - net(view.real)).square().mean())
    penalty = gu.penalties.Penalty("there", lambda real, fake, noise: real + 0 * net(real).sum(), 0.0, 1.0)
    points = gu.data.Points(torch.randn(50, 2))
    points.points.requires_grad_()
    run = train(recipe(terms=term, penalties=penalty), points, steps=3, checkpoint=tmp_path / "run")
    assert not any(leaf.requires_grad for leaf in tree_leaves(run.state)) and len(run.history) == 3


# --- a listed step, replayed


@pytest.mark.parametrize(
    "name, how", [("r3gan", "auto"), ("spectral", "replay"), ("replay", "auto"), ("instance-noise", "replay")]
)
def test_a_replayed_run_has_the_bits_of_an_eager_one(monkeypatch, name, how):
    gan, steps = gu.zoo.build(name, RING), BLOCK + 5
    monkeypatch.setattr(training, "REPLAY_FROM", steps if how == "auto" else 10**9)
    eager = train(gan, seeds=2, steps=steps)
    calls = []
    monkeypatch.setattr(training, "step", lambda *given: calls.append(1) or gu.step(*given))
    assert same(eager.state, train(gan, seeds=2, steps=steps, compile=how).state)
    assert len(calls) == 3  # tried once, listed once, and run once to compare


class Counts(nn.Module):
    """A network whose answer depends on how often Python has called it."""

    calls = 0

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, x):
        Counts.calls += 1
        return self.linear(x) / Counts.calls


def test_a_penalty_on_a_d_that_judges_its_batch_is_warned_of():
    D = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    layered = nn.Sequential(nn.Linear(2, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 1))
    gan = gu.GAN(gu.models.mlp(2, 4, 2), D, penalties=gu.penalties.wgan_gp())
    with pytest.warns(UserWarning, match=r"BatchNorm\?\), which gradient penalties forbid") as told:
        train(gan, steps=1)
    assert told[0].filename == __file__, "it points at the call of fit"
    # A warning would be an error in these:
    for fine in (
        replace(gan, penalties=()),
        replace(gan, together=False),
        gu.GAN(gan.G, layered, penalties=gan.penalties),
    ):
        assert not train(fine, steps=1).diverged.any()


class Asks(Counts):
    """A network that decides by what it sees, which no list of operations can hold."""

    def forward(self, x):
        Counts.calls += 1
        return self.linear(x) if x.sum() > 0 else -self.linear(x)


@pytest.mark.parametrize("kind, seeds", [(Counts, 2), (Asks, 1)])
def test_a_network_that_cannot_be_listed_runs_as_it_is(monkeypatch, kind, seeds):
    monkeypatch.setattr(training, "REPLAY_FROM", 20)
    monkeypatch.setattr(Counts, "calls", 0)
    run = train(gu.GAN(gu.models.mlp(2, 4, 2), kind(), together=True), steps=20, seeds=seeds, compile="auto")
    assert Counts.calls >= 2 * 20 and not run.diverged.any()


class Reads(nn.Module):
    """A generator that, in D's turn, takes a number out of its latents behind PyTorch's back."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, z):
        in_g_turn = torch._C._functorch.is_functorch_wrapped_tensor(z)
        return self.linear(z) * (1 if in_g_turn else 1 + float(z.numpy()[0, 0]) ** 2)


def test_what_a_network_takes_out_of_its_input_is_not_frozen():
    gan = gu.GAN(Reads(), gu.models.mlp(2, 4, 1))
    assert same(train(gan, steps=30).state, train(gan, steps=30, compile="replay").state)


class CountsItself(nn.Module):
    """A network that counts its calls, as one with a warm-up does."""

    def __init__(self):
        super().__init__()
        self.linear, self.count = nn.Linear(2, 1), 0

    def forward(self, x):
        self.count += 1
        return self.linear(x) * (10 if self.count > 30 else 1)


@pytest.mark.parametrize("how", ["replay", True])
def test_a_network_that_counts_in_python_runs_as_it_is(how):
    gan = gu.GAN(gu.models.mlp(2, 4, 2), CountsItself, together=True)
    with pytest.warns(UserWarning, match="counts in Python, which samples and checkpoints miss: use a buffer"):
        run = train(gan, steps=40, compile=how)
    assert "a network keeps a count in Python" in run.summary() and not run.compiled
    assert gan.D._train.count >= 2 * 40  # once in D's turn and once in G's


# --- networks of all kinds


def spectral() -> nn.Module:
    norm = nn.utils.parametrizations.spectral_norm  # vmap cannot follow it in training
    return nn.Sequential(norm(nn.Linear(2, 8)), nn.ReLU(), norm(nn.Linear(8, 1)))


@pytest.mark.parametrize("how", [False, "replay"])
def test_members_go_one_by_one_where_vmap_cannot_follow(how):
    gan = gu.GAN(gu.models.mlp(2, 8, 2), spectral)
    together = train(gan, seeds=[3, 5], steps=12, compile=how)
    assert "one member after the other, since vmap cannot follow" in together.summary()
    alone = train(gan, seeds=[5], steps=12, compile=how)
    assert same(member(together, 1), member(alone, 0)) and "vmap" not in alone.summary()


@pytest.mark.parametrize("built", [True, False])
def test_what_asks_for_no_gradient_is_neither_drawn_nor_trained(built):
    D = gu.models.mlp(2, 8, 1)
    D[1].weight.requires_grad_(False).fill_(0.5)
    gan = gu.GAN(gu.models.mlp(2, 8, 2), (lambda: gu.models.mlp(2, 8, 1)) if not built else D)
    run = train(gan, seeds=2, steps=10)
    if built:
        assert (run.state.D.buffers["1.weight"] == 0.5).all() and "1.weight" not in run.state.D.params
        assert not torch.equal(
            run.state.D.params["1.bias"], torch.stack([gan.init(s).D.params["1.bias"] for s in (0, 1)])
        )
    else:
        assert "1.weight" in run.state.D.params
    with pytest.raises(ValueError, match="D has no parameters"):
        gu.GAN(gu.models.mlp(2, 8, 2), nn.Linear(2, 1).requires_grad_(False))


def test_a_builder_must_build():
    D = nn.Linear(2, 1)
    with pytest.raises(ValueError, match=r"D\(\) must build a new module at each call"):
        gu.GAN(gu.models.mlp(2, 8, 2), lambda: D)
    torch.manual_seed(0)
    gu.GAN(gu.models.mlp(2, 8, 2), lambda: gu.models.mlp(2, 8, 1))
    drawn = torch.rand(3)
    torch.manual_seed(0)
    gu.models.mlp(2, 8, 2), gu.models.mlp(2, 8, 1)
    assert torch.equal(drawn, torch.rand(3))  # each network was built once, as far as torch's generator knows


@pytest.mark.parametrize("said", [[], 0, "modes"])
def test_a_measure_that_is_no_mapping_is_named(said):
    with pytest.raises(TypeError, match="what one of callbacks returned must be a Mapping"):
        train(steps=10, callbacks=[lambda step, run: said], callback_every=5)


def test_a_batch_that_a_network_cannot_take_is_named():
    G = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with pytest.raises(ValueError, match=r"G cannot take latents .* more than 1 value"):
        train(gu.GAN(G, gu.models.mlp(2, 8, 1)), batch=1)


# --- callbacks and snapshots


def test_one_seed_with_a_measure_is_saved_and_resumed(tmp_path):
    options = {"callbacks": [lambda step, run: {"m": float(step)}, lambda step, run: None], "callback_every": 5}
    whole = train(steps=20, **options)
    train(steps=10, checkpoint=tmp_path / "run", **options)
    resumed = train(steps=20, checkpoint=tmp_path / "run", **options)
    assert same(whole.state, resumed.state)
    assert resumed.history.dropna().m.tolist() == whole.history.dropna().m.tolist() == [5, 10, 15, 20]


def test_snapshots_of_another_size_are_refused_before_training(tmp_path):
    train(steps=10, frames=3, frame_size=16, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match=r"frame_size must stay 16, .* got 32"):
        train(steps=20, frames=3, frame_size=32, checkpoint=tmp_path / "run")


# --- no compiler


def test_without_a_compiler_it_goes_on_eagerly_and_says_so(monkeypatch):
    def broken(*_, **__):
        def raises(*_):
            raise RuntimeError("no C++ compiler")

        return raises

    monkeypatch.setattr(torch, "compile", broken)
    run = train(compile=True, seeds=2)
    assert "(not compiled)" in run.summary() and "compiling failed (RuntimeError), so it ran eagerly" in run.summary()
    monkeypatch.undo()
    assert same(run.state, train(seeds=2).state)


def test_when_compiling_is_chosen(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda function, **_: asked.append(1) or function)
    monkeypatch.setattr(training, "COMPILE_FROM", 5)  # and 20 for a small D
    assert not train(steps=19, compile="auto").compiled and not asked
    run = train(steps=20, compile="auto", checkpoint=tmp_path / "run")
    assert run.compiled and len(asked) == 1 and "compiled" in run.summary()
    assert not train(steps=30, compile=False, checkpoint=tmp_path / "run").compiled and len(asked) == 1
    for D, least in ((gu.models.mlp(2, 256, 256, 1), 20), (gu.models.mnist_discriminator(), 5)):
        player = gu.GAN(gu.models.mlp(2, 8, 2), D).init(0).D
        two = tree_map(lambda t: torch.stack([t, t]), player)  # the weights of one seed count: 67,073 in the first case
        assert training._pays(least, two) and not training._pays(least - 1, two)


def test_an_error_in_the_recipe_is_shown_not_hidden_by_compiling():
    def play(gan, state, batch):
        raise ZeroDivisionError("my own rule")

    with pytest.raises(ZeroDivisionError, match="my own rule"):
        train(recipe(play=play), compile=True, steps=2)


# --- bad input


class Source:
    shape = (2,)

    def __init__(self, make):
        self.make = make

    def sample(self, n, generator):
        return self.make(n)

    def describe(self):
        return "mine"


class Double(nn.Module):
    def forward(self, x):
        return x.double()


class Noisy(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(2, width)

    def forward(self, x):
        return self.layer(x + 0.1 * torch.randn_like(x))


G, D = gu.models.mlp(2, 4, 2), gu.models.mlp(2, 4, 1)


def term(value):
    return gu.terms.Term("mine", 1.0, value)


def loss(**halves):
    """Return a loss of which one half returns what it should not."""
    right = {"d": torch.zeros(8), "g": torch.zeros(8)} | halves
    return gu.losses.Loss("mine", lambda real, fake: right["d"], lambda fake, real: right["g"])


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(gan="wgan"), TypeError, "gan must be a GAN; got str"),
        (
            dict(gan=gu.GAN(gu.models.mlp(2, 4, 3), D)),
            ValueError,
            r"G gives \[8, 3\] for latents \[8, 2\]; the data are \[8, 2\]",
        ),
        (dict(gan=gu.GAN(G, D, latent=5)), ValueError, r"G cannot take latents \[8, 5\]"),
        (dict(gan=gu.GAN(G, gu.models.mlp(3, 4, 1))), ValueError, r"D cannot take data \[8, 2\]"),
        (
            dict(gan=gu.GAN(G, gu.models.mlp(2, 4, 2))),
            ValueError,
            r"D must give one logit a sample, \[8\] or \[8, 1\]; it gives \[8, 2\]",
        ),
        (dict(gan=gu.GAN(G, gu.critics.Pac(gu.models.mlp(6, 1), 3))), ValueError, "batch=8 is not divisible by m=3"),
        (dict(gan=gu.GAN(G, gu.critics.Pac(gu.models.mlp(5, 1), 2))), ValueError, r"D cannot take data \[8, 2\]"),
        (dict(gan=gu.GAN(nn.Sequential(G, Double()), D)), TypeError, r"G must give float32.*it gives torch.float64"),
        (dict(gan=gu.GAN(Noisy(2), D)), ValueError, "G draws random numbers of its own"),
        (dict(gan=gu.GAN(G, Noisy(1))), ValueError, "D draws random numbers of its own"),
        (
            dict(gan=gu.GAN(G, D, terms=term(lambda view: view.z.sum(1)))),
            ValueError,
            r"'mine' must have shape \[\]; got \[8\]",
        ),
        (
            dict(gan=gu.GAN(G, D, terms=term(lambda view: 3.0))),
            TypeError,
            r"the term 'mine' must be a tensor of shape \[\]",
        ),
        (dict(gan=gu.GAN(G, D, loss=loss(d=3.0))), TypeError, r"loss.d\(real, fake\) must be a Tensor; got float"),
        (dict(gan=gu.GAN(G, D, loss=loss(g=None))), TypeError, r"loss.g\(fake, real\) must be a Tensor; got None"),
        (dict(source=torch.zeros(5, 2)), TypeError, "source must have shape, sample.* and describe"),
        (dict(source=[1.0, 2.0]), TypeError, r"source must have .*; list lacks \['shape', 'sample', 'describe'\]"),
        (
            dict(source=Source(lambda n: torch.zeros(n, 3))),
            ValueError,
            r"source.sample\(batch\) must have shape \[8, 2\]; got \[8, 3\]",
        ),
        (dict(source=Source(lambda n: np.zeros((n, 2)))), TypeError, r"source.sample\(batch\) must be a tensor"),
        (
            dict(source=Source(lambda n: torch.full((n, 2), torch.nan))),
            ValueError,
            r"source.sample\(batch\) holds 16 NaN or Inf",
        ),
        (
            dict(source=Source(lambda n: torch.full((n, 2), -torch.inf))),
            ValueError,
            r"holds 16 NaN or Inf values, the first at index \(0, 0\)",
        ),
        (dict(source=Source(lambda n: torch.zeros(n, 2).double())), TypeError, "must hold float32; got torch.float64"),
        (dict(steps=0), ValueError, "steps must be at least 1; got 0"),
        (dict(steps=1e3), TypeError, "steps must be a whole number"),
        (dict(batch=-1), ValueError, "batch must be at least 1; got -1"),
        (dict(seeds=0), ValueError, "seeds must be at least 1; got 0"),
        (dict(seeds=[]), ValueError, "seeds must name at least one seed"),
        (dict(seeds=[1, 1]), ValueError, r"seeds must name at least one seed and none twice; got \[1, 1\]"),
        (dict(seeds=[-1]), ValueError, "seeds must be at least 0; got -1"),
        (dict(seeds=[0.5]), TypeError, "seeds must be a whole number"),
        (dict(seeds="12"), TypeError, "seeds must be a whole number"),
        (dict(lr_g=1e-3), TypeError, "lr_g must be a sequence of numbers, one for each seed; got 0.001"),
        (dict(lr_d="1e-3"), TypeError, "lr_d must be a sequence of numbers"),
        (dict(lr_d=torch.tensor(0.1)), TypeError, "lr_d must be a sequence of numbers"),
        (dict(lr_d=[0.1, 0.2]), ValueError, "lr_d must have one number for each of the 1 seeds; got 2"),
        (dict(lr_g=[0.0]), ValueError, "lr_g must be a finite number above 0; got 0.0"),
        (dict(lr_g=[-1.0]), ValueError, "lr_g must be a finite number above 0; got -1.0"),
        (dict(lr_g=["a"]), ValueError, "lr_g must be a finite number above 0; got 'a'"),
        (dict(lr_g=torch.ones(1, 2)), ValueError, "lr_g must be a finite number above 0"),
        (
            dict(gan=recipe(opt_d=gu.optim.Optimizer("mine", lambda params: {}, lambda p, g, s: (p, s))), lr_d=[0.1]),
            ValueError,
            "lr_d cannot be set: mine keeps no 'lr' in its state",
        ),
        (dict(compile="yes"), ValueError, "compile must be True, False, 'auto' or 'replay'; got 'yes'"),
        (dict(device="gpu"), ValueError, "device='gpu' cannot be used on this machine"),
        (dict(log_every=0), ValueError, "log_every must be at least 1"),
        (dict(callbacks=[dict], callback_every=0), ValueError, "callback_every must be at least 1"),
        (dict(checkpoint="x", checkpoint_every=0), ValueError, "checkpoint_every must be at least 1"),
        (dict(frames=1), ValueError, "frames must be at least 2; got 1"),
        (dict(frames=3, frame_size=0), ValueError, "frame_size must be at least 1"),
    ],
)
def test_bad_input_is_named_before_any_training(arguments, error, words, monkeypatch):
    monkeypatch.setattr(training, "_train", lambda *_: pytest.fail("training began"))
    with pytest.raises(error, match=words):
        train(**arguments)


def test_nothing_is_written_to_stderr_or_stdout(capfd):
    train(steps=10, progress=True)
    assert capfd.readouterr() == ("", "")


def test_no_warning_leaks_from_a_plain_run():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(steps=3, seeds=2)
    assert not caught


class Probabilities(nn.Module):
    """A D that says how likely a sample is real, however that is written."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.main = way, nn.Linear(2, 1)

    def forward(self, x):
        a = self.main(x)
        return {
            "sigmoid": a.sigmoid,
            "view": lambda: a.sigmoid().view(-1),
            "log": lambda: nn.functional.logsigmoid(a)[:, 0],
        }[self.way]()


@pytest.mark.parametrize(
    "D", [*map(Probabilities, ("sigmoid", "view", "log")), nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())]
)
def test_a_d_that_ends_in_a_sigmoid_is_refused(D):
    with pytest.raises(ValueError, match="D must end in logits"):
        train(gu.GAN(gu.models.mlp(2, 4, 2), D), steps=1)


def test_a_sigmoid_inside_d_is_no_matter():
    D = nn.Sequential(nn.Linear(2, 4), nn.Sigmoid(), nn.Linear(4, 1), nn.Flatten(0))
    assert not train(gu.GAN(gu.models.mlp(2, 4, 2), D), steps=1).diverged.any()


class Faulty:
    """A source that does not keep to what is asked of one."""

    shape, data = (2,), torch.randn(40, 2, generator=gu.generator(0))

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def sample(self, n, generator):
        if self.fault == "has its own luck":
            return torch.randn(n, 2)
        return self.data[torch.randperm(len(self.data), generator=generator)[:n]]

    def describe(self):
        return f"faulty({self.fault})"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("has its own luck", "must draw with the generator alone"),
        ("runs out", r"source.sample\(\d+\), with replacement, must have shape \[\d+, 2\]; got \[40, 2\]"),
    ],
)
def test_a_source_that_does_not_keep_to_the_rules_is_named(fault, message):
    with pytest.raises(ValueError, match=message):
        fit(recipe(), Faulty(fault), steps=1, batch=16, device="cpu", progress=False)


def test_a_callback_that_returns_samples_is_named():
    with pytest.raises(ValueError, match=r"a callback's 'look' must have shape \[\d\]; got"):
        train(callbacks=[lambda step, run: {"look": run.sample(3)}])


def test_latents_as_images_are_explained():
    G = nn.Sequential(nn.ConvTranspose2d(8, 4, 4), nn.Conv2d(4, 1, 4))
    with pytest.raises(ValueError, match=r"begin G with nn.Unflatten\(1, \(Z, 1, 1\)\)"):
        train(gu.GAN(G, gu.models.mlp(2, 4, 1)), steps=1)


class CountsInADict(nn.Module):
    """Keeps its count where numbers and words alone would not show it, and changes its ways late."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.kept = nn.Linear(2, 1), {"calls": 0}

    def forward(self, x):
        self.kept["calls"] += 1
        return self.linear(x) * (0 if self.kept["calls"] < 200 else 1)


def test_a_count_in_a_dict_is_seen_too():
    with pytest.warns(UserWarning, match="counts in Python"):
        run = train(gu.GAN(gu.models.mlp(2, 4, 2), CountsInADict, together=True), compile="replay")
    assert "a network keeps a count in Python" in run.summary()


@pytest.mark.parametrize("draw", [random.random, np.random.rand])
def test_randomness_of_python_and_numpy_in_a_network_is_refused(draw):
    class Coin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, z):
            return self.linear(z if draw() < 0.9 else -z)

    with pytest.raises(ValueError, match="G draws random numbers of its own, which no seed would reproduce"):
        train(gu.GAN(Coin, gu.models.mlp(2, 4, 1)))


def test_a_last_layer_of_zeros_does_not_hide_that_d_sees_the_batch():
    def critic():
        D = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
        nn.init.zeros_(D[-1].weight)
        nn.init.zeros_(D[-1].bias)
        return D

    with pytest.warns(UserWarning, match="D judges a sample by its batch"):
        run = train(gu.GAN(gu.models.mlp(2, 4, 2), critic, penalties=gu.penalties.r1(0.1)), steps=2)
    assert run.gan.together is False


@pytest.mark.filterwarnings("ignore:.*weight_norm.*", "ignore:.*spectral_norm.*")
def test_the_old_spectral_norm_of_torch_trains():
    def critic():
        norm = nn.utils.spectral_norm
        return nn.Sequential(norm(nn.Linear(2, 8)), nn.LeakyReLU(0.2), norm(nn.Linear(8, 1)))

    run = train(gu.GAN(gu.models.mlp(2, 4, 2), critic), steps=3)
    assert run.step == 3 and run.gan.together is True


def test_a_dropout_of_the_readers_own_is_left_as_it_is():
    class Doubles(nn.Dropout):
        def forward(self, x):
            return 2 * x

    D = gu.GAN(gu.models.mlp(2, 4, 2), nn.Sequential(nn.Linear(2, 1), Doubles())).D
    params, buffers = D.draw()
    x = torch.ones(1, 2)
    expected = 2 * (x @ params["0.weight"].T + params["0.bias"])
    torch.testing.assert_close(D(params, buffers, x)[0], expected)


def test_callbacks_may_return_what_still_has_its_graph_and_mistakes_are_named():
    scale = torch.ones((), requires_grad=True)
    run = train(callbacks=[lambda step, run: {"score": 3 * scale}], callback_every=30)
    assert run.history["score"].dropna().unique().tolist() == [3.0]
    with pytest.raises(TypeError, match="a callback's 'score' must be numbers, as many in each row; got None"):
        train(callbacks=[lambda step, run: {"score": None}])


def test_a_block_is_drawn_once_however_often_training_stops_in_it(monkeypatch):
    drawn = []
    draw = training.draw_block
    monkeypatch.setattr(training, "draw_block", lambda *given: drawn.append(given[2:4]) or draw(*given))
    train(seeds=[3, 5], steps=BLOCK + 10, callbacks=[lambda step, run: None], callback_every=7)
    assert drawn == [(3, 0), (5, 0), (3, 1), (5, 1)]


@pytest.mark.parametrize("layer", [nn.GRU, nn.LSTM])
def test_a_recurrent_network_counts_nothing_in_python(layer):
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.last = layer(1, 4, batch_first=True), nn.Linear(4, 1)

        def forward(self, x):
            return self.last(self.layer(x[..., None])[0][:, -1])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = train(gu.GAN(gu.models.mlp(2, 4, 2), Recurrent), seeds=2, steps=3, compile="replay")
    assert "eagerly" not in run.summary()


def test_a_spectral_norm_resumes_to_the_bit_with_one_seed(tmp_path):
    """Its products of a matrix and a vector round by where in memory they lie, and a file's tensors lie anywhere."""
    gan = gu.zoo.build("spectral", RING)
    whole = train(gan, steps=40)
    train(gan, steps=20, checkpoint=tmp_path / "run")
    assert same(train(gan, steps=40, checkpoint=tmp_path / "run").state, whole.state)


def test_measures_keep_the_order_in_which_they_came(tmp_path):
    def measure(step, run):
        return {"zeta": 1.0, "alpha": 2.0}

    more = {"steps": 20, "callbacks": [measure], "callback_every": 10}
    whole = train(**more)
    train(checkpoint=tmp_path / "run", **more | {"steps": 10})
    resumed = train(checkpoint=tmp_path / "run", **more)
    assert resumed.history.equals(whole.history) and list(whole.history.columns)[-2:] == ["zeta", "alpha"]


def test_a_member_that_diverges_between_two_rows_of_the_history_is_counted():
    run = train(recipe(dropout=False, opt_g=gu.optim.sgd(1e38)), steps=15, log_every=100)
    assert run.log_steps == [1] and run.history.diverged.tolist() == [False]  # the first loss was a number
    assert run.diverged.tolist() == [True] and "diverged: 1 of 1" in run.summary()


def test_what_cannot_be_copied_or_has_no_width_yet_is_named():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, that the old norm goes
        old = nn.Sequential(nn.utils.weight_norm(nn.Linear(2, 4)), nn.Linear(4, 1))
        old(torch.zeros(1, 2))
        lazy = nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 1))
    for D, words in ((old, "D cannot be copied .*parametrizations"), (lazy, "D has lazy layers: name their widths")):
        with pytest.raises(ValueError, match=words):
            gu.GAN(gu.models.mlp(2, 4, 2), D)


@pytest.mark.parametrize("term", [gu.terms.msgan(), gu.terms.gdpp()])
def test_a_term_that_compares_samples_needs_some(term):
    with pytest.raises(ValueError, match=f"the term '{term.name}' on 1 samples holds 1 NaN"):
        train(recipe(terms=term), batch=1)
    train(recipe(terms=term), batch=2, steps=1)


def test_a_share_that_is_no_sample_is_named():
    for share, batch in ((0.5, 1), (0.01, 50)):
        with pytest.raises(ValueError, match=f"replay: its share, {share:g} of batches of {batch}, is not one fake"):
            train(recipe(replay=gu.memory.replay(8, share)), batch=batch)
    train(recipe(replay=gu.memory.replay(8, 0.0)), steps=1)  # asked for


def test_a_projection_that_has_no_one_last_layer_is_named_where_features_are_asked_for():
    class Projection(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out, self.look = nn.Linear(2, 4), nn.Linear(4, 1), nn.Embedding(2, 4)

        def forward(self, x):
            h = self.hidden(x).relu()
            return self.out(h) + (self.look(torch.zeros((), dtype=torch.int64)) * h).sum(1, keepdim=True)

    with pytest.raises(ValueError, match="the term 'feature_matching' fails with these networks"):
        train(gu.GAN(gu.models.mlp(2, 4, 2), Projection, terms=gu.terms.feature_matching()))
