"""What must survive: a run that is killed, a disk that is full, files that were cut, bent or made to do harm.

As a script this file trains, and kills itself: ``python tests/test_survival.py FOLDER KILLS``. See :func:`trial`.
"""

from __future__ import annotations

import errno
import functools
import gc
import hashlib
import json
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils._pytree import tree_leaves

import gan_utils as gu
from gan_utils import checkpoint, training

KILLS, STEPS = 50, 8
WRITING = ("checkpoint", "half a file")
PIECES = 20  # in which a checkpoint is written here, so that a kill can fall in the middle of it


@functools.cache
def recipe() -> gu.GAN:
    G = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
    D = nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(4, 1))
    return gu.GAN(G, D, ema=0.9, opt_d=gu.optim.optimistic(gu.optim.adam()))


def train(path: Path | None = None, steps: int = STEPS, **more) -> gu.Run:
    setting = {"seeds": [3], "batch": 4, "log_every": 2, "frames": 3, "frame_size": 4, "checkpoint": path}
    setting |= {"checkpoint_every": 2, "device": "cpu", "compile": False, "progress": False}
    return gu.fit(recipe(), gu.data.ring(), steps=steps, **(setting | more))


def fingerprint(run: gu.Run) -> str:
    """Return a digest of all that training made: every bit of the state, the logs and the frames."""
    facts = [run.step, run.log_steps, run.frame_steps]
    tensors = tree_leaves((run.state, run.logs, run.frame_samples))
    return hashlib.sha256(pickle.dumps((facts, [t.numpy().tobytes() for t in tensors]))).hexdigest()


# --- killed: this part runs in a process of its own


def trial(folder: Path, kills: int) -> None:
    """Train until ``kills`` processes have been killed, and print as JSON where that was and what came out at last.

    A moment is a line of gan_utils, or a piece of a file, that is reached between the first step and the last. The moments
    are counted, so that one drawn from a seeded stream is the same each time; nobody waits. Every other one is drawn from
    those of writing, which are few. Each process is a fork of this one, which saves it the import of torch. A killed run
    is gone on with by the next, until it is through.
    """
    training.BLOCK = 3  # so that a run of few steps needs several blocks of noise
    train()  # torch imports a good deal more at its first step: once for all forks
    gc.freeze()  # so that a fork's garbage collection leaves the memory that it shares alone
    dice, killed, ended = random.Random(0), [], []
    _, whole, moments = in_a_fork(folder / "whole.safetensors", "any", 10**9)
    while len(killed) < kills:
        path = folder / f"{len(ended)}.safetensors"
        outcome = None
        while outcome is None:
            kind = ("any", "writing")[len(killed) % 2]
            where, outcome, _ = in_a_fork(path, kind, dice.randint(1, moments[kind] // 3))
            if outcome is None:
                killed.append(where)
                if path.exists():
                    checkpoint.load_tensors(path)  # whole, at any moment
        ended.append(outcome)
    gc.unfreeze()  # or else Python complains of leaks when it ends
    print(json.dumps({"killed": killed, "ended": ended, "whole": whole, "threads": len(os.listdir("/proc/self/task"))}))


def in_a_fork(path: Path, kind: str, fatal: int) -> tuple[str, str | None, dict[str, int]]:
    """Train in a fork that kills itself at its ``fatal``-th moment of a kind.

    Return the place of the last moment, the fingerprint of the run (None if it was killed), and how many moments passed.
    """
    pipe, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        passed = count_moments(kind, fatal, lambda where: os.write(mouth, json.dumps([where, None, {}]).encode()))
        run = train(path)
        sys.settrace(None)
        os.write(mouth, json.dumps(["", fingerprint(run), passed]).encode())
        os._exit(0)
    os.close(mouth)
    _, status = os.waitpid(child, 0)
    with os.fdopen(pipe) as said:
        where, outcome, passed = json.load(said)
    assert os.WTERMSIG(status) == (signal.SIGKILL if outcome is None else 0)
    return where, outcome, passed


def count_moments(kind: str, fatal: int, last_words: Callable[[str], object]) -> dict[str, int]:
    """Count moments from the first step on, and die at the ``fatal``-th of this kind, "any" or "writing"."""
    passed, inside = {"any": 0, "writing": 0}, os.path.dirname(gu.__file__)

    def moment(where: str) -> None:
        passed["any"] += 1
        passed["writing"] += where in WRITING
        if passed[kind] == fatal:
            last_words(where)
            os.kill(os.getpid(), signal.SIGKILL)

    def trace(frame, event, _):
        if not frame.f_code.co_filename.startswith(inside):
            return None
        if event == "line":
            moment(Path(frame.f_code.co_filename).stem)
        return trace

    def in_pieces(*args, **more):
        file = opened(*args, **more)
        write = file.write

        def write_in_pieces(data):
            size = -(-len(data) // PIECES)
            for start in range(0, len(data), size):
                write(data[start : start + size])
                file.flush()
                moment("half a file")

        file.write = write_in_pieces
        return file

    def from_now_on(*args):
        sys.settrace(trace)
        begin(*args)

    opened, tempfile.NamedTemporaryFile = tempfile.NamedTemporaryFile, in_pieces
    begin, training._train = training._train, from_now_on
    return passed


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a fork of a process that has computed may crash")
def test_a_run_killed_at_fifty_moments_ends_as_if_it_had_not_been(tmp_path):
    command = [sys.executable, __file__, str(tmp_path), str(KILLS)]
    root = str(Path(gu.__file__).parents[1])
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": root + os.pathsep + os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["threads"] == 1, "a fork of a process with threads may hang"
    assert len(said["killed"]) >= KILLS and set(said["ended"]) == {said["whole"]}
    places = Counter(said["killed"])
    assert sum(places[name] for name in WRITING) >= KILLS // 2 and places["half a file"] >= 1, places
    assert len(places) >= 6, places  # and training, wherever it was


# --- a disk that is full, a folder that may not be written to


def refused(run: gu.Run, path: Path) -> None:
    """What must hold after a checkpoint could not be written: nothing is lost, and nothing is left behind."""
    assert run.step == STEPS and fingerprint(run) == fingerprint(train())
    assert run.sample(5).shape == (1, 5, 2)
    assert not path.exists() and list(path.parent.glob(".*")) == []
    run.save(path)  # as soon as there is room
    assert fingerprint(train(path)) == fingerprint(run)


def test_a_disk_that_fills_up_in_the_middle_of_a_checkpoint_costs_a_warning_not_the_run(tmp_path):
    path = tmp_path / "run.safetensors"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))  # the kernel itself stops the write
        with pytest.warns(
            UserWarning, match=r"run\.safetensors could not be written: File too large.*run stays in memory"
        ):
            run = train(path)
        with pytest.raises(OSError, match=r"run\.safetensors could not be written: File too large"):
            run.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    refused(run, path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT], ids=os.strerror)
def test_a_folder_that_takes_no_file_costs_a_warning_not_the_run(tmp_path, monkeypatch, code):
    """By a changed os.open and not by chmod, which does not hold for root."""
    path, opened = tmp_path / "run.safetensors", os.open

    def denied(name, flags, *more, **others):
        if flags & os.O_CREAT and str(tmp_path) in str(name):
            raise OSError(code, os.strerror(code), name)
        return opened(name, flags, *more, **others)

    monkeypatch.setattr(os, "open", denied)
    with pytest.warns(
        UserWarning, match=rf"run\.safetensors could not be written: {os.strerror(code)}.*stays in memory"
    ):
        run = train(path)
    monkeypatch.undo()
    refused(run, path)


# --- files that were cut or bent


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "run.safetensors"
    train(path, steps=4)
    return path


def outcomes(sound: Path, contents: Iterable[tuple[object, bytes]]) -> dict[object, str]:
    """Return for each named content whether it was "refused", or read "the same" as the sound file; anything else fails."""
    tensors, facts = checkpoint.load_tensors(sound)
    bent, found = sound.with_name("bent.safetensors"), {}
    for name, content in contents:
        bent.write_bytes(content)
        try:
            read, said = checkpoint.load_tensors(bent)
        except gu.CheckpointError as error:
            assert str(bent) in str(error), name
            assert "Remove it" in str(error) or "is no checkpoint of gan_utils" in str(error), (name, error)
            found[name] = "refused"
        else:
            assert said == facts and read.keys() == tensors.keys(), name
            assert all(torch.equal(read[key], value) for key, value in tensors.items()), name
            found[name] = "the same"
    return found


def test_a_checkpoint_that_was_cut_is_refused_wherever_the_cut_is(sound):
    good, dice = sound.read_bytes(), random.Random(0)
    cuts = [*range(12), *(dice.randrange(len(good)) for _ in range(200)), len(good) - 1]
    assert set(outcomes(sound, ((cut, good[:cut]) for cut in cuts)).values()) == {"refused"}
    longer = outcomes(sound, [("longer", good + b"\0")])
    assert longer == {"longer": "refused"}


def test_a_checkpoint_with_a_bit_flipped_is_refused_or_reads_the_same(sound):
    """A flipped bit may stand where it means nothing, in the name of a remark. It must never change a number unseen."""
    good, dice = sound.read_bytes(), random.Random(0)
    head = 8 + int.from_bytes(good[:8], "little")
    places = [*dice.sample(range(head), 600), *dice.sample(range(head, len(good)), 150)]

    def flipped(place: int) -> bytes:
        content = bytearray(good)
        content[place] ^= 1 << dice.randrange(8)
        return bytes(content)

    found = outcomes(sound, ((place, flipped(place)) for place in places))
    assert [place for place in places if place >= head and found[place] == "the same"] == []
    assert sum(outcome == "refused" for outcome in found.values()) > 0.9 * len(found)


def test_fit_refuses_a_bent_checkpoint_and_leaves_it_as_it_is(sound):
    bent, good = sound.with_name("last-bit.safetensors"), sound.read_bytes()
    content = good[:-1] + bytes([good[-1] ^ 1])
    bent.write_bytes(content)
    with pytest.raises(gu.CheckpointError, match=r"last-bit\.safetensors is damaged.*Remove it to start afresh"):
        train(bent)
    assert bent.read_bytes() == content


@given(data=st.data())
def test_a_record_of_a_benchmark_that_was_cut_is_refused(tmp_path_factory, data):
    content = b'{"task": "ring", "runs": {\n"a": {"steps": 3}\n}}'
    path = tmp_path_factory.getbasetemp() / "record.json"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ValueError, match=r"record\.json is no record of a benchmark.*Use another path, or remove it"):
        gu.benchmark.read(path)


# --- files that were made to do harm


class Harm:
    """Unpickled, it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("form", [*range(pickle.HIGHEST_PROTOCOL + 1), "torch", "torch, old form"])
def test_a_file_that_is_made_to_do_harm_does_none(tmp_path, form):
    path, target = tmp_path / "evil.ckpt", tmp_path / "harm"
    if isinstance(form, int):
        path.write_bytes(pickle.dumps(Harm(target), form))
        pickle.loads(path.read_bytes())
    else:
        torch.save({"state": Harm(target)}, path, _use_new_zipfile_serialization=form == "torch")
        torch.load(path, weights_only=False)
    target.rmdir()  # so harmful it is, to those who unpickle it
    for read in (train, train().restore, checkpoint.load_tensors):
        with pytest.raises(gu.CheckpointError, match=r"evil\.ckpt is damaged or no checkpoint"):
            read(path)
    with pytest.raises(ValueError, match=r"evil\.ckpt is no record"):
        gu.benchmark.read(path)
    assert not target.exists()


if __name__ == "__main__":
    torch.set_num_threads(1)
    trial(Path(sys.argv[1]), int(sys.argv[2]))
