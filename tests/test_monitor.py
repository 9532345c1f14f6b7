"""The monitor: streams of known behaviour, its measures against brute force, and training that it must not touch."""

from __future__ import annotations

import copy
import importlib.util
import json
import math
import re
import warnings
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import softplus
from torch.nn.utils import parametrizations

import gan_utils as gu
from gan_utils import monitor as module
from gan_utils.monitor import Alarm

RING = gu.data.ring(std=0.02)


def draw(source, n, *key):
    return source.sample(n, gu.generator(*key))


def some_modes(modes, n, *key):
    return draw(gu.data.Mixture(RING.means[list(modes)], 0.02), n, *key)


def watch(stream, **options):
    """Show (fake, what else) of ``stream`` to a monitor, with fresh reals; return it."""
    monitor = gu.CollapseMonitor(on_alarm=lambda alarm: None, **options)
    for step, (fake, seen) in enumerate(stream):
        monitor.update(step, real=draw(RING, len(fake), 9, step), fake=fake, **seen)
    return monitor


def kinds(monitor):
    return [(alarm.kind, alarm.step, alarm.cleared) for alarm in monitor.alarms]


def plain(fakes):
    return watch((fake, {}) for fake in fakes)


# ---- streams of known behaviour


@pytest.mark.parametrize(
    "source", [RING, gu.data.grid(), gu.data.Mixture(torch.zeros(1, 64), 1.0)], ids=["ring", "grid", "64-D"]
)
@pytest.mark.parametrize("n", [8, 64, 200])
def test_a_perfect_sampler_raises_nothing(source, n):
    monitor = gu.CollapseMonitor(on_alarm=pytest.fail)
    for step in range(18):
        scores = torch.randn(2, n, generator=gu.generator(3, step))
        real, fake = draw(source, n, 1, step), draw(source, n, 2, step)
        monitor.update(step, real=real, fake=fake, d_real=scores[0], d_fake=scores[1])
    table = monitor.table
    assert monitor.alarms == [] and monitor.active == [] and table.spread.between(0.5, 1.6).all()
    judged = table[table.covered.notna()]
    assert len(judged) >= 10 and (judged.covered > 0.7 * judged.covered_real).all()


def test_poor_but_varied_samples_are_no_collapse():
    fakes = (draw(RING, 128, 1, i) + 0.2 * torch.randn(128, 2, generator=gu.generator(2, i)) for i in range(12))
    assert kinds(plain(fakes)) == []


def test_shrinking_is_told_once_and_cleared_and_told_again():
    scales = [1] * 5 + [0.05] * 6 + [1] * 5 + [0.05] * 3
    monitor = plain(scale * draw(RING, 64, 1, i) for i, scale in enumerate(scales))
    assert kinds(monitor) == [("collapse", 7, 13), ("collapse", 18, None)]
    assert [alarm.severity for alarm in monitor.alarms] == ["critical"] * 2 and monitor.active == monitor.alarms[1:]
    row = monitor.table.iloc[7]
    message = monitor.alarms[0].message
    assert message.startswith("GAN, step 7, collapse: ") and f"{row.spread:.2f} of the data's spread" in message
    assert f"{row.quarter:.2f}" in message and f"{row.best:.2f}" in message and "R1" in message


def test_a_generator_that_is_getting_more_varied_is_not_collapsed_yet():
    growing = [0.001 * 1.5**i for i in range(12)]
    assert kinds(plain(scale * draw(RING, 64, 1, i) for i, scale in enumerate(growing))) == []
    assert kinds(plain(growing[0] * draw(RING, 64, 1, i) for i in range(12)))[0][0] == "collapse"


def test_missing_modes_are_told_apart_from_collapse():
    monitor = plain(some_modes((0, 3, 5), 128, 1, i) for i in range(8))
    assert kinds(monitor) == [("dropped", 3, None)] and monitor.alarms[0].severity == "warning"
    assert monitor.table.covered[1:].between(0.3, 0.45).all()  # three of eight
    assert kinds(plain(some_modes(range(6), 128, 1, i) for i in range(8))) == []


def test_hopping_and_standing_still():
    hopping = plain(some_modes([i % 3], 64, 1, i) for i in range(6))
    still = plain(some_modes([0], 64, 1, i) for i in range(6))
    assert [kind for kind, *_ in kinds(hopping)] == ["collapse", "oscillation"]
    assert [kind for kind, *_ in kinds(still)] == ["collapse"]
    # From one mode to the next is a chord of the circle; two points of a mode lie sqrt(pi) sd apart on average.
    expected = 2 * math.sin(math.pi / 8) / (math.sqrt(math.pi) * 0.02)
    assert hopping.table.moved[1] == pytest.approx(expected, rel=0.15) and still.table.moved[1:].max() < 0.5


def logits(gap, n=64):
    return {"d_real": torch.linspace(0, 1, n) + gap, "d_fake": torch.linspace(0, 1, n)[:, None]}


def test_a_discriminator_that_wins():
    def stream(**seen):
        return ((draw(RING, 64, 1, i), seen) for i in range(6))

    assert kinds(watch(stream(**logits(8.0)))) == [("D wins", 2, None)]
    assert kinds(watch(stream(**logits(2.0)))) == []  # told apart, all of them, but a slope is left
    one_passes = logits(8.0)
    one_passes["d_fake"][0] = 20.0
    assert kinds(watch(stream(**one_passes))) == []
    sure = {name: torch.sigmoid(x * 2 - 8) for name, x in logits(8.0).items()}
    won = watch(stream(**sure), outputs="probabilities")
    assert kinds(won) == [("D wins", 2, None)] and won.table.accuracy.eq(1).all()
    scores = watch(stream(**logits(80.0)), outputs="scores")
    assert kinds(scores) == [] and scores.table.auc.eq(1).all() and scores.table.accuracy.isna().all()


def test_measures_of_the_outputs():
    rng = gu.generator(4)
    d_real, d_fake = (
        torch.randn(50, generator=rng).round(decimals=1) + 0.3,
        torch.randn(40, generator=rng).round(decimals=1),
    )
    monitor = gu.CollapseMonitor()
    monitor.update(0, real=draw(RING, 50, 1), fake=draw(RING, 40, 2), d_real=d_real, d_fake=d_fake)
    row = monitor.table.iloc[0]
    labels, scores = np.repeat([1, 0], [50, 40]), torch.cat([d_real, d_fake])
    assert row.auc == pytest.approx(roc_auc_score(labels, scores.numpy()))
    share = ((d_real > 0).sum() / 50 + (d_fake <= 0).sum() / 40) / 2
    assert row.accuracy == pytest.approx(share.item())
    pairs = [1 / (1 + math.exp(a - b)) for a in d_real.tolist() for b in d_fake.tolist()]
    assert row.passed == pytest.approx(np.mean(pairs), rel=1e-5)


def test_patch_outputs_are_averaged():
    monitor = gu.CollapseMonitor()
    maps = torch.arange(8.0)[:, None, None, None] + torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2)
    monitor.update(0, real=draw(RING, 8, 1), fake=draw(RING, 8, 2), d_real=maps, d_fake=maps - 0.5)
    assert monitor.table.d_real[0] == 3.5 and monitor.table.auc[0] == pytest.approx(36 / 64)


class Slope(nn.Module):
    """D(x) = w x[0], with a w that the test turns round."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(5.0))

    def forward(self, x):
        return self.w * (x[:, :1] + 2)


def test_forgetting():
    D = Slope()
    monitor = gu.CollapseMonitor(on_alarm=lambda alarm: None)
    for step in range(12):
        left = draw(RING, 64, 1, step) - torch.tensor([4.0, 0.0])
        if step == 6:  # the fakes move to the right of the data, and D turns: it is right again, and has forgotten
            D.w.data.neg_()
        fake = left if step < 6 else left + torch.tensor([8.0, 0.0])
        monitor.update(step, real=draw(RING, 64, 2, step), fake=fake, D=D)
    table = monitor.table
    assert table.old_now[:2].isna()[0] and (table.old_now[1:6] == 1).all() and table.old_now[6] == 0
    assert (table.old_then[1:] == 1).all()
    (alarm,) = (alarm for alarm in monitor.alarms if alarm.kind == "forgetting")
    assert (alarm.step, alarm.cleared) == (8, None) and "100% of pairs" in alarm.message


def test_a_d_that_never_knew_has_nothing_to_forget():
    D = Slope()
    monitor = gu.CollapseMonitor(on_alarm=lambda alarm: None)
    for step in range(10):
        D.w.data.neg_()
        monitor.update(step, real=draw(RING, 64, 2, step), fake=draw(RING, 64, 1, step), D=D)
    assert kinds(monitor) == [] and monitor.table.old_then.dropna().between(0.4, 0.6).all()


# ---- divergence and gradients


@pytest.mark.parametrize("where", ["fake", "d_real", "d_fake", "the gradient of G", "the gradient of D"])
def test_nan_is_told_at_once(where):
    net = nn.Linear(2, 2)
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    other = copy.deepcopy(net)
    other.weight.grad = other.bias.grad = None
    seen = {"fake": draw(RING, 8, 1), "d_real": torch.zeros(8), "d_fake": torch.zeros(8), "G": other, "D": other}
    if where in seen:
        seen[where] = seen[where].clone()
        seen[where][3] = math.inf if where == "d_real" else math.nan
    else:
        net.bias.grad[1] = math.nan
        seen[where[-1]] = net
    monitor = gu.CollapseMonitor(on_alarm=lambda alarm: None)
    good = {"real": draw(RING, 8, 2), "fake": draw(RING, 8, 1)}
    monitor.update(0, **good)
    (alarm,) = monitor.update(1, real=good["real"], **seen)
    assert (alarm.kind, alarm.severity) == ("diverged", "critical") and f"NaN or Inf in {where}." in alarm.message
    monitor.update(2, **good)
    assert kinds(monitor) == [("diverged", 1, 2)] and math.isfinite(monitor.table.moved[2])


def with_gradient(size):
    net = nn.Linear(2, 1)
    net.weight.grad, net.bias.grad = torch.full((1, 2), size), torch.full((1,), size * 2**0.5)
    return net


def test_gradients():
    sizes = [1.0, 3.0, 2.0, 2.0] + [1e-3] * 4
    monitor = watch(
        (draw(RING, 64, 1, i), {"G": with_gradient(s), "D": with_gradient(2 * s)}) for i, s in enumerate(sizes)
    )
    np.testing.assert_allclose(monitor.table.grad_g, [2 * s for s in sizes], rtol=1e-6)
    np.testing.assert_allclose(monitor.table.grad_d, [4 * s for s in sizes], rtol=1e-6)
    assert (
        kinds(monitor) == [("gradients", 6, None)] and "norm 0.002; usual in this run: 3" in monitor.alarms[0].message
    )
    steady = watch((draw(RING, 64, 1, i), {"G": with_gradient(5.0**i)}) for i in (0, 1, 0, 1, 2, 0, 1))
    assert kinds(steady) == []
    exploding = watch((draw(RING, 64, 1, i), {"G": with_gradient(s)}) for i, s in enumerate([1.0] * 6 + [1e3] * 3))
    assert kinds(exploding) == [("gradients", 8, None)]


# ---- training is left as it was


class Noisy(nn.Module):
    """All that a call may change: BatchNorm's buffers, dropout's and other random numbers, spectral norm's vectors."""

    def __init__(self, old_style):
        super().__init__()
        norm = nn.utils.spectral_norm if old_style else parametrizations.spectral_norm
        self.layers = nn.Sequential(norm(nn.Linear(2, 16)), nn.BatchNorm1d(16), nn.LeakyReLU(0.2), nn.Dropout(0.3))
        self.last, self.calls = nn.Linear(16, 1), 0
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen.add_(1)
        return self.last(self.layers(x + 0.1 * torch.randn_like(x)))


def train(monitor, old_style=False, steps=12):
    torch.manual_seed(5)
    G, D = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2)), Noisy(old_style)
    D.layers[3].eval()  # modes may be mixed
    opts = [torch.optim.Adam(net.parameters(), 1e-2) for net in (G, D)]
    for step in range(steps):
        real, fake = RING.sample(64), G(torch.randn(64, 2))
        opts[1].zero_grad()
        d_real, d_fake = D(real), D(fake.detach())
        (softplus(-d_real) + softplus(d_fake)).mean().backward()
        opts[1].step()
        opts[0].zero_grad()
        g_loss = softplus(-D(fake)).mean()
        if monitor is not None:  # in the midst of things, with graphs alive
            monitor.update(step, real=real, fake=fake, d_real=d_real, d_fake=d_fake, D=D, G=G)
        g_loss.backward()
        opts[0].step()
    state = {f"{i}.{name}": x for i, net in enumerate((G, D)) for name, x in net.state_dict().items()}
    return state, torch.random.get_rng_state(), [m.training for m in D.modules()], D


@pytest.mark.parametrize("old_style", [False, True])
def test_training_is_the_same_to_the_bit(old_style):
    monitor = gu.CollapseMonitor(on_alarm=lambda alarm: None, features=lambda x: x + 0 * torch.randn_like(x))
    ignore = warnings.catch_warnings()
    with ignore:
        warnings.simplefilter("ignore", FutureWarning)  # the old spectral_norm is deprecated
        (theirs, rng, modes, D), (ours, rng_2, modes_2, _) = train(monitor, old_style), train(None, old_style)
    assert theirs.keys() == ours.keys() and all(torch.equal(theirs[name], ours[name]) for name in ours)
    assert torch.equal(rng, rng_2) and modes == modes_2 and monitor.table.old_now.notna().sum() == 11
    kept = [x for rows in monitor._kept.values() for row in rows for x in row]
    assert D.seen == 36 and not any(x.requires_grad for x in kept)


def test_d_is_put_back_also_when_it_fails():
    class Fails(nn.Dropout):
        def forward(self, x):
            assert not self.training
            raise RuntimeError("no such shape")

    D = Fails()
    with pytest.raises(
        ValueError, match=r"D cannot take a batch \[8, 2\] by itself: no such shape. Leave D out, or wrap it"
    ):
        gu.CollapseMonitor().update(0, real=draw(RING, 8, 1), fake=draw(RING, 8, 2), D=D)
    assert D.training


def test_memory_is_bounded():
    monitor = gu.CollapseMonitor(keep=64, on_alarm=lambda alarm: None)
    for step in range(30):
        monitor.update(step, real=draw(RING, 100, 1, step), fake=draw(RING, 100, 2, step) + step, D=Slope())
    for rows in monitor._kept.values():
        assert len(rows) == 64 and all(x.untyped_storage().nbytes() <= 8 for row in rows for x in row)
    # A uniform choice from fakes whose first coordinate is about their step: mean 14.5, sd of the mean 8.7 / 8.
    ages = torch.cat([x for x, _ in monitor._kept["fake"]])[:, 0]
    assert abs(ages.mean() - 14.5) < 4 and ages.min() < 5 and ages.max() > 24


# ---- hysteresis, told and read


@settings(max_examples=20)
@given(st.lists(st.booleans(), min_size=1, max_size=14), st.integers(1, 3))
def test_an_alarm_is_a_count_that_leaks(looks, patience):
    real = draw(RING, 64, 1)
    monitor = gu.CollapseMonitor(patience=patience, keep=64, on_alarm=lambda alarm: None)
    expected, count, is_open = [], 0, False
    for step, bad in enumerate([False, *looks]):
        monitor.update(step, real=real, fake=(0.01 if bad else 1) * real)
        if step:
            count = min(count + 1, patience) if bad else max(count - 1, 0)
        if not is_open and count == patience:
            expected.append((step, None))
        elif is_open and count == 0:
            expected[-1] = (expected[-1][0], step)
        is_open = count == patience or (is_open and count > 0)
    assert [(a.step, a.cleared) for a in monitor.alarms if a.kind == "collapse"] == expected


def test_warning_points_at_the_callers_line():
    monitor = gu.CollapseMonitor(name="run 7")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for i in range(8):
            monitor.update(10 * i, real=draw(RING, 64, 1, i), fake=some_modes([0] if i else range(8), 64, 2, i))
    (warning,) = caught
    assert issubclass(warning.category, gu.CollapseWarning) and warning.filename == __file__
    assert str(warning.message).startswith("run 7, step 30, collapse: ")


def test_callback_instead_of_warning_and_what_update_returns():
    told = []
    monitor = gu.CollapseMonitor(patience=1, on_alarm=told.append)
    looks = [monitor.update(i, real=draw(RING, 64, 1, i), fake=some_modes([0], 64, 2, i)) for i in range(4)]
    assert [len(look) for look in looks] == [0, 1, 0, 0] and told == looks[1] == monitor.alarms
    assert isinstance(told[0], Alarm)


def test_report_says_what_was_seen_and_what_was_not():
    monitor = gu.CollapseMonitor(on_alarm=lambda alarm: None)
    assert monitor.report().startswith("0 looks") and "no alarms" in monitor.report()
    for i in range(9):
        fake = some_modes([0] if 0 < i < 4 else range(8), 64, 2, i)
        monitor.update(100 * i, real=draw(RING, 64, 1, i), fake=fake, **logits(1.0))
    text = monitor.report()
    assert "9 looks, steps 0 to 800" in text and "[critical, over at step 600] GAN, step 300, collapse" in text
    assert "not watched" in text and "gradient" in text and "told apart" not in text.splitlines()[1]


def test_plot():
    monitor = plain(some_modes([i % 3], 64, 1, i) for i in range(6))
    axes = monitor.plot()
    assert axes.shape == (4,) and axes[0].figure.get_figwidth() <= 7.2
    np.testing.assert_allclose(axes[0].lines[0].get_ydata(), monitor.table.spread)
    dotted = [line.get_xdata()[0] for line in axes[1].lines if line.get_linestyle() == ":"]
    assert dotted == [alarm.step for alarm in monitor.alarms] and axes[1].get_yscale() == "log"


def test_a_plot_before_the_first_look_is_refused():
    with pytest.raises(ValueError, match=r"plot\(\) needs a look: call update\(\) first"):
        gu.CollapseMonitor().plot()


def test_samples_that_change_their_shape_are_refused_and_nothing_is_lost():
    monitor = plain(some_modes([0, 1], 64, 1, i) for i in range(3))
    before = monitor.report()
    with pytest.raises(ValueError, match=r"real must keep its shape, \[2\]; got \[3\]"):
        monitor.update(9, real=torch.rand(64, 3), fake=torch.rand(64, 3))
    assert monitor.report() == before


def test_callback_of_fit():
    gan = gu.GAN(gu.models.mlp(2, 16, 2), gu.models.mlp(2, 16, 1, slope=0.2))
    monitors = [gu.CollapseMonitor(on_alarm=lambda alarm: None) for _ in range(2)]
    options = {"steps": 20, "seeds": 2, "batch": 16, "callback_every": 5, "progress": False}
    run = gu.fit(gan, RING, callbacks=[gu.monitor.watch(monitors, 64)], **options)
    seen = run.history.dropna(subset="spread")
    assert seen.step.unique().tolist() == [5, 10, 15, 20] and seen.alarms.ge(0).all()
    for seed, monitor in enumerate(monitors):
        np.testing.assert_allclose(monitor.table.spread, seen[seen.seed == seed].spread, rtol=1e-5)
        assert monitor.table.auc.notna().all()
    with pytest.raises(ValueError, match="monitors must be 2, one for each seed; got 1"):
        gu.fit(gan, RING, callbacks=[gu.monitor.watch(monitors[:1])], **options)


# ---- the references, by brute force


@pytest.mark.parametrize(("n", "neighbours"), [(64, 4), (100, 4), (16, 16), (8, 32)])
def test_references_by_brute_force(n, neighbours):
    kept, x = draw(RING, 64, 1), draw(RING, n, 2) + 0.3
    apart = [[math.dist(p, q) for q in kept.tolist()] for p in kept.tolist()]
    order = [sorted(range(64), key=row.__getitem__) for row in apart]
    quarters = []
    for nearest in (row[:16] for row in order):
        quarters.append(np.mean([apart[i][j] for i in nearest for j in nearest if i != j]))
    whole = np.sum(apart) / (64 * 63)
    hit = {min(range(64), key=lambda i: math.dist(kept[i].tolist(), point)) for point in x.tolist()}
    found = module._references(kept, {"covered": x})
    assert found["covered"] == np.mean([bool(hit & set(row[:neighbours])) for row in order])
    assert found["quarter"] == pytest.approx(sorted(quarters)[31] / whole, rel=1e-4)


def test_features_are_where_distances_are_taken():
    def brightness(x):
        return x.flatten(1).mean(1, keepdim=True)

    real = torch.randn(64, 1, 4, 4, generator=gu.generator(1))
    monitor = gu.CollapseMonitor(features=brightness)
    monitor.update(0, real=real, fake=real.flip(0).flip(3) / 2)
    assert monitor.table.spread[0] == pytest.approx(0.5, rel=1e-5)


# ---- bad input

GOOD = {"real": torch.randn(64, 2, generator=gu.generator(1)), "fake": torch.randn(64, 2, generator=gu.generator(2))}
NAN = torch.where(torch.arange(128).view(64, 2) == 7, math.nan, GOOD["real"])


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"real": [1.0, 2.0]}, TypeError, r"real must be a tensor of floats \[n, \*shape\]; got list"),
        ({"fake": GOOD["fake"].int()}, TypeError, r"fake must be a tensor of floats .*; got .* torch.int32"),
        (
            {"real": GOOD["real"][:7]},
            ValueError,
            r"real must hold at least 8 samples, \[n, \*shape\]; got shape \[7, 2\]",
        ),
        ({"fake": GOOD["fake"][:, 0]}, ValueError, r"fake must hold at least 8 samples, .*; got shape \[64\]"),
        ({"fake": torch.zeros(64, 3)}, ValueError, r"fake must hold samples of shape \[2\]; got \[3\]"),
        ({"real": NAN}, ValueError, r"real holds 1 NaN or Inf values, the first at index \(3, 1\)"),
        ({"real": torch.ones(64, 2)}, ValueError, "real must hold different samples; all 64 are equal"),
        ({"d_real": 0.5}, ValueError, "d_real must be a tensor of D's outputs.*got float"),
        ({"d_fake": torch.zeros(0)}, ValueError, r"d_fake must be a tensor of D's outputs.*got \[0\]"),
        ({"D": lambda x: x}, TypeError, "D must be a torch.nn.Module; got function"),
        ({"G": 3}, TypeError, "G must be a torch.nn.Module; got int"),
        ({"step": -1}, ValueError, "step must be at least 0; got -1"),
        ({"step": 1.5}, TypeError, "step must be a whole number"),
    ],
)
def test_bad_input_is_named(given, error, says):
    monitor = gu.CollapseMonitor()
    with pytest.raises(error, match=says):
        monitor.update(**({"step": 1} | GOOD | given))
    assert len(monitor.table) == 0 and not monitor._kept["real"]  # a mistake leaves no trace


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"patience": 0}, ValueError, "patience must be at least 1; got 0"),
        ({"keep": 10}, ValueError, "keep must be at least 64; got 10"),
        ({"outputs": "logit"}, ValueError, r"outputs='logit' is not known. Did you mean 'logits'\?"),
        ({"features": "x"}, TypeError, "features must be a Callable or None; got str"),
        ({"on_alarm": 1}, TypeError, "on_alarm must be a Callable or None; got int"),
    ],
)
def test_bad_options_are_named(options, error, says):
    with pytest.raises(error, match=says):
        gu.CollapseMonitor(**options)


def test_outputs_that_are_not_what_they_are_said_to_be_are_named():
    logits = torch.linspace(-5, 5, 64).requires_grad_()
    outputs = {"d_real": torch.sigmoid(logits).view(8, 8).squeeze(0), "d_fake": torch.sigmoid(logits)}
    with pytest.raises(
        ValueError, match=r"d_real comes out of a sigmoid: say CollapseMonitor\(outputs='probabilities'\)"
    ):
        gu.CollapseMonitor().update(0, **GOOD | outputs)
    assert gu.CollapseMonitor(outputs="probabilities").update(0, **GOOD | outputs) == []
    with pytest.raises(ValueError, match=r"d_fake must hold probabilities; it holds -5 to 5"):
        gu.CollapseMonitor(outputs="probabilities").update(0, **GOOD | {"d_fake": logits})
    broken = gu.CollapseMonitor(outputs="probabilities", on_alarm=lambda alarm: None)
    assert [a.kind for a in broken.update(0, **GOOD | {"d_fake": torch.full((64,), torch.nan)})] == ["diverged"]


def test_features_that_fail_are_named():
    with pytest.raises(ValueError, match=r"features\(real\) must hold at least 8 samples, .*; got shape \[64\]"):
        gu.CollapseMonitor(features=lambda x: x[:, 0]).update(0, **GOOD)


# ---- the recorded benchmark

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("monitor_alarms", BENCHMARKS / "monitor_alarms.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def recorded():
    return json.loads(gu.recorded("monitor-alarms.json").read_text())


def test_the_record_is_of_these_cases_and_adds_up(benchmark, recorded):
    assert recorded.keys() == benchmark.CASES.keys()
    for name, kept in recorded.items():
        case = benchmark.CASES[name]
        assert kept["case"] == case._asdict() and kept["summary"] == json.loads(
            json.dumps(benchmark.summary(case, kept["runs"]))
        )
        assert [run["seed"] for run in kept["runs"]] == list(range(case.seeds))
        assert re.fullmatch(r"[0-9a-f]{40}", kept["provenance"]["commit"]) and name in kept["provenance"]["command"]


def test_the_first_looks_are_those_in_the_record(benchmark, recorded):
    case, kept = benchmark.CASES["ring-plain"], recorded["ring-plain"]["runs"][0]
    again = benchmark.run_by_hand(case._replace(steps=300), 0)
    assert again["truth"] == kept["truth"][:6] and "C" in again["truth"]
    assert [a[:2] for a in again["alarms"]] == [a[:2] for a in kept["alarms"] if a[1] <= 300]


def test_judging_a_run(benchmark):
    case = benchmark.Case("ring", 60, 5, 1)
    run = {"truth": "CCHHCCCCCHHH", "alarms": [["collapse", 35, 55], ["D wins", 5, None], ["dropped", 50, None]]}
    judged = benchmark.judged(case, run)
    assert (judged["ill"], judged["spells"], judged["found"], judged["delays"]) == (True, 1, 1, [10])
    assert (judged["false"], judged["end"], judged["others"], judged["missed"]) == (1, "H!", ["D wins"], [])
    late = benchmark.judged(case, run | {"alarms": [["collapse", 50, 55]]})
    assert (late["found"], late["missed"], late["end"]) == (0, [(25, 45)], "H.")
    assert not benchmark.judged(case, {"truth": "CCCHHHHHHHHH", "alarms": []})["ill"]


def test_a_network_laid_over_several_devices_is_asked_as_it_is():
    D, x = nn.Linear(2, 1), gu.data.ring().sample(64, gu.generator(0))
    found = []
    for network in (D, nn.DataParallel(D)):
        monitor = gu.CollapseMonitor()
        for step in range(3):
            monitor.update(step, real=x, fake=x + 1, D=network)
        found.append(monitor.table.old_now.tolist())
    np.testing.assert_array_equal(*found)
    assert np.isfinite(found[1][-1])


def test_the_callback_takes_batches_that_a_pack_divides():
    ring = gu.data.ring()
    gan = gu.zoo.build("pacgan", ring, m=3)
    monitor = gu.CollapseMonitor(on_alarm=lambda alarm: None)
    look = gu.monitor.watch([monitor])
    run = gu.fit(gan, ring, steps=2, batch=18, callbacks=[look], callback_every=1, compile=False, progress=False)
    assert len(monitor.table) == 2 and run.history["spread"].notna().all()


def test_a_d_that_runs_on_several_machines_is_asked_by_itself():
    class Everywhere(nn.parallel.DistributedDataParallel):
        """As far as it can be without a process group: what it wraps, and a pass that all machines must share."""

        def __init__(self, module):
            nn.Module.__init__(self)
            self.module = module

        def forward(self, x):
            raise AssertionError("one machine alone would wait for the others")

    (said,) = gu.monitor._ask(Everywhere(nn.Linear(2, 1)), torch.ones(3, 2))
    assert said.shape == (3,)
