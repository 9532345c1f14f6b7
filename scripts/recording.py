"""What the scripts that record a chapter's long runs share: how a file was made, and the file itself.

A recording is an .npz file without pickled objects: arrays named ``recipe/what``, and ``provenance``, a JSON text that says
of each recipe which command, commit, versions and machine made it.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.func import grad

from gan_utils import benchmark, runtime
from gan_utils.run import Run

ROOT = Path(__file__).resolve().parents[1]
Arrays = dict[str, np.ndarray]
Made = tuple[Arrays, dict[str, Any]]  # a recipe's arrays, and what was trained and how fast


def provenance(script: str, argv: list[str]) -> dict[str, Any]:
    """Return what one needs to make the file again: command, commit, versions and machine."""
    made = benchmark.provenance(["python", f"scripts/{Path(script).name}", *argv])
    return made | {"device": f"{made['device']}, 1 thread a recipe"}


def kept(path: Path, names: set[str]) -> Made:
    """Return what the file holds of the other recipes: arrays and how they were made."""
    if not path.exists():
        return {}, {}
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file if key.split("/")[0] not in {*names, "provenance"}}
        facts = json.loads(str(file["provenance"]))
    return arrays, {name: made for name, made in facts.items() if name not in names}


def record(path: Path, how: dict[str, Any], jobs: Mapping[str, Callable[[], Made]]) -> None:
    """Run the jobs, one process a recipe, and write what they return; the file's other recipes stay as they are.

    ``how`` is this command's :func:`provenance`. A job must be picklable: a ``functools.partial`` of a module's function.
    """
    with ProcessPoolExecutor(len(jobs), mp_context=get_context("spawn")) as pool:
        running = {name: pool.submit(job) for name, job in jobs.items()}
        results = {name: job.result() for name, job in running.items()}
    arrays, facts = kept(path, set(jobs))
    for name, (part, made) in results.items():
        arrays |= part
        facts[name] = how | made
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, provenance=json.dumps(facts, indent=1), **arrays)


def columns(table: pd.DataFrame, names: tuple[str, ...]) -> tuple[np.ndarray, Arrays]:
    """Return the steps at which a run's history has these columns, and of each column an array [seeds, steps]."""
    wide = {name: table.pivot(index="step", columns="seed", values=name).dropna() for name in names}
    return wide[names[0]].index.to_numpy(np.int32), {name: w.to_numpy(np.float32).T for name, w in wide.items()}


def read_idx(path: Path) -> torch.Tensor:
    """Return a gzipped file of MNIST's, in its IDX format: uint8 images [N, 28, 28], or labels [N]."""
    raw = gzip.decompress(path.read_bytes())
    start = 4 + 4 * raw[3]  # two zero bytes, the type, the number of axes, and each axis as a big-endian 32-bit integer
    shape = np.frombuffer(raw[4:start], ">i4")
    return torch.from_numpy(np.frombuffer(raw[start:], np.uint8).reshape(shape).copy())


def grey(x: torch.Tensor, levels: int) -> np.ndarray:
    """Return images in [-1, 1] as whole numbers from 0 to ``levels - 1``: few levels keep the file small."""
    return ((x + 1) / 2 * (levels - 1)).round().to(torch.uint8).numpy()


def rounded(values: torch.Tensor) -> list[float | None]:
    """Return numbers that JSON can hold, to four digits; None for NaN and Inf."""
    return [float(f"{v:.4g}") if math.isfinite(v) else None for v in values.double().tolist()]


def first_losses(run: Run) -> dict[str, list[Any]]:
    """Return D's losses at the logged steps up to 30, each row a seed: what a test makes again."""
    first = run.history.query("step <= 30").pivot(index="seed", columns="step", values="d_loss")
    rows = [rounded(torch.tensor(row)) for row in first.values]
    return {"step": [int(step) for step in first.columns], "d_loss": rows}


def slopes(run: Run, n: int) -> dict[str, list[float | None]]:
    """Return the mean slope of each member's D at n data and at n fakes of its last generator."""
    real, fakes, D = run.source.sample(n, runtime.generator(99)), run.sample(n, ema=False), run.gan.D
    found: dict[str, list[torch.Tensor]] = {"at_data": [], "at_fakes": []}
    for i, fake in enumerate(fakes):
        params, buffers = ({k: v[i] for k, v in part.items()} for part in (run.state.D.params, run.state.D.buffers))
        score = grad(lambda x, p=params, b=buffers: D(p, b, x, training=False)[0].sum())
        for x, where in ((real, "at_data"), (fake, "at_fakes")):
            found[where].append(score(x).flatten(1).norm(dim=1).mean())
    return {where: rounded(torch.stack(values)) for where, values in found.items()}


def write(path: Path, record: dict[str, Any]) -> None:
    """Write a record that is JSON, a line a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(run)}" for name, run in sorted(record.items()))
    path.write_text(f"{{\n{lines}\n}}\n", "utf-8")
