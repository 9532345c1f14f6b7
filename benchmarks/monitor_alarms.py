"""Does ``gu.CollapseMonitor`` warn when a GAN collapses, and only then?

    python benchmarks/monitor_alarms.py            # about fifteen minutes of one core
    python benchmarks/monitor_alarms.py --only ring-plain ring-mended --seeds 4
    python benchmarks/monitor_alarms.py --json book/recorded/monitor-alarms.json

Small GANs in a plain loop, on the ring and on MNIST, and, many seeds at once, in ``gu.fit`` with ``gu.monitor.watch``. The
monitor sees training batches. The truth comes from 2,000 fresh samples at the same steps: *sick* if their spread is below
a quarter of the data's (the book's complete collapse) or if half of the modes or more have less than a quarter of their
share; *well* if the spread is above half and three quarters of the modes have theirs; between the two, neither.

An alarm is ``collapse`` or ``dropped``. A run was ill if it was sick at more than ``patience`` looks in a row; the alarm
found it if it was open at one of them. An alarm raised at a look that is well is false. All other alarms are counted only.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import gan_utils as gu

PATIENCE, TRUE_SAMPLES = 3, 2_000
ABOUT_DIVERSITY = ("collapse", "dropped")


class Case(NamedTuple):
    """A recipe, how long it runs, and how often it is looked at."""

    source: str
    steps: int
    every: int
    seeds: int
    batch: int = 128
    lr_g: float = 1e-3
    lr_d: float = 1e-3
    beta1: float = 0.5
    mended: float = 0.0  # gamma of R1 and R2, with the relativistic loss; 0: the non-saturating loss alone
    fit: bool = False


CASES = {
    "ring-plain": Case("ring", 1_500, 50, 20),
    "ring-mended": Case("ring", 1_500, 50, 40, mended=1.0, fit=True),
    "ring-slow-d": Case("ring", 1_500, 50, 20, lr_d=1e-4),
    "ring-momentum": Case("ring", 1_500, 50, 40, beta1=0.9, fit=True),
    "grid-plain": Case("grid", 6_000, 100, 40, fit=True),
    "grid-mended": Case("grid", 6_000, 100, 40, mended=1.0, fit=True),
    "grid-slow-d": Case("grid", 6_000, 100, 40, lr_d=1e-4, fit=True),
    "mnist-plain": Case("mnist", 800, 50, 3, 64, 5e-4, 5e-4),
    "mnist-mended": Case("mnist", 800, 50, 3, 64, 5e-4, 5e-4, mended=5.0),
}
SOURCES = {"ring": gu.data.ring(std=0.02), "grid": gu.data.grid(), "mnist": gu.data.mnist()}


def networks(case: Case) -> tuple[nn.Module, nn.Module]:
    """Return G, with ``latent`` inputs, and D: width 64 for points, chapter 4's small pair for images."""
    if case.source == "mnist":
        G = gu.models.mlp(64, 128, 128, 784, last=nn.Tanh(), shape=(1, 28, 28))
        return G, gu.models.mlp(784, 128, 128, 1, slope=0.2)
    return gu.models.mlp(2, 64, 64, 2), gu.models.mlp(2, 64, 64, 1, slope=0.2)


def by_hand(case: Case, seed: int, look: Callable[..., None]) -> None:
    """Train as tutorials do; call ``look(step, latent, **what update takes)`` now and then."""
    torch.manual_seed(seed)
    draw, (G, D) = gu.generator(seed), networks(case)
    latent, source = G[1].in_features, SOURCES[case.source]
    betas = (case.beta1, 0.99 if case.mended else 0.999)
    opt_g = torch.optim.Adam(G.parameters(), lr=case.lr_g, betas=betas)
    opt_d = torch.optim.Adam(D.parameters(), lr=case.lr_d, betas=betas)
    for step in range(1, case.steps + 1):
        real = source.sample(case.batch, draw)
        fake = G(torch.randn(case.batch, latent)).detach()
        opt_d.zero_grad()
        a, b = D(real), D(fake)
        if case.mended:
            loss = softplus(b - a).mean() + case.mended / 2 * (steepness(D, real) + steepness(D, fake))
        else:
            loss = softplus(-a).mean() + softplus(b).mean()
        loss.backward()
        opt_d.step()

        opt_g.zero_grad()
        fake = G(torch.randn(case.batch, latent))
        d_fake = D(fake)
        loss = softplus(D(real) - d_fake).mean() if case.mended else softplus(-d_fake).mean()
        loss.backward()
        if step % case.every == 0:
            look(step, latent, real=real, fake=fake, d_real=D(real), d_fake=d_fake, D=D, G=G)
        opt_g.step()


def steepness(D: nn.Module, x: Tensor) -> Tensor:
    """Return the mean squared norm of D's gradient at x."""
    x = x.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(1).mean()


@functools.cache
def data_spread(source: str) -> float:
    """Return the spread of 1,000 data."""
    return gu.metrics.spread(SOURCES[source].sample(1_000, gu.generator(1)).flatten(1)).item()


def truth(case: Case, samples: Tensor) -> str:
    """Return C (sick), H (well) or - of many samples."""
    source = SOURCES[case.source]
    s = gu.metrics.spread(samples[:1_000].flatten(1)).item() / data_spread(case.source)
    lacking = 0.0
    if isinstance(source, gu.data.Mixture):
        counts = torch.bincount(source.nearest(samples)[0], minlength=source.modes)
        lacking = float((counts < len(samples) / source.modes / 4).double().mean())
    return "C" if s < 0.25 or lacking >= 0.5 else "H" if s > 0.5 and lacking <= 0.25 else "-"


def run_by_hand(case: Case, seed: int) -> dict[str, Any]:
    """Train one seed under a monitor; return its truth, its alarms and what a look cost."""
    monitor = gu.CollapseMonitor(patience=PATIENCE, on_alarm=lambda alarm: None)
    states, seconds = [], []

    def look(step: int, latent: int, **seen: Any) -> None:
        begin = time.process_time()
        monitor.update(step, **seen)
        seconds.append(time.process_time() - begin)
        with torch.no_grad():
            states.append(truth(case, seen["G"](torch.randn(TRUE_SAMPLES, latent, generator=gu.generator(2)))))

    begin = time.process_time()
    by_hand(case, seed, look)
    return record(seed, states, monitor) | {
        "look_ms": 1e3 * statistics.median(seconds),
        "share_of_time": sum(seconds) / (time.process_time() - begin),
    }


def run_ensemble(case: Case, seeds: range) -> list[dict[str, Any]]:
    """The same through ``gu.fit``, all seeds at once."""
    G, D = networks(case)
    betas = (case.beta1, 0.99 if case.mended else 0.999)
    recipe = gu.GAN(
        G,
        D,
        loss="relativistic" if case.mended else "nonsaturating",
        penalties=(gu.penalties.r1(case.mended), gu.penalties.r2(case.mended)) if case.mended else (),
        opt_g=gu.optim.adam(case.lr_g, betas=betas),
        opt_d=gu.optim.adam(case.lr_d, betas=betas),
    )
    monitors = [gu.CollapseMonitor(patience=PATIENCE, on_alarm=lambda alarm: None) for _ in seeds]
    states: list[list[str]] = [[] for _ in seeds]

    def look(step: int, run: gu.Run) -> dict[str, float]:
        for state, samples in zip(states, run.sample(TRUE_SAMPLES), strict=True):
            state.append(truth(case, samples))
        return {}

    gu.fit(
        recipe,
        SOURCES[case.source],
        steps=case.steps,
        seeds=list(seeds),
        batch=case.batch,
        callbacks=[gu.monitor.watch(monitors, case.batch), look],
        callback_every=case.every,
        progress=False,
    )
    return [record(*each) for each in zip(seeds, states, monitors, strict=True)]


def record(seed: int, states: list[str], monitor: gu.CollapseMonitor) -> dict[str, Any]:
    """Return what is kept of a run."""
    alarms = [[alarm.kind, alarm.step, alarm.cleared] for alarm in monitor.alarms]
    return {"seed": seed, "truth": "".join(states), "alarms": alarms}


def judged(case: Case, run: dict[str, Any]) -> dict[str, Any]:
    """Say of one run: was it ill, was that found and when, and how many alarms were false."""
    steps = range(case.every, case.steps + 1, case.every)
    state = dict(zip(steps, run["truth"], strict=True))
    alarms = [(step, cleared or case.steps + 1) for kind, step, cleared in run["alarms"] if kind in ABOUT_DIVERSITY]
    spells, at = [], 0
    for kind, group in groupby(run["truth"]):
        length = len(list(group))
        if kind == "C" and length > PATIENCE:
            spells.append((steps[at], steps[at + length - 1]))
        at += length
    found = [[max(a, first) for a, over in alarms if a <= last and over > first] for first, last in spells]
    return {
        "ill": bool(spells),
        "spells": len(spells),
        "found": sum(map(bool, found)),
        "missed": [spell for spell, when in zip(spells, found, strict=True) if not when],
        "delays": [min(when) - first for when, (first, _) in zip(found, spells, strict=True) if when],
        "false": sum(state[step] == "H" for step, _ in alarms),
        "end": run["truth"][-1] + ("!" if any(over > case.steps for _, over in alarms) else "."),
        "others": sorted({kind for kind, *_ in run["alarms"] if kind not in ABOUT_DIVERSITY}),
    }


def summary(case: Case, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up the runs of a case."""
    each = [judged(case, run) for run in runs]
    ill = [e for e in each if e["ill"]]
    out: dict[str, Any] = {
        "runs": len(each),
        "ill": len(ill),
        "ill_and_found": sum(e["found"] == e["spells"] for e in ill),
        "false": sum(e["false"] > 0 for e in each),
        "missed": [spell for e in ill for spell in e["missed"]],
        "delay": statistics.median(delays) if (delays := [d for e in ill for d in e["delays"]]) else None,
        "end": dict(Counter(e["end"] for e in each)),
        "others": dict(Counter(kind for e in each for kind in e["others"])),
    }
    if "look_ms" in runs[0]:
        out |= {key: statistics.median(run[key] for run in runs) for key in ("look_ms", "share_of_time")}
    return out


HEAD = """\
| case | runs | ill | found (95 %) | median delay, steps | runs with a false alarm (95 %) | at the end | other alarms, in runs |
|---|---|---|---|---|---|---|---|"""


def line(name: str, s: dict[str, Any]) -> str:
    """Return a row of the Markdown table."""

    def rate(k: int, n: int) -> str:
        return f"{k} of {n} ({gu.metrics.wilson(k, n)[0]:.2f}-{gu.metrics.wilson(k, n)[1]:.2f})" if n else "-"

    pairs = (", ".join(f"{key} {n}" for key, n in sorted(s[column].items())) for column in ("end", "others"))
    found, false = rate(s["ill_and_found"], s["ill"]), rate(s["false"], s["runs"])
    return f"| {name} | {s['runs']} | {s['ill']} | {found} | {s['delay']} | {false} | " + " | ".join(pairs) + " |"


def main() -> None:
    """Print the table; with --json, also write every run with its provenance, case by case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="cases to run (default all)")
    parser.add_argument("--seeds", type=int, help="runs a case (default: as in CASES)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0; tuning used 100 and above)")
    parser.add_argument("--json", type=Path, help="file to write the cases to; others in it are kept")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n\n{HEAD}", flush=True)
    command = ["python", "benchmarks/monitor_alarms.py", "--only"]
    # Asked for before anything runs: the folder may move on, and the first case that is written changes it.
    made = gu.benchmark.provenance(command)
    for name in arguments.only:
        begin, case = time.process_time(), CASES[name]
        seeds = range(arguments.first, arguments.first + (arguments.seeds or case.seeds))
        runs = run_ensemble(case, seeds) if case.fit else [run_by_hand(case, seed) for seed in seeds]
        found = summary(case, runs)
        print(line(name, found), flush=True)
        if arguments.json:
            spent = {"threads": torch.get_num_threads(), "cpu_seconds": round(time.process_time() - begin)}
            kept = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
            own = made | spent | {"command": " ".join([*command, name])}
            kept[name] = {"provenance": own, "case": case._asdict(), "summary": found, "runs": runs}
            arguments.json.write_text(json.dumps(kept, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
