"""All recipes on one task, with equal compute and many seeds: what ``python -m gan_utils benchmark`` runs and records.

A record is a JSON file, written anew after every finished run, so that a benchmark that was stopped goes on where it was.
It holds, for each recipe and learning rate, the outcome of every seed and what is needed to make it again.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import math
import os
import platform
import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gan_utils import checks, data, metrics, runtime, zoo
from gan_utils.classifier import classifier
from gan_utils.gan import GAN, Batch, step
from gan_utils.metrics.modes import Coverage
from gan_utils.run import Run, Source
from gan_utils.training import checked, draw_block, fit

__all__ = ["TASKS", "Task", "products", "provenance", "read", "run", "table"]

PLAIN = "non-saturating"  # what a step of it costs is the unit of compute
MEASURES = ("modes", "fair", "good", "reverse_kl")
AT_ONCE = 1_280  # images of a member at a time


@dataclass(frozen=True)
class Task:
    """What every recipe is set to: the data, the compute, and how the outcome is measured."""

    source: Callable[[], Source]
    modes: int  #: known modes of the data
    cover: Callable[[Run, int], Coverage]  #: what n samples of each member cover of them
    steps: int  #: of the plain GAN; others get steps for the same number of matrix products
    batch: int
    seeds: int  #: by default
    looks: int  #: how often samples are measured
    samples: int  #: at each look
    at_last: int  #: at the end


def _of_mixture(run: Run, n: int) -> Coverage:
    return metrics.mode_coverage(run.sample(n), checks.kind("source", run.source, data.Mixture))


def _of_images(labels: Callable[[Tensor], Tensor], modes: int, run: Run, n: int) -> Coverage:
    # A member that has diverged makes NaN, which the classifier refuses: grey images are no digits either.
    parts = (run.sample(min(AT_ONCE, n - i), seed=i).nan_to_num(0.0) for i in range(0, n, AT_ONCE))
    return metrics.label_coverage(torch.cat([torch.stack([*map(labels, part)]) for part in parts], 1), modes)


def _digits(images: Tensor) -> Tensor:
    said = classifier().predict(images)
    return torch.where(said.is_digit, said.digit, -1)


#: The tasks by name.
#:
#: :meta hide-value:
TASKS: dict[str, Task] = {
    "ring": Task(partial(data.ring, std=0.01), 8, _of_mixture, 5_000, 128, 20, 40, 2_500, 2_500),
    "grid": Task(data.grid, 25, _of_mixture, 5_000, 128, 20, 40, 2_500, 2_500),
    "mnist": Task(data.mnist, 10, partial(_of_images, _digits, 10), 2_000, 64, 5, 10, 500, 2_500),
    "stacked-mnist": Task(
        data.stacked_mnist, 1_000, partial(_of_images, metrics.stacked_labels, 1_000), 2_000, 64, 3, 3, 1_000, 10_000
    ),
}


class _Products(TorchDispatchMode):
    """Adds up the operations of all matrix products; PyTorch's own counter cannot follow ``torch.func.grad``."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from torch.utils.flop_counter import flop_registry  # here, since importing it takes half a second

        out = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.total += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def products(gan: GAN, source: Source, batch: int) -> int:
    """Return how many floating-point operations the matrix products of one step take."""
    gan = checked(gan, source, batch)  # as fit does: how D sees a batch decides what a step multiplies
    noise = Batch(*(part[0] for part in draw_block(gan, source, 0, 0, batch)))
    state = gan.init(0)
    with _Products() as counted:
        step(gan, state, noise)
    return counted.total


def provenance(command: Sequence[str], device: str = "cpu") -> dict[str, Any]:
    """Return what one needs to make a record again: command, commit (where there is one), versions, device and machine."""
    root = Path(__file__).resolve().parents[1]

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True).stdout.strip()

    commit = git("rev-parse", "HEAD") if (root / ".git").exists() else ""
    dirty = commit and git("status", "--porcelain", "-uno", "--", ":!book/recorded")  # beside other records it may lie
    changed = " (with uncommitted changes)" if dirty else ""
    versions = {"python": platform.python_version()}
    for name in ("torch", "numpy", "gan-utils"):
        with contextlib.suppress(metadata.PackageNotFoundError):  # gan_utils may be used from its folder
            versions[name] = metadata.version(name)
    where = runtime.device(device)
    card = f"cuda ({torch.cuda.get_device_name(where)})" if where.type == "cuda" else where.type
    return {
        "command": shlex.join(map(str, checks.kind("command", command, Sequence))),
        "commit": commit + changed,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "versions": versions,
        "device": f"{card}, {platform.machine()}, {os.cpu_count()} cores",
    }


@dataclass(frozen=True)
class _Job:
    """One recipe at one learning rate, over all seeds."""

    task: str
    method: str
    times: float  # the recipe's own learning rate is multiplied by this
    seeds: tuple[int, ...]
    steps: int  # of the plain GAN
    device: str

    @property
    def name(self) -> str:
        return self.method if self.times == 1 else f"{self.method} x{self.times:g}"

    def gan(self, source: Source) -> GAN:
        return zoo.build(self.method, source, lr=self.times * zoo.Networks(tuple(source.shape)).lr)

    def plan(self) -> dict[str, Any]:
        """Return what the outcome depends on, but for versions: a record with the same plan is not made again."""
        task = TASKS[self.task]
        source = task.source()
        gan = self.gan(source)
        cost = products(gan, source, task.batch) / products(zoo.build(PLAIN, source), source, task.batch)
        looks = max(1, min(task.looks, round(self.steps / cost)))
        return {
            "method": self.method,
            "lr": f"x{self.times:g}",
            "seeds": list(self.seeds),
            "cost": float(f"{cost:.3g}"),
            "steps": looks * max(1, round(self.steps / cost / looks)),
            "looks": looks,
            "samples": [task.samples, task.at_last],
            "batch": task.batch,
            "source": source.describe(),
            "recipe": gan.describe(),
        }

    def run(self, plan: dict[str, Any], checkpoint: Path, threads: int | None) -> tuple[Path, str, dict[str, Any]]:
        """Train; return checkpoint, name, and plan and outcome: a number a seed, or a list of them a look."""
        if threads:
            torch.set_num_threads(threads)
        task = TASKS[self.task]
        source = task.source()
        every = plan["steps"] // plan["looks"]
        spent, begun = [], time.process_time()  # not time on the clock: others may be at work on the machine

        def look(step: int, run: Run) -> dict[str, Tensor]:
            nonlocal begun
            spent.append(time.process_time() - begun)
            covered = task.cover(run, task.samples)
            begun = time.process_time()
            return {name: getattr(covered, name) for name in MEASURES}

        run = fit(
            self.gan(source),
            source,
            steps=plan["steps"],
            seeds=plan["seeds"],
            batch=plan["batch"],
            device=self.device,
            callbacks=[look],
            callback_every=every,
            checkpoint=checkpoint,
            progress=False,
        )
        if run.step < plan["steps"]:
            raise KeyboardInterrupt
        covered = task.cover(run, task.at_last)
        outcome = {name: _plain(getattr(covered, name)) for name in MEASURES}
        how = {
            "diverged": run.diverged.tolist(),
            "looked": {name: [_plain(row) for row in run.metrics[name].values()] for name in ("fair", "good")},
            # Not the first look: it holds the compiling, or the mere rest of one that was begun before a stop.
            "ms": float(f"{1e3 * np.median(spent[1:] or spent) / every / len(self.seeds):.3g}") if spent else None,
            "seconds": round(run.seconds + run.compile_seconds, 1),
            "compiled": run.compiled,
        }
        return checkpoint, self.name, plan | outcome | how


def _plain(x: Tensor) -> list[Any]:
    """Return numbers that JSON can hold, to four digits; None for NaN."""
    if not x.is_floating_point():
        return x.tolist()
    return [None if math.isnan(v) else int(v) if v.is_integer() and v > 1 else float(f"{v:.4g}") for v in x.tolist()]


def run(
    task: str,
    methods: Iterable[str] | str = "all",
    *,
    seeds: int | None = None,
    steps: int | None = None,
    times: Iterable[float] = (1.0,),
    out: str | Path | None = None,
    jobs: int = 1,
    backend: str | None = None,
    device: str = "auto",
    command: Sequence[str] = ("gan_utils.benchmark.run",),
    say: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Run recipes on a task with equal compute, and return the :func:`table` of the record.

    Args:
        task: a name of :data:`TASKS`.
        methods: names of :func:`gan_utils.zoo.names`, or ``"all"`` that can be run on the task.
        seeds: how many, 0 to seeds - 1; the task's own number by default.
        steps: steps of the plain GAN. Every recipe gets steps for the same number of operations in matrix products.
        times: learning rates, as multiples of each recipe's own.
        out: the record, a JSON file. What is in it with the same plan is not run again; other runs in it are kept.
        jobs: runs at a time; -1 for one a core. Each then has one thread.
        backend: one of joblib's, such as ``"loky"`` (the default), ``"dask"`` or ``"ray"``, which reach other machines.
        device: as for :func:`~gan_utils.training.fit`.
        command: what to write into the record as the command that made it.
        say: called with a line of text, before the first run and after each.

    Raises:
        ValueError, TypeError, OSError: an argument that cannot work; before anything is run.
    """
    found = TASKS[checks.choice("task", task, TASKS)]
    names = _methods(methods, found.source())
    rates = [checks.number("times", factor, above=0) for factor in checks.kind("times", times, Iterable)]
    count = checks.integer("seeds", found.seeds if seeds is None else seeds)
    plain = checks.integer("steps", found.steps if steps is None else steps)
    path = checks.path("out", f"{task}.json" if out is None else out)
    jobs = jobs if jobs == -1 else checks.integer("jobs", jobs)
    checks.kind("say", say, Callable)
    record: dict[str, Any] = read(path) if path.exists() else {"task": task, "runs": {}}
    if record["task"] != task:
        raise ValueError(f"out must be a record of {task!r}; {path} is one of {record['task']!r}.")
    made = provenance(command, device)
    parts, todo = path.with_suffix(".parts"), []
    for factor in rates:
        for name in names:
            job = _Job(task, name, factor, tuple(range(count)), plain, device)
            plan = job.plan()
            if _compute(record["runs"].get(job.name, plan)) > 1.5 * _compute(plan):
                raise ValueError(f"out: {path} holds {job.name} with more seeds or steps: take another file.")
            if not plan.items() <= record["runs"].get(job.name, {}).items():
                todo.append((job, plan, parts / f"{_digest(plan)}.safetensors", None if jobs == 1 else 1))
    say(f"{task}: {len(todo)} runs to do, {len(rates) * len(names) - len(todo)} done before")
    if todo:
        _write(path, record)  # if that cannot be done, say so before the work and not after it
    for i, (checkpoint, name, outcome) in enumerate(_finished(todo, jobs, backend), 1):
        record = read(path) if path.exists() else record  # another process may have added to it
        record["runs"][name] = outcome | {"made": made}
        _write(path, record)
        checkpoint.unlink(missing_ok=True)  # not before: a full disk must not cost the work
        say(f"{i}/{len(todo)} {name}: {_brief(record['runs'][name], found.modes)}")
    if parts.exists() and not any(parts.iterdir()):
        parts.rmdir()
    return table(record)


def _methods(methods: Iterable[str] | str, source: Source) -> list[str]:
    if methods in ("all", ["all"]):
        return [name for name in zoo.names() if _fits(name, source)]
    given = [methods] if isinstance(methods, str) else list(checks.kind("methods", methods, Iterable))
    for name in given:
        zoo.build(name, source)  # names what is wrong
    return list(dict.fromkeys(given))


def _compute(run: dict[str, Any]) -> float:
    return len(run["seeds"]) * run["steps"] * run["cost"]


def _digest(plan: dict[str, Any]) -> str:
    """Return a name for a plan's checkpoint: one of another plan, with fewer steps say, must not be gone on with."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]


def _fits(name: str, source: Source) -> bool:
    try:
        return bool(zoo.build(name, source))
    except ValueError:  # a recipe for images, on points
        return False


def _finished(calls: list[tuple], jobs: int, backend: str | None) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Yield what each call returns, as soon as the backend hands it out."""
    import joblib

    if backend == "ray":  # its backend is known to joblib only after this
        from ray.util.joblib import register_ray

        register_ray()
    with joblib.parallel_config(backend=backend or "loky", n_jobs=jobs):
        later = (joblib.delayed(_Job.run)(*call) for call in calls)
        yield from joblib.Parallel(return_as="generator_unordered", batch_size=1)(later)


def _brief(run: dict[str, Any], modes: int) -> str:
    every = sum(fair == modes for fair in run["fair"])
    return (
        f"all modes in {every} of {len(run['seeds'])} seeds, {run['steps']:,} steps, {run['ms']} ms a step and seed, "
        f"{run['seconds']:.0f} s"
    )


def read(path: str | Path) -> dict[str, Any]:
    """Return a record: ``{"task": name, "runs": {name: run}}``. Raises OSError or ValueError, naming the file."""
    path = checks.path("path", path)
    try:
        record = json.loads(path.read_text("utf-8"))
        if not isinstance(record["runs"], dict) or record["task"] not in TASKS:
            raise KeyError("task")
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no record of a benchmark ({error!r}). Use another path, or remove it.") from None
    return record


def _write(path: Path, record: dict[str, Any]) -> None:
    """Write a record, a line a run, beside the file and then onto it: a kill spoils nothing."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(run)}" for name, run in sorted(record["runs"].items()))
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(f'{{"task": {json.dumps(record["task"])}, "runs": {{\n{lines}\n}}}}\n', "utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise OSError(f"out: {path} cannot be written ({error}). Mend that and run again: no work is lost.") from None


def table(record: dict[str, Any]) -> pd.DataFrame:
    """Return a record as a tidy table, one row for each recipe, learning rate and seed.

    Columns: method, lr (a multiple of the recipe's own), seed, cost (of a step, in steps of the plain GAN), steps, ms (of
    processor time for each step and seed; depends on the machine), modes, fair, good, reverse_kl (see
    :class:`~gan_utils.metrics.modes.Coverage`), diverged, and all_at: the share of the compute after which all modes had a
    quarter of their share for the first time, NaN for never.
    """
    task = checks.choice("record['task']", checks.kind("record", record, dict).get("task"), TASKS)
    modes, rows = TASKS[task].modes, []
    for run in record["runs"].values():
        fair = np.array(run["looked"]["fair"], dtype=float)
        full = fair >= modes
        first = np.where(full.any(0), (full.argmax(0) + 1) / len(fair), np.nan)
        own = {name: run[name] for name in ("method", "cost", "steps", "ms")} | {"lr": float(run["lr"][1:])}
        for i, seed in enumerate(run["seeds"]):
            rows.append(own | {"seed": seed} | {name: run[name][i] for name in (*MEASURES, "diverged")})
            rows[-1]["all_at"] = first[i]
    columns = ["method", "lr", "seed", "cost", "steps", "ms", *MEASURES, "diverged", "all_at"]
    return pd.DataFrame(rows, columns=columns).astype({"good": float, "reverse_kl": float})
