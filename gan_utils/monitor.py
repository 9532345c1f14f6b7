"""``CollapseMonitor``: watches any PyTorch loop, and warns of collapse while training runs."""

from __future__ import annotations

import math
import statistics
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.func import functional_call

from gan_utils import checks, plots, runtime
from gan_utils.checks import Samples
from gan_utils.functional import ends_in_sigmoid
from gan_utils.metrics import spread

__all__ = ["RULES", "Alarm", "CollapseMonitor", "CollapseWarning", "watch"]

OUTPUTS = {"logits": 0.0, "probabilities": 0.5, "scores": math.nan}  # where D's verdict turns; a critic's nowhere
ENOUGH = 64  # samples to keep before shares of them are worth a look
MEASURES = [
    "broken", "spread", "quarter", "best", "covered", "covered_real", "moved", "moved_real", "d_real", "d_fake", "accuracy",
    "auc", "passed", "grad_g", "grad_d", "usual", "old_then", "old_now", "chance",
]  # fmt: skip
PANELS = {
    "diversity": dict(spread="spread", quarter="that of a quarter", covered="covered", covered_real="... by reals"),
    "movement of the mean": {"moved": "fakes", "moved_real": "reals"},
    "pairs that D tells apart": {"auc": "new fakes", "old_now": "old fakes", "old_then": "... when new"},
    "norm of the gradient": {"grad_g": "G", "grad_d": "D"},
}


class CollapseWarning(UserWarning):
    """What :class:`CollapseMonitor` tells through ``warnings``."""


class Alarm(NamedTuple):
    """One thing that went wrong, told once."""

    step: int  #: when it was raised
    kind: str  #: diverged, collapse, dropped, oscillation, D wins, gradients or forgetting
    severity: str  #: critical, warning or notice
    message: str  #: what was seen, against which reference, and what to try
    cleared: int | None = None  #: the step at which it was over


def _collapsed(r: dict[str, Any]) -> bool | None:
    """Is the spread gone? None, neither good nor bad, where it is not, and most of the data is out of reach all the same."""
    missing = r["covered"] < r["covered_real"] / 2
    # In high dimensions a quarter has nearly all of the spread, and a mere blur less: so ask for half, or for both.
    bad = r["spread"] < r["quarter"] / 2 or (r["spread"] < r["quarter"] and missing)
    return _settled(r, bad) if bad or not missing else None


def _settled(r: dict[str, Any], bad: bool) -> bool | None:
    # An untrained G's samples lie close together. As long as its spread grows, tenth by tenth, a bad look does not count.
    return None if bad and r["spread"] == r["mark"] else bad


#: All alarms. kind: (severity, the measure without which nothing is judged, is a look bad (None: does not count), what to say)
#:
#: :meta hide-value:
RULES: dict[str, tuple[str, str, Callable[[dict[str, Any]], bool | None], str]] = {
    "diverged": ("critical", "broken", lambda r: r["broken"] > 0,
        "NaN or Inf in {where}. Go back to a checkpoint; take smaller steps, no log and no division without a floor."),
    "collapse": ("critical", "covered", _collapsed,
        "the fakes have {spread:.2f} of the data's spread, where a mere quarter of the data has {quarter:.2f}; they come near "
        "{covered:.0%} of the data, where as many reals come near {covered_real:.0%}. (Best spread so far: {best:.2f}.) Look "
        "at samples. Try a relativistic loss with R1 and R2, a slower G, or, unless it tells all apart, a faster D."),
    "dropped": ("warning", "covered", lambda r: _settled(r, r["covered"] < r["covered_real"] / 2),
        "the fakes come near {covered:.0%} of the data, where as many reals come near {covered_real:.0%}: parts are missing. "
        "Look which. If it lasts, try another learning rate for D; on images R1, or R1 and R2."),
    "oscillation": ("warning", "moved", lambda r: _settled(r, r["moved"] > 1),
        "since the last look the fakes' mean moved {moved:.1f} times as far as two fakes lie apart (reals: {moved_real:.2f}). "
        "They jump together, and D runs after them. Try a smaller step size or beta1 for G, a faster D, or R1."),
    "D wins": ("notice", "passed", lambda r: r["auc"] == 1 and r["passed"] < 0.01,
        "D scores every real above every fake (means {d_real:.3g} and {d_fake:.3g}). A saturating or a relativistic loss "
        "passes {passed:.1%} of its gradient on to G. Are the samples alike, or just poor? Try R1, or a slower D."),
    "gradients": ("warning", "grad_g", lambda r: not 0.01 <= r["grad_g"] / max(r["usual"], 1e-30) <= 100,
        "the gradient of G has norm {grad_g:.2g}; usual in this run: {usual:.2g}; that of D: {grad_d:.2g}. If it vanished, try "
        "a non-saturating loss or a slower D (or look before zero_grad); if it exploded, smaller steps or R1."),
    "forgetting": ("notice", "old_now",
        lambda r: r["old_then"] - r["old_now"] > max((r["old_then"] - 0.5) / 2, 3 * r["chance"]),
        "D no longer knows old fakes: in {old_then:.0%} of pairs it scored the real above one when it was new, and now in "
        "{old_now:.0%}. G may return to them. Try R1, or show D old fakes too (replay)."),
}  # fmt: skip


class CollapseMonitor:
    """Watches a loop of anyone's making, through batches that it is shown now and then, say every 50 steps::

        monitor = gu.CollapseMonitor()
        ...
            monitor.update(step, real=x, fake=fake, d_real=D(x), d_fake=D(fake), D=D, G=G)

    Training stays as it was, to the bit: no graph is kept, torch's random streams are not drawn from, no mode and no
    buffer of a network changes. Memory is bounded: ``keep`` reals (their features), ``keep`` fakes and 10,000 rows.

    References are reals against reals, or the run's own past; ``RULES`` lists the alarms. A rule's count goes up by one at
    a bad look and down by one at a good one: at ``patience`` the alarm is raised, at 0 it is cleared (NaN is told at once).
    It goes to ``on_alarm``, or else out as a :class:`CollapseWarning`. Blind spots: samples that are varied but poor, lost
    variety within modes, copies of the data, and the loss of half of the modes or of fewer (in batches below 32 of most of
    them: show it 64 samples or more); for these, give many samples to :func:`~gan_utils.diagnosis.diagnose`. What watches
    :func:`~gan_utils.training.fit` is :func:`watch`.

    Args:
        patience: bad looks that make an alarm. At every step instead of every 25 or 50, give it more.
        outputs: what D gives: ``"logits"``, ``"probabilities"``, or ``"scores"`` (a critic's; they have no accuracy).
        features: ``[n, *shape] -> [n, ...]``, in which distances mean something; for large or coloured images, of which a
            lost class may go unseen in pixels. A network should be in evaluation mode, or BatchNorm learns from the looks.
        keep: reals and fakes to keep, and rows of a batch to look at; at least 64.
        on_alarm: called with each :class:`Alarm`, instead of the warning.
        name: what messages call the GAN.
        seed: of the monitor's own random stream, which picks what is kept.

    Example:
        A generator that collapses at step 200 is reported at the third look that shows it:

        >>> monitor = gu.CollapseMonitor(on_alarm=lambda alarm: print(alarm.step, alarm.kind, alarm.severity))
        >>> for step in range(0, 500, 50):
        ...     real, fake = (gu.data.ring().sample(128, gu.generator(step, who)) for who in (0, 1))
        ...     _ = monitor.update(step, real=real, fake=fake if step < 200 else torch.ones(128, 2))
        300 collapse critical
    """

    def __init__(
        self, *, patience: int = 3, outputs: str = "logits", features: Callable[[Tensor], Tensor] | None = None,
        keep: int = 256, on_alarm: Callable[[Alarm], object] | None = None, name: str = "", seed: int = 0,
    ) -> None:  # fmt: skip
        checks.kind("features", features, Callable, type(None)), checks.kind("on_alarm", on_alarm, Callable, type(None))
        self.patience, self.keep = checks.integer("patience", patience), checks.integer("keep", keep, least=ENOUGH)
        self.outputs = checks.choice("outputs", outputs, OUTPUTS)
        self.features, self.on_alarm, self.name = features, on_alarm, name
        self.alarms: list[Alarm] = []  #: all alarms so far, in order
        self._rows: deque[dict[str, Any]] = deque(maxlen=10_000)
        self._bad, self._open = dict.fromkeys(RULES, 0), dict[str, int]()  # bad looks; places of open alarms
        self._means: tuple[Tensor, Tensor] | None = None
        self._shape: torch.Size | None = None
        self._rng, self._seen = runtime.generator(seed), {"real": 0, "fake": 0}
        self._kept: dict[str, list[tuple[Tensor, ...]]] = {"real": [], "fake": []}

    @torch.no_grad()
    def update(
        self, step: int, *, real: Samples, fake: Samples, d_real: Samples | None = None, d_fake: Samples | None = None,
        D: nn.Module | None = None, G: nn.Module | None = None,
    ) -> list[Alarm]:  # fmt: skip
        """Look at a batch; return the alarms that this look raised.

        Args:
            step: the present step.
            real, fake: ``[n, *shape]`` and ``[m, *shape]``, floats, n and m at least 8, on one scale.
            d_real, d_fake: D's outputs on such batches, ``[n, ...]``; several for one sample are averaged.
            D: its gradient is read, and it is asked about old fakes, in evaluation mode.
            G: its gradient is read. Gradients are what ``.grad`` holds: call between ``backward`` and ``zero_grad``. (In
                the usual loop D's then holds what G's backward pass has added, too.)

        A D that also wants labels, or gives more than scores, is shown in a module that takes x alone and gives the scores.

        What is not given is not watched, and :meth:`report` says so. ValueError or TypeError, naming the argument, for
        other shapes or types, for reals that hold NaN or are all equal, and for outputs that are not what ``outputs`` says,
        where that can be seen: logits that come out of a sigmoid, probabilities below 0 or above 1. (NaN in the fakes is an
        alarm.)
        """
        step = checks.integer("step", step, least=0)
        real, fake = _samples("real", real), _samples("fake", fake)
        if real.shape[1:] != fake.shape[1:]:
            raise ValueError(f"fake must hold samples of shape {list(real.shape[1:])}; got {list(fake.shape[1:])}.")
        if self._shape not in (None, real.shape[1:]):
            raise ValueError(f"real must keep its shape, {list(self._shape)}; got {list(real.shape[1:])}.")
        self._shape = checks.finite("real", real).shape[1:]
        n = min(len(real), len(fake), self.keep)  # as many of each: more samples come near more of the data
        real, fake = real[:n], fake[:n]
        shown = {"d_real": d_real, "d_fake": d_fake}
        outputs = {name: _outputs(name, x, self.outputs) for name, x in shown.items() if x is not None}
        row: dict[str, Any] = dict.fromkeys(MEASURES, math.nan)
        row |= {"step": step, "grad_g": _grad("G", G), "grad_d": _grad("D", D)}
        row["usual"] = statistics.median([r["grad_g"] for r in self._rows if r["grad_g"] < math.inf] or [row["grad_g"]])
        broken = [name for name, x in {"fake": fake, **outputs}.items() if not torch.isfinite(x).all()]
        broken += [f"the gradient of {name[-1].upper()}" for name in ("grad_g", "grad_d") if row[name] == math.inf]
        row |= {"broken": len(broken), "where": " and ".join(broken)}
        if not broken:
            with torch.random.fork_rng(devices=[real.device] if real.is_cuda else []):
                self._diversity(row, self._points("real", real), self._points("fake", fake))
                self._verdicts(row, outputs, D, real, fake)
        self._rows.append(row)
        return self._judge(row)

    def _points(self, name: str, x: Tensor) -> Tensor:
        x = x if self.features is None else _samples(f"features({name})", self.features(x))
        return checks.finite(f"features({name})", x.flatten(1).to("cpu", torch.float32))

    def _diversity(self, row: dict[str, Any], real: Tensor, fake: Tensor) -> None:
        scale, own = float(spread(real - real.mean(0))), float(spread(fake - fake.mean(0)))  # centred: float32 will do
        if scale == 0:
            raise ValueError(f"real must hold different samples; all {len(real)} are equal.")
        row["spread"] = row["best"] = row["mark"] = own / scale
        if past := next((r for r in reversed(self._rows) if not r["broken"]), None):
            row["best"] = max(row["spread"], past["best"])
            row["mark"] = row["spread"] if row["spread"] > 1.1 * past["mark"] else past["mark"]
        if self._means is not None:
            row["moved_real"] = float((real.mean(0) - self._means[0]).norm()) / scale
            row["moved"] = float((fake.mean(0) - self._means[1]).norm()) / max(own, 0.01 * scale)
        self._means = real.mean(0), fake.mean(0)
        if len(self._kept["real"]) >= ENOUGH:
            kept = torch.cat([point for (point,) in self._kept["real"]])
            middle = kept.mean(0)
            row |= _references(kept - middle, {"covered": fake - middle, "covered_real": real - middle})
        self._keep("real", real)

    def _verdicts(self, row: dict, outputs: dict[str, Tensor], D: nn.Module | None, real: Tensor, fake: Tensor) -> None:
        row |= {name: float(x.mean()) for name, x in outputs.items()}
        if len(outputs) == 2:
            turn = OUTPUTS[self.outputs]
            right = (outputs["d_real"] > turn).double().mean() + (outputs["d_fake"] <= turn).double().mean()
            row["accuracy"] = math.nan if self.outputs == "scores" else float(right) / 2
            row["auc"] = float(_above(outputs["d_real"], outputs["d_fake"]).mean())
            a, b = outputs.values() if self.outputs != "probabilities" else (x.logit(1e-6) for x in outputs.values())
            row["passed"] = math.nan if self.outputs == "scores" else float((b - a[:, None]).sigmoid().mean())
        if D is None:
            return
        old = self._kept["fake"]
        scores = _ask(D, real, fake, *([torch.cat([x for x, _ in old])] if len(old) >= ENOUGH else []))
        if len(scores) == 3:
            row["old_then"] = float(torch.cat([then for _, then in old]).mean())
            row["old_now"] = float(_above(scores[0], scores[2]).mean())
            row["chance"] = math.sqrt((1 / len(real) + 1 / len(old)) / 12)  # sd of old_now if old fakes were real
        self._keep("fake", fake.cpu(), _above(scores[0], scores[1]))

    def _keep(self, kind: str, *columns: Tensor) -> None:
        """Reservoir sampling (Vitter, 1985): of all samples so far, each has the same chance to be among the kept."""
        for row in zip(*(x.split(1) for x in columns), strict=True):
            self._seen[kind] += 1
            full = len(self._kept[kind]) == self.keep
            place = int(torch.randint(self._seen[kind], (1,), generator=self._rng)) if full else len(self._kept[kind])
            if place < self.keep:
                own = tuple(x.clone() for x in row)  # a view would keep its whole batch
                self._kept[kind][place : place + 1] = [own]

    def _judge(self, row: dict[str, Any]) -> list[Alarm]:
        raised = []
        for kind, (severity, measure, bad, text) in RULES.items():
            if math.isnan(row[measure]) or (kind == "dropped" and "collapse" in self._open):  # which says more
                continue
            most = 1 if kind == "diverged" else self.patience
            change = {True: 1, False: -1, None: 0}[bad(row)]
            self._bad[kind] = min(max(self._bad[kind] + change, 0), most)
            if kind in self._open and self._bad[kind] == 0:
                place = self._open.pop(kind)
                self.alarms[place] = self.alarms[place]._replace(cleared=row["step"])
            elif kind not in self._open and self._bad[kind] == most:
                text = f"{self.name or 'GAN'}, step {row['step']:,}, {kind}: {text.format(**row)}"
                raised.append(Alarm(row["step"], kind, severity, text))
                self._open[kind] = len(self.alarms)
                self.alarms.append(raised[-1])
        for alarm in raised:
            self.on_alarm(alarm) if self.on_alarm else warnings.warn(alarm.message, CollapseWarning, stacklevel=4)
        return raised

    @property
    def active(self) -> list[Alarm]:
        """The alarms that are not cleared."""
        return [self.alarms[place] for place in sorted(self._open.values())]

    @property
    def table(self) -> pd.DataFrame:
        """Each look as a row; NaN where something was not watched.

        ``spread`` of the fakes over that of the data, its ``best`` so far, and that of a ``quarter`` of the data; the share of
        kept reals ``covered`` by the fakes and by reals (``covered_real``); how far the mean ``moved`` since the last look, in
        distances between two samples. ``d_real``, ``d_fake``: D's means; its ``accuracy``; ``auc``, the share of pairs in
        which the real scores higher; ``passed``, the mean of sigmoid(fake's logit - real's). ``grad_g`` and its median so far,
        ``usual``; ``grad_d``. The auc against kept fakes when they were new (``old_then``) and now (``old_now``), ``chance``
        its standard deviation if these were real. ``broken``: what held NaN or Inf, counted.
        """
        return pd.DataFrame(self._rows, columns=["step", *MEASURES])

    def report(self) -> str:
        """Return what was watched, the last look, and all alarms, as text."""
        table = self.table
        blind = [panel for panel, names in PANELS.items() if not table[next(iter(names))].notna().any()]
        span = f", steps {table.step.min():,} to {table.step.max():,}" if len(table) else ""
        lines = [f"{len(table)} looks{span}"]
        lines += [f"not watched (not given, or too few looks): {', '.join(blind)}"] if blind else []
        if len(table):
            last = ", ".join(f"{name} {value:.3g}" for name, value in table.iloc[-1].dropna().items())
            lines.append(f"last look: {last}")
        for alarm in self.alarms:
            over = "still so" if alarm.cleared is None else f"over at step {alarm.cleared:,}"
            lines.append(f"[{alarm.severity}, {over}] {alarm.message}")
        return "\n".join(lines if self.alarms else [*lines, "no alarms"])

    def plot(self) -> np.ndarray:
        """Draw the table in four panels, each alarm a dotted line where it was raised; return the axes [4].

        ValueError before the first look.
        """
        if not self._rows:
            raise ValueError("plot() needs a look: call update() first.")
        with plt.rc_context(plots.STYLE):
            axes = plt.subplots(2, 2, figsize=(7.2, 5), sharex=True)[1].reshape(-1)
        for ax, (title, names), log in zip(axes, PANELS.items(), (False, True) * 2, strict=True):
            curves = {label: self.table[name] for name, label in names.items()}
            below = "step" if ax.get_subplotspec().is_last_row() else ""
            plots.lines(self.table.step, curves, xlabel=below, ylabel="", ax=ax).set_title(title)
            log = log and any((curve > 0).any() for curve in curves.values())
            ax.set_yscale("log") if log else ax.set_ylim(0, max(1.1, ax.get_ylim()[1]))
            for alarm in self.alarms:
                ax.axvline(alarm.step, color="black", linestyle=":", linewidth=0.8)
        return axes


def watch(monitors: Sequence[CollapseMonitor], n: int = 256) -> Callable[[int, Any], dict[str, list[float]]]:
    """Return a callback for :func:`~gan_utils.training.fit` that shows each seed's samples and logits to its own monitor.

    A look takes ``n`` samples, or as many as make whole batches. The history gains ``spread`` and ``alarms``, how many are
    not cleared. A run keeps neither gradients nor one D for all seeds, so these are not watched.
    ValueError at the first call if there are not as many monitors as seeds.
    """

    for monitor in checks.kind("monitors", monitors, Sequence):
        checks.kind("monitors", monitor, CollapseMonitor)
    n = checks.integer("n", n, least=8)

    def look(step: int, run: Any) -> dict[str, list[float]]:
        if len(monitors) != len(run.seeds):
            raise ValueError(f"monitors must be {len(run.seeds)}, one for each seed; got {len(monitors)}.")
        whole = n - n % min(n, run.batch)  # batches, which a D of packs can divide
        real, fakes = run.source.sample(whole, runtime.generator(0, step)), run.sample(whole, seed=step)
        for monitor, fake, *logits in zip(monitors, fakes, run.judge(real), run.judge(fakes), strict=True):
            monitor.update(step, real=real.cpu(), fake=fake, d_real=logits[0], d_fake=logits[1])
        return {"spread": [m._rows[-1]["spread"] for m in monitors], "alarms": [len(m.active) for m in monitors]}

    return look


def _samples(name: str, x: object) -> Tensor:
    if not isinstance(x := checks.tensor(x), Tensor) or not x.is_floating_point():
        raise TypeError(f"{name} must be a tensor of floats [n, *shape]; got {checks.form(x)}.")
    if x.ndim < 2 or len(x) < 8 or x.numel() == 0:
        raise ValueError(f"{name} must hold at least 8 samples, [n, *shape]; got shape {list(x.shape)}.")
    return x.detach()


def _outputs(name: str, x: object, kind: str = "scores") -> Tensor:
    if not isinstance(x := checks.tensor(x), Tensor) or x.ndim == 0 or x.numel() == 0:
        raise ValueError(f"{name} must be a tensor of D's outputs, [n] or [n, ...]; got {checks.form(x)}.")
    if kind == "logits" and ends_in_sigmoid(x):
        raise ValueError(f"{name} comes out of a sigmoid: say CollapseMonitor(outputs='probabilities').")
    if kind == "probabilities" and (x.min() < 0 or x.max() > 1):
        raise ValueError(f"{name} must hold probabilities; it holds {x.min():.3g} to {x.max():.3g}.")
    return x.detach().to("cpu", torch.float32).reshape(len(x), -1).mean(1)


def _grad(name: str, net: object) -> float:
    """Return the norm of the gradient that lies in ``.grad``: NaN where there is none, Inf where it is broken."""
    if net is not None and not isinstance(net, nn.Module):
        raise TypeError(f"{name} must be a torch.nn.Module; got {type(net).__name__}.")
    grads = [p.grad for p in net.parameters() if p.grad is not None] if net is not None else []
    norm = float(torch.stack([g.float().norm().cpu() for g in grads]).norm()) if grads else math.nan
    return norm if math.isfinite(norm) or not grads else math.inf


def _ask(D: nn.Module, *sets: Tensor) -> list[Tensor]:
    """Return D's outputs on each set, in evaluation mode and with copies of its buffers, so that D stays as it was."""
    D = getattr(D, "_orig_mod", D)  # what torch.compile wraps
    D = D.module if isinstance(D, (nn.DataParallel, nn.parallel.DistributedDataParallel)) else D
    modes, buffers = {m: m.training for m in D.modules()}, {name: b.clone() for name, b in D.named_buffers()}
    try:
        for module in modes:
            module.training = False
        return [_outputs("what D returns", functional_call(D, buffers, (x.to(sets[0]),))) for x in sets]
    except (RuntimeError, TypeError, IndexError) as error:
        raise ValueError(
            f"D cannot take a batch {list(sets[0].shape)} by itself: {error}. Leave D out, or wrap it in a module that takes x "
            f"alone and returns its logits."
        ) from error
    finally:
        for module, mode in modes.items():
            module.training = mode


def _above(real: Tensor, fake: Tensor) -> Tensor:
    """Return for each fake ``[m]`` the share of reals ``[n]`` that score higher, ties one half; the mean is the AUC."""
    return ((real[:, None] > fake).double() + (real[:, None] == fake).double() / 2).mean(0)


def _references(kept: Tensor, sets: dict[str, Tensor]) -> dict[str, float]:
    """Return ``quarter``, and for each set ``[n, d]`` the share of the kept reals ``[k, d]`` that it covers.

    A quarter is a kept real with its k / 4 nearest; of their spread over that of all, the median. A kept real is covered
    if one of its nearest sixteenth (of more, where n < 64: so many that four of n reals fall among them) is the nearest
    real of some sample. However far: poor samples that are varied cover all.
    """
    apart, k = torch.cdist(kept, kept), len(kept)
    order = apart.topk(k // 2, largest=False).indices  # sorted, itself first
    near = order[:, : k // 4]
    inside = apart[near[:, :, None], near[:, None, :]].sum((1, 2)) / (near.shape[1] * (near.shape[1] - 1))
    found = {"quarter": float(inside.median() / (apart.sum() / (k * (k - 1))))}
    for name, x in sets.items():
        hit = torch.zeros(k, dtype=torch.bool)
        hit[torch.cdist(x, kept).argmin(1)] = True
        found[name] = float(hit[order[:, : max(k // 16, 4 * k // len(x))]].any(1).double().mean())
    return found
