"""``fit``: train many seeds of a GAN at once.

Noise is drawn ahead, :data:`BLOCK` steps at a time, on the CPU, from a stream that depends on the seed and the block
alone. So a seed inside an ensemble follows the same path as that seed by itself, the CPU and a GPU see the same noise,
and a run that is resumed needs no generator's state to go on as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import logging
import math
import random
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_leaves, tree_map

from gan_utils import checks, runtime
from gan_utils.functional import ends_in_sigmoid
from gan_utils.gan import GAN, Batch, Logs, Player, State, pairs, step
from gan_utils.listing import listed
from gan_utils.optim import Optimizer
from gan_utils.progress import Progress
from gan_utils.run import Run, Source, known
from gan_utils.terms import View

__all__ = ["BLOCK", "Advance", "checked", "draw_block", "fit"]

#: Steps for which noise is drawn at once. Part of what a seed means: changing it changes every run.
BLOCK = 50
#: From this many steps on, ``compile="auto"`` compiles, with small networks from four times as many: about where the time
#: won over replaying exceeds the 20-45 s of compiling. Measured: MNIST's MLPs at 1,000 steps, the ring's at 7,000 or more.
COMPILE_FROM = 1_500
#: From this many steps on, ``compile="auto"`` at least replays a list of the step's operations: making it costs 10-25 steps.
REPLAY_FROM = 50

Callback = Callable[[int, Run], Mapping[str, Any]]
Event = tuple[int, Callable[[], None]]  # (every so many steps, what to do then)


def draw_block(gan: GAN, source: Source, seed: int, block: int, batch: int) -> Batch:
    """Return the data and noise of steps ``block * BLOCK + 1`` to ``(block + 1) * BLOCK`` of one seed.

    A :class:`~gan_utils.gan.Batch` whose tensors have a leading dimension of :data:`BLOCK` steps; everything in it is a
    function of the arguments.
    """
    checks.kind("gan", gan, GAN), known(source, "shape", "sample"), checks.integer("batch", batch)
    generator = runtime.generator(seed, checks.integer("block", block, least=0))
    k = gan.d_steps
    n = BLOCK * k * batch
    x = checks.shaped(f"source.sample({n}), with replacement,", source.sample(n, generator), n, *source.shape)
    x = x.reshape(BLOCK, k, batch, *source.shape)
    z = torch.randn(BLOCK, k + 1, batch, gan.latent, generator=generator)
    judged = (math.prod(source.shape) + gan.latent,) if gan.joint else source.shape
    noise = torch.rand(BLOCK, k, *_noise_shape(gan, batch, judged), generator=generator)
    return Batch(x, z, noise, key=torch.randint(2**31, (BLOCK,), generator=generator))


def _noise_shape(gan: GAN, batch: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    wanted = {penalty.noise for penalty in gan.penalties}
    if "element" in wanted:
        return (batch, *shape)
    return (batch, *[1] * len(shape)) if "sample" in wanted else (0,)


def fit(
    gan: GAN,
    source: Source,
    *,
    steps: int,
    seeds: int | Sequence[int] = 1,
    batch: int = 128,
    lr_g: Sequence[float] | Tensor | None = None,
    lr_d: Sequence[float] | Tensor | None = None,
    device: str | torch.device = "auto",
    compile: bool | str = "auto",
    log_every: int | None = None,
    callbacks: Sequence[Callback] = (),
    callback_every: int | None = None,
    frames: int = 0,
    frame_size: int = 256,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    progress: bool = True,
) -> Run:
    """Train an ensemble of GANs, one for each seed, and return the :class:`Run`.

    Args:
        gan: the recipe.
        source: the data; see :class:`Source`.
        steps: steps in all: a resumed run does those that are left, and may not have done more already.
        seeds: a number n, for seeds 0 to n - 1, or the seeds themselves.
        batch: samples in a batch. Those of 50 steps are held in memory: of each seed ``50 * d_steps * batch`` samples.
        lr_g, lr_d: learning rates, one for each seed, in place of the one of ``gan.opt_g`` or ``gan.opt_d``. So one
            ensemble sweeps a learning rate; the history then has a column of that name.
        device: ``"auto"`` (CUDA if there is one, else the CPU) or a device.
        compile: True; False, which runs the networks' Python at every step; ``"replay"``, which lists a step's operations
            once and replays them, to the same bits as False; or ``"auto"``, which compiles runs of at least 1,500 steps
            (6,000 if D has at most 131,072 weights), and replays from 50 on. Without a working C++ compiler the run goes
            on eagerly, and the summary says so.
        log_every: steps between rows of the history; about 500 rows a seed by default, or as before in a resumed run.
        callbacks: functions ``(step, run) -> {name: number or tensor [seeds]}``; the values become history columns. One
            that returns None adds nothing. :func:`gan_utils.monitor.watch` makes one that warns of collapse.
        callback_every: steps between their calls; 20 calls by default.
        frames: snapshots to keep, or a few more: evenly spaced from step 0 on, and the last step; needs at least 2.
        frame_size: samples in a snapshot.
        checkpoint: a file to save to and, if it exists, to resume from: the same call gives a finished run back, and one
            with more ``steps`` goes on. Recipes are told apart by what they print: give a
            network whose ``forward`` holds constants of its own an ``extra_repr``.
        checkpoint_every: steps between saves; ten saves by default.
        progress: show a progress bar.

    Interrupting (Ctrl-C, the stop button) ends training cleanly: the run so far is saved and returned, with a warning.
    Not for several threads at once: torch's global generator serves all of them. In another process, build the recipe there:
    it holds functions, which are not pickled.

    A warning, and no error, where a penalty meets a D that judges a sample by its batch: the penalty is about D's slope at one
    sample, which then depends on the others (Gulrajani et al., 2017, section 4). ``GAN(..., together=False)`` silences it.

    Raises:
        ValueError, TypeError: for an argument that cannot work, before any training.
        CheckpointError: ``checkpoint`` exists but is damaged or of another recipe; it is left as it is.

    Example:
        Ten GANs, alike but for their seed, on a ring of eight clusters; a few steps, to see the form of what comes back:

        >>> ring = gu.data.ring()
        >>> gan = gu.zoo.build("r3gan", ring)
        >>> run = gu.fit(gan, ring, steps=3, seeds=10, batch=16, device="cpu", progress=False)
        >>> run.sample(100).shape
        torch.Size([10, 100, 2])
        >>> gu.metrics.mode_coverage(run.sample(100), ring).modes.shape
        torch.Size([10])
        >>> list(run.history.columns)
        ['seed', 'step', 'd_loss', 'g_loss', 'd_real', 'd_fake', 'diverged']
    """
    steps, batch = checks.integer("steps", steps), checks.integer("batch", batch)
    where = runtime.device(device)
    if compile not in (True, False, "auto", "replay"):
        raise ValueError(f"compile must be True, False, 'auto' or 'replay'; got {compile!r}.")
    names = _seeds(seeds)
    gan = checked(gan, source, batch)
    state = tree_map(lambda *members: torch.stack(members).to(where), *map(gan.init, names))
    rates_g, G = _sweep("lr_g", lr_g, len(names), gan.opt_g, state.G)
    rates_d, D = _sweep("lr_d", lr_d, len(names), gan.opt_d, state.D)
    run = Run(
        gan=gan,
        source=source.to(where) if hasattr(source, "to") else source,
        seeds=names,
        batch=batch,
        lr_g=rates_g,
        lr_d=rates_d,
        state=state._replace(G=G, D=D),
        device=where,
        log_every=checks.integer("log_every", max(1, steps // 500) if log_every is None else log_every),
        compiled=_pays(steps, D) if compile == "auto" else compile not in (False, "replay"),
    )
    if checkpoint is not None and checks.path("checkpoint", checkpoint).exists():
        run.restore(checkpoint)
        if run.step > steps:
            raise ValueError(f"steps must be at least {run.step:,}, which {checkpoint} has done; got {steps:,}.")
        run.log_every = log_every or run.log_every
        kept = {sample.shape[1] for sample in run.frame_samples}
        if frames and kept - {frame_size}:
            raise ValueError(f"frame_size must stay {kept.pop()}, that of snapshots in {checkpoint}; got {frame_size}.")
        run.compiled = run.compiled if compile == "auto" else compile not in (False, "replay")
    events = [*_frame_events(run, steps, frames, frame_size), *_callback_events(run, steps, callbacks, callback_every)]
    if checkpoint is not None:
        gap = max(1, steps // 10) if checkpoint_every is None else checks.integer("checkpoint_every", checkpoint_every)
        events.append((gap, partial(_save, run, checkpoint)))
    replay = compile == "replay" or (compile == "auto" and steps - run.step >= REPLAY_FROM)
    _train(Advance(run, replay=replay), steps, events, progress)
    if checkpoint is not None and run.step < steps:  # interrupted
        _save(run, checkpoint)
    return run


def _pays(steps: int, D: Player) -> bool:
    return steps >= COMPILE_FROM * (4 if sum(w[0].numel() for w in D.params.values()) <= 2**17 else 1)


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    seeds = seeds.tolist() if hasattr(seeds, "tolist") else seeds
    if isinstance(seeds, Sequence) and not isinstance(seeds, str):
        names = tuple(checks.integer("seeds", seed, least=0) for seed in seeds)
        if not names or len(set(names)) < len(names):
            raise ValueError(f"seeds must name at least one seed and none twice; got {list(seeds)}.")
        return names
    return tuple(range(checks.integer("seeds", seeds)))


def _sweep(
    name: str, given: Sequence[float] | Tensor | None, count: int, optimizer: Optimizer, player: Player
) -> tuple[tuple[float, ...] | None, Player]:
    """Return the learning rates of a sweep (None without one), and the player whose members start with them."""
    if given is None:
        return None, player
    rates = given.tolist() if hasattr(given, "tolist") else given
    if not isinstance(rates, Sequence) or isinstance(rates, str):
        raise TypeError(f"{name} must be a sequence of numbers, one for each seed; got {given!r}.")
    if len(rates) != count:
        raise ValueError(f"{name} must have one number for each of the {count} seeds; got {len(rates)}.")
    rates = tuple(checks.number(name, rate, above=0) for rate in rates)
    try:
        return rates, player._replace(opt=_with_rates(player.opt, torch.tensor(rates)))
    except KeyError:
        raise ValueError(f"{name} cannot be set: {optimizer.name} keeps no 'lr' in its state.") from None


def _with_rates(opt: dict, rates: Tensor) -> dict:
    """Return an optimiser's state with these learning rates; one that wraps another keeps its state under "inner"."""
    if "lr" in opt:
        return opt | {"lr": rates.to(opt["lr"])}
    return opt | {"inner": _with_rates(opt["inner"], rates)}


@torch.no_grad()
def checked(gan: GAN, source: Source, batch: int) -> GAN:
    """Return the recipe as ``fit`` trains it: whether D may see real and fake samples in one batch is settled.

    The shapes are tried once on real data, so that a mistake is named here (ValueError, TypeError) and not deep in torch.
    """
    checks.kind("gan", gan, GAN), known(source), checks.integer("batch", batch)
    state = gan.init(0)
    real = source.sample(batch, runtime.generator(0))
    checks.shaped("source.sample(batch)", real, batch, *source.shape)
    if checks.finite("source.sample(batch)", real).dtype != torch.float32:
        raise TypeError(f"source.sample(batch) must hold float32; got {real.dtype}: add .float().")
    if not torch.equal(real, source.sample(batch, runtime.generator(0))):
        raise ValueError("source.sample(n, generator) must draw with the generator alone; two calls gave other data.")
    z = torch.randn(batch, gan.latent, generator=runtime.generator(0))
    made = fake = _try_network("G", gan.G, state.G.params, state.G.buffers, z, f"latents {list(z.shape)}")
    if fake.shape != real.shape:
        raise ValueError(f"G gives {list(fake.shape)} for latents {list(z.shape)}; the data are {list(real.shape)}.")
    if fake.dtype != real.dtype:
        raise TypeError(f"G must give float32, as the data are; it gives {fake.dtype}: add .float().")
    judged = "data"
    if gan.joint:
        encoder = partial(gan.G, encode=True)
        code = _try_network("G's encoder", encoder, state.G.params, state.G.buffers, real, f"data {list(real.shape)}")
        checks.shaped("G's encoder(data)", code, batch, gan.latent)
        judged, real, fake = "pairs", pairs(real, code), pairs(fake, z)
    logits = _try_network("D", gan.D, state.D.params, state.D.buffers, real, f"{judged} {list(real.shape)}")
    if logits.ndim == 0 or logits.numel() != logits.shape[0] or batch % logits.shape[0]:
        raise ValueError(f"D must give one logit a sample, [{batch}] or [{batch}, 1]; it gives {list(logits.shape)}.")
    with torch.enable_grad():
        graph = gan.D({k: v.clone().requires_grad_() for k, v in state.D.params.items()}, state.D.buffers, real)[0]
    if ends_in_sigmoid(graph):
        raise ValueError("D must end in logits, which the losses take: leave out its last step, the sigmoid.")
    alike = logits.reshape(len(logits))
    checks.kind("loss.d(real, fake)", gan.loss.d(alike, alike), Tensor)
    looks: list[Tensor] = []

    def on_real() -> Tensor:
        looks.append(alike)
        return alike

    checks.kind("loss.g(fake, real)", gan.loss.g(alike, on_real), Tensor)
    if gan.joint and not looks and not gan.terms:
        raise ValueError(f"loss={gan.loss.name!r} never trains G's encoder: take 'bidirectional', or a term of E's.")
    if gan.replay and 0 < gan.replay.share * batch <= 0.5:
        raise ValueError(f"replay: its share, {gan.replay.share:g} of batches of {batch}, is not one fake: give more.")
    features = partial(gan.D.features, state.D.params, state.D.buffers)
    view = View(z, made, fake, real, features, partial(gan.G.encode, state.G.params, state.G.buffers))
    for term in gan.terms:
        name = f"the term {term.name!r}"
        try:
            checks.finite(f"{name} on {batch} samples", checks.shaped(name, term.value(view)))
        except (RuntimeError, IndexError) as error:
            raise ValueError(f"{name} fails with these networks: {str(error).splitlines()[0]}") from error
    if gan.together is None:
        gan = replace(gan, together=gan.D.judges_alone(state.D.params, state.D.buffers, real, fake))
        if gan.penalties and not gan.together:
            text = "D judges a sample by its batch (BatchNorm?), which gradient penalties forbid: try LayerNorm."
            warnings.warn(text, stacklevel=4)  # Gulrajani et al. (2017), section 4
    return gan


def _try_network(role: str, network: Callable, params: dict, buffers: dict, x: Tensor, fed: str) -> Tensor:
    before = _global_draws()
    try:
        out = network(params, buffers, x)[0]
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        hint = " (Should they be [B, Z, 1, 1], begin G with nn.Unflatten(1, (Z, 1, 1)). For another Z pass latent=Z.)"
        raise ValueError(f"{role} cannot take {fed}: {str(error).splitlines()[0]}{hint * (role == 'G')}") from error
    if not isinstance(out, Tensor):
        raise TypeError(f"{role} must return one tensor; it returned {type(out).__name__}.")
    if before != _global_draws():
        raise ValueError(
            f"{role} draws random numbers of its own, which no seed would reproduce. For dropout use nn.Dropout, which "
            f"fit() seeds, and dropout=0 in attention and recurrent layers; feed other noise through the latents or the source."
        )
    return out


def _global_draws() -> tuple:
    """Return how far the generators have come that no seed of ours sets: torch's, Python's and NumPy's."""
    return torch.random.get_rng_state().tolist(), random.getstate(), np.random.get_state(legacy=False)["state"]["pos"]


def _frame_events(run: Run, steps: int, frames: int, size: int) -> list[Event]:
    if not frames:
        return []
    count = checks.integer("frames", frames, least=2) - 1
    size = checks.integer("frame_size", size)

    def keep() -> None:
        sample = run.sample(size)  # an interrupt may fall in here: the two lists must stay of one length
        run.frame_samples.append(sample)
        run.frame_steps.append(run.step)

    if run.step == 0:
        keep()
    return [(max(1, steps // count), keep)]


def _callback_events(run: Run, steps: int, callbacks: Sequence[Callback], every: int | None) -> list[Event]:
    for callback in checks.kind("callbacks", callbacks, Sequence):
        checks.kind("callbacks", callback, Callable)
    if not callbacks:
        return []

    def measure() -> None:
        for callback in callbacks:
            said = callback(run.step, run)
            said = {} if said is None else checks.kind("what one of callbacks returned", said, Mapping)
            for name, value in said.items():
                if name in ("seed", "lr_g", "lr_d", "step", "diverged", *Logs._fields):
                    raise ValueError(f"a callback returned {name!r}, which is a column of the history already.")
                values = checks.numbers(f"a callback's {name!r}", value).detach().cpu()
                values = checks.shaped(f"a callback's {name!r}", values, len(run.seeds)) if values.ndim else values
                values = values.expand(len(run.seeds))
                run.metrics.setdefault(name, {})[run.step] = values.clone(memory_format=torch.contiguous_format)

    return [(max(1, steps // 20) if every is None else checks.integer("callback_every", every), measure)]


def _save(run: Run, path: str | Path) -> None:
    try:
        run.save(path)
    except OSError as error:  # a full disk must not cost the run
        warnings.warn(f"{error} Training goes on; the run stays in memory.", stacklevel=2)


def _train(advance: Advance, steps: int, events: list[Event], progress: bool) -> None:
    run, begin, done, pace = advance.run, time.perf_counter(), advance.run.step, 1
    bar = Progress(steps, f"{len(run.seeds)} GANs" if len(run.seeds) > 1 else "1 GAN", show=progress)
    with _interrupts_between_chunks() as interrupted:
        try:
            while run.step < steps and not interrupted:
                first, block_end = run.step, (run.step // BLOCK + 1) * BLOCK
                stop = min(steps, block_end, first + pace, *((run.step // every + 1) * every for every, _ in events))
                advance.to(stop)
                took = time.perf_counter() - begin
                run.seconds += took
                pace = max(1, int((stop - first) / max(took, 1e-9)))  # of a second: interrupts are heard between chunks
                for act in [act for every, act in events if run.step % every == 0 or run.step == steps]:
                    act()
                begin = time.perf_counter()
                bar.show(run.step)
        except KeyboardInterrupt:  # from a callback; training itself is never cut short within a chunk
            interrupted.append(True)
    if interrupted and run.step < steps:
        warnings.warn(f"stopped at step {run.step} of {steps}; the run so far is returned.", stacklevel=3)
    lost = f"; {bad} diverged" if (bad := int(run.diverged.sum())) else ""
    bar.close(f"{len(run.seeds)} x {run.step - done:,} steps in {run.seconds + run.compile_seconds:.1f} s{lost}")


@contextlib.contextmanager
def _interrupts_between_chunks() -> Iterator[list[bool]]:
    """Collect Ctrl-C in a list instead of raising: steps write in place, so a chunk must not be left half done."""
    interrupted: list[bool] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield interrupted
        return
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.append(True))
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)


class Advance:
    """Moves a run on, step by step: all members together (vmap), or one after the other where that is faster.

    ``replay`` lists the operations of a step that is not compiled, and replays them.
    """

    def __init__(self, run: Run, *, replay: bool = False) -> None:
        self.run = run
        # Under vmap, convolutions become grouped convolutions, which are slow on a CPU; one member needs no vmap.
        convolutional = run.gan.G.convolutional or run.gan.D.convolutional
        self.together = len(run.seeds) > 1 and not (convolutional and run.device.type == "cpu")
        self.step: Any = None
        self.replay, self.block, self.noise = replay, -1, None

    @torch.no_grad()  # functions of the reader's own may hold modules, whose graph would hang on the state for ever
    def to(self, stop: int) -> None:
        """Do the steps up to ``stop``, which lie in one block."""
        run = self.run
        block, first = divmod(run.step, BLOCK)
        if block != self.block:
            self._draw(block)
        part = tree_map(lambda t: t[first : first + stop - run.step], self.noise)
        if self.step is None:
            self._begin(tree_map(lambda t: t[0], part))
        if self.together:
            logs = self._steps(run.state, part)
        else:
            seeds = range(len(run.seeds))
            logs = torch.stack([self._steps(_member(run.state, i), Batch(*(t[:, i] for t in part))) for i in seeds], 1)
        at = range(run.step + 1, stop + 1)
        kept = [i for i, s in enumerate(at) if s % run.log_every == 0 or s == 1]
        run.logs += list(logs[kept].cpu())
        run.log_steps += [at[i] for i in kept]
        run.step = stop

    def _draw(self, block: int) -> None:
        """Draw a block of noise and data for all seeds, into the memory of the one before: it may be gigabytes."""
        run, n = self.run, len(self.run.seeds)
        for i, seed in enumerate(run.seeds):
            own = draw_block(run.gan, run.source, seed, block, run.batch)
            if self.noise is None:
                self.noise = tree_map(lambda t: t.new_empty(len(t), n, *t.shape[1:], device=run.device), own)
            tree_map(lambda every, t, i=i: every[:, i].copy_(t), self.noise, own)
        self.block = block

    def _begin(self, now: Batch) -> None:
        """Settle, by a step that is thrown away, whether vmap can follow the networks, and whether Python counts in them."""
        run, plain, G, D = self.run, partial(step, self.run.gan), self.run.gan.G, self.run.gan.D
        before = G.python_state() + D.python_state()
        if self.together:
            try:
                vmap(plain)(run.state, now)
            except Exception as error:  # if the recipe is at fault, a member by itself will show the traceback
                self.together = False
                run.note += f"; one member after the other, since vmap cannot follow them ({type(error).__name__})"
        elif run.compiled or self.replay:
            plain(_member(run.state, 0), Batch(*(t[0] for t in now)))
        self.eager = _in_place(vmap(plain) if self.together else plain)
        if G.python_state() + D.python_state() != before:
            run.compiled = self.replay = False
            run.note += "; run eagerly, since a network keeps a count in Python, which no list of operations would see"
            warnings.warn("A network counts in Python, which samples and checkpoints miss: use a buffer.", stacklevel=5)
        self.step = self._prepare if run.compiled or self.replay else self.eager

    def _steps(self, state: State, noise: Batch) -> Tensor:
        logs = []
        for i in range(len(noise.key)):
            logs.append(torch.stack(self.step(state, Batch(*(part[i] for part in noise))), dim=-1))
        return torch.stack(logs)

    def _prepare(self, state: State, now: Batch) -> Logs:
        """Compile or list the step, and do it."""
        begin = time.perf_counter()
        self.step = self._compiled(state, now) if self.run.compiled else self._replayed(state, now)
        took = time.perf_counter() - begin
        self.run.compile_seconds += took
        self.run.seconds -= took  # _train counts the whole chunk
        return self.step(state, now)

    def _replayed(self, state: State, now: Batch) -> Callable:
        """Return the step as a list of its operations: the same bits, without Python's and vmap's part of the work.

        A network that counts its calls in Python, say, cannot be listed: its next step would differ, and it runs as it is.
        """
        old, new = (tree_map(torch.clone, state) for _ in range(2))
        other = tree_map(lambda t: t.roll(1) if t.is_floating_point() else t + 1, now)  # on which nothing may be frozen
        try:
            replay = listed(self.eager, new, now)
            replay(new, other)
        except Exception:  # if the recipe is at fault, running it eagerly will show the traceback
            return self.eager
        self.eager(old, other)
        same = tree_map(partial(torch.allclose, rtol=0, atol=0, equal_nan=True), old, new)
        return replay if all(tree_leaves(same)) else self.eager

    def _compiled(self, state: State, now: Batch) -> Callable:
        # Compiling for the CPU where there is a CUDA toolkit but no GPU logs a warning, which would litter built pages.
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        # A run's shapes never change, so the guards that would look for changes at each step are left out.
        compiled = torch.compile(self.eager, fullgraph=True, options={"guard_filter_fn": lambda g: [False] * len(g)})
        try:
            with warnings.catch_warnings():  # Python 3.13.0 alone makes guards slow; none are kept
                warnings.filterwarnings("ignore", "Guards may run slower", RuntimeWarning)
                compiled(tree_map(torch.clone, state), now)
            return compiled
        except Exception as error:
            self.run.compiled = False
            self.run.note += f"; compiling failed ({type(error).__name__}), so it ran eagerly"
            return self._replayed(state, now)


def _in_place(pure: Callable) -> Callable:
    """Return ``(state, batch) -> logs``, which writes the new state over the old: no memory is allocated for it."""

    def advance(state: State, batch: Batch) -> Logs:
        new, logs = pure(state, batch)
        tree_map(lambda old, value: old if old is value else old.copy_(value), state, new)
        return logs

    # torch.compile counts recompilations per code object, and gives up after eight: each recipe gets one of its own.
    advance.__code__ = advance.__code__.replace()
    return advance


def _member(tree: Any, i: int) -> Any:
    return tree_map(lambda t: t[i], tree)
