"""Record the reference MLP GAN on MNIST, plain and mended, for chapter 4: ``python scripts/record_mnist_reference.py``.

Writes book/1-the-game/recorded/mnist-reference.npz (no pickled objects): for each recipe its losses, the spread and the
reach of its samples over the steps, and a few samples; and, as JSON, how the file was made. One process a recipe, one
thread a process. A run that was stopped goes on from its checkpoint, in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gan_utils as gu

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "book" / "1-the-game" / "recorded" / "mnist-reference.npz"
BATCH, MEASURED, SHOWN, EVERY = 64, 500, 16, 50


def recipe(name: str) -> gu.GAN:
    """Return the reference network: ``plain``, with its usual loss, or ``mended``, relativistic with R1 and R2."""
    G, D = gu.models.mnist_generator(), gu.models.mnist_discriminator()
    if name == "plain":
        opt = gu.optim.adam(2e-4, betas=(0.5, 0.999))
        return gu.GAN(G, D, loss="nonsaturating", opt_g=opt, opt_d=opt)
    opt = gu.optim.adam(2e-4, betas=(0.5, 0.99))
    penalties = (gu.penalties.r1(10.0), gu.penalties.r2(10.0))
    return gu.GAN(G, D, loss="relativistic", penalties=penalties, opt_g=opt, opt_d=opt, ema=0.995)


def measure(step: int, run: gu.Run) -> dict[str, torch.Tensor]:
    """Return spread and reach of each member's samples, relative to those of as many fresh images."""
    draw = gu.generator(99)
    held, fresh = run.source.sample(1_000, draw).flatten(1), run.source.sample(MEASURED, draw).flatten(1)
    x = run.sample(MEASURED).flatten(2)
    return {
        "spread": gu.metrics.spread(x) / gu.metrics.spread(fresh),
        "reach": gu.metrics.reach(x, held) / gu.metrics.reach(fresh, held),
    }


def train(name: str, seeds: int, steps: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Train one recipe over several seeds; return its arrays, and what was trained and how fast."""
    torch.set_num_threads(1)
    checkpoint = Path(tempfile.gettempdir(), f"mnist-reference-{name}-{seeds}.safetensors")
    run = gu.fit(
        recipe(name),
        gu.data.mnist(),
        steps=steps,
        seeds=seeds,
        batch=BATCH,
        device="cpu",
        compile=True,
        log_every=10,
        callbacks=[measure],
        callback_every=EVERY,
        frames=5,
        frame_size=SHOWN,
        checkpoint=checkpoint,
    )
    table = run.history
    arrays = {}
    for steps_of, columns in (("logged", ("d_loss", "g_loss", "d_real", "d_fake")), ("measured", ("spread", "reach"))):
        for column in columns:
            wide = table.pivot(index="step", columns="seed", values=column).dropna()
            arrays[f"{name}/{column}"] = wide.to_numpy(np.float32).T  # [seeds, steps]
        arrays[f"{name}/{steps_of}"] = wide.index.to_numpy(np.int32)
    frames = run.frames
    grey = (
        ((frames.samples[:, :3] + 1) * 15.5).round().to(torch.uint8)
    )  # 32 levels: enough for the eye, small in the file
    arrays[f"{name}/frames"] = grey.numpy()
    arrays[f"{name}/frame_steps"] = np.array(frames.steps, dtype=np.int32)
    return arrays, {"seeds": list(run.seeds), "summary": run.summary().splitlines(), "recipe": run.describe()}


def provenance(argv: list[str]) -> dict[str, Any]:
    """Return what one needs to make the file again: command, commit, versions and machine."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True, text=True).stdout.strip()
    return {
        "command": shlex.join(["python", "scripts/record_mnist_reference.py", *argv]),
        "commit": commit + (" (with uncommitted changes)" if changed else ""),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "device": f"cpu, {platform.machine()}, {os.cpu_count()} cores, 1 thread a recipe",
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", type=int, nargs=2, default=(5, 1_200), metavar=("SEEDS", "STEPS"))
    parser.add_argument("--mended", type=int, nargs=2, default=(2, 2_000), metavar=("SEEDS", "STEPS"))
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    facts, begin = provenance(argv), time.perf_counter()
    jobs = {"plain": args.plain, "mended": args.mended}
    with ProcessPoolExecutor(len(jobs), mp_context=get_context("spawn")) as pool:
        done = {name: pool.submit(train, name, *size) for name, size in jobs.items()}
        results = {name: job.result() for name, job in done.items()}
    arrays = {key: value for part, _ in results.values() for key, value in part.items()}
    facts |= {name: made for name, (_, made) in results.items()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.out, provenance=json.dumps(facts, indent=1), **arrays)
    print(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
