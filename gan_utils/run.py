"""``Run``: what :func:`~gan_utils.training.fit` returns, the trained ensemble with its history, samples and checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils._pytree import GetAttrKey, KeyPath, tree_flatten_with_path, tree_map, tree_map_with_path

from gan_utils import checks, runtime
from gan_utils.checkpoint import CheckpointError, load_tensors, save_tensors
from gan_utils.functional import Tensors
from gan_utils.gan import GAN, Logs, State, pairs

__all__ = ["Frames", "Run", "Source"]

_SAMPLE_AT_ONCE = 4_096  # bounds the memory of sampling


class Source(Protocol):
    """Where data come from; ``gan_utils.data`` has several, and any object of this form will do.

    Example:
        A data set in PyTorch's form becomes one tensor, and that a source:

        >>> dataset = [(torch.zeros(1, 4, 4), 7)] * 20  # images, each with its label
        >>> gu.data.Points(torch.stack([image for image, _ in dataset])).sample(3).shape
        torch.Size([3, 1, 4, 4])

        For a conditional GAN let the source give each sample and its label in one row. G picks a label by its latent, and
        returns it behind the sample that it makes of it; so D judges pairs:

        >>> class Labelled:
        ...     ring, shape = gu.data.ring(), (2 + 8,)
        ...     def sample(self, n, generator):
        ...         x = self.ring.sample(n, generator)
        ...         return torch.cat([x, torch.eye(8)[self.ring.nearest(x)[0]]], 1)
        ...     def describe(self):
        ...         return "ring with labels"
        >>> class Conditional(torch.nn.Module):
        ...     latent = 8 + 2  # the greatest of the first eight numbers says which label
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.net = gu.models.mlp(8 + 2, 64, 64, 2)
        ...     def forward(self, z):
        ...         label = (z[:, :8] == z[:, :8].amax(1, keepdim=True)).float()
        ...         return torch.cat([self.net(torch.cat([label, z[:, 8:]], 1)), label], 1)
        >>> gan = gu.GAN(Conditional(), gu.models.mlp(2 + 8, 64, 64, 1))
        >>> run = gu.fit(gan, Labelled(), steps=1, progress=False)
        >>> points, label = run.sample(1_000)[0].split([2, 8], dim=1)
        >>> points.shape, label.sum(1).unique()
        (torch.Size([1000, 2]), tensor([1.]))
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a sample; an attribute will do."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Return n samples ``[n, *shape]``, float32, drawn with the given CPU generator alone.

        ``n`` may be many batches: draw with replacement where the data are a set of fixed size.
        """

    def describe(self) -> str:
        """Return one line that tells this source from others."""


def known(source: Any, *needs: str) -> Any:
    """Return ``source`` if it has what a source must have, or as much of it as is needed; TypeError says what it lacks."""
    missing = [name for name in needs or ("shape", "sample", "describe") if not hasattr(source, name)]
    if missing:
        wanted = "source must have shape, sample(n, generator) and describe(), as gu.data.Points(x) has for a tensor x"
        raise TypeError(f"{wanted}; {type(source).__name__} lacks {missing}.")
    return source


class Frames(NamedTuple):
    """Snapshots of the generators on fixed latents: ``steps [T]`` and ``samples [T, seeds, n, *shape]``, on the CPU."""

    steps: list[int]
    samples: Tensor


@dataclass(repr=False)
class Run:
    """A trained (or half-trained) ensemble: the networks' states, their history and samples from them.

    Made by :func:`~gan_utils.training.fit`. ``state`` holds one :class:`~gan_utils.gan.State` whose tensors have a
    leading dimension of seeds; ``seeds`` names them; ``step`` counts the steps done. ``lr_g`` and ``lr_d`` are the learning
    rates of a sweep, one for each seed, or None.
    """

    gan: GAN
    source: Source
    seeds: tuple[int, ...]
    batch: int
    state: State
    device: torch.device
    log_every: int
    lr_g: tuple[float, ...] | None = None
    lr_d: tuple[float, ...] | None = None
    compiled: bool = False
    step: int = 0
    seconds: float = 0.0
    compile_seconds: float = 0.0
    note: str = ""
    logs: list[Tensor] = field(default_factory=list)
    log_steps: list[int] = field(default_factory=list)
    metrics: dict[str, dict[int, Tensor]] = field(default_factory=dict)
    frame_steps: list[int] = field(default_factory=list)
    frame_samples: list[Tensor] = field(default_factory=list)

    def sample(self, n: int, *, seed: int = 0, ema: bool | None = None) -> Tensor:
        """Return ``[seeds, n, *shape]`` samples on the CPU, every member fed the same latents.

        Args:
            n: samples of each member.
            seed: which latents; the same number gives the same latents at any time.
            ema: use the averaged parameters; by default whenever the recipe keeps them.

        Raises:
            ValueError: ``ema=True`` for a recipe without EMA, or n below 1.
        """
        z = torch.randn(checks.integer("n", n), self.gan.latent, generator=runtime.generator(seed))
        return self.generate(z, ema=ema)

    @torch.no_grad()
    def generate(self, z: checks.Samples, *, ema: bool | None = None) -> Tensor:
        """Return ``[seeds, n, *shape]`` outputs for given latents ``[n, latent]``, on the CPU, in evaluation mode."""
        z = checks.rows("z", z, dim=self.gan.latent).to(self.device, torch.float32)
        params, apply = self._g_params(ema), partial(self.gan.G, training=False)
        members = []
        for i in range(len(self.seeds)):
            p, b = tree_map(lambda t, i=i: t[i], (params, self.state.G.buffers))
            members.append(torch.cat([apply(p, b, part)[0].cpu() for part in z.split(_SAMPLE_AT_ONCE)]))
        return torch.stack(members)

    def networks(self, seed: int | None = None, *, ema: bool | None = None) -> tuple[nn.Module, nn.Module]:
        """Return the trained ``(G, D)`` of one seed (by default the first) as modules of your own kind, to take away.

        They are copies, on the CPU and in evaluation mode; save them with ``torch.save(G.state_dict(), path)``. G has the
        averaged parameters whenever the recipe keeps them, or as ``ema`` says. ValueError for a seed that is not in the run.

        Example:
            >>> ring = gu.data.ring()
            >>> gan = gu.GAN(gu.models.mlp(2, 8, 2), gu.models.mlp(2, 8, 1))
            >>> run = gu.fit(gan, ring, steps=2, seeds=[3, 7], device="cpu", progress=False)
            >>> G, D = run.networks(seed=7)
            >>> z = torch.randn(5, 2)
            >>> torch.allclose(G(z), run.generate(z)[1])
            True

            To go on from there by another recipe, give functions that copy them:

            >>> from copy import deepcopy
            >>> more = gu.GAN(lambda: deepcopy(G), lambda: deepcopy(D), loss="hinge")
        """
        if seed not in (None, *self.seeds):
            raise ValueError(f"seed must be one of {list(self.seeds)}; got {seed!r}.")
        i, (G, D) = 0 if seed is None else self.seeds.index(seed), self.state[:2]
        g, d = tree_map(lambda t: t[i], (self._g_params(ema) | G.buffers, D.params | D.buffers))
        return self.gan.G.module(g), self.gan.D.module(d)

    def _g_params(self, ema: bool | None) -> Tensors:
        if ema and not self.gan.ema:
            raise ValueError("ema=True, but the recipe keeps no average: build it with GAN(..., ema=0.999).")
        return self.state.average if (self.gan.ema if ema is None else ema) else self.state.G.params

    @torch.no_grad()
    def judge(self, x: checks.Samples) -> Tensor:
        """Return each member's logits ``[seeds, n]`` on given samples: ``[n, *shape]``, or its own ``[seeds, n, *shape]``.

        A D of packs of m gives ``[seeds, n / m]``. In a joint game D judges each sample with the code that the member's
        encoder gives it, as it judges real ones.
        """
        shared = getattr(x, "ndim", 0) <= 1 + len(self.source.shape)
        x = checks.shaped("x", checks.tensor(x), *([] if shared else [len(self.seeds)]), None, *self.source.shape)
        members = []
        for i in range(len(self.seeds)):
            G, D = tree_map(lambda t, i=i: t[i], (self.state.G, self.state.D))
            mine = (x if shared else x[i]).to(self.device, torch.float32)
            if self.gan.joint:
                mine = pairs(mine, self.gan.G(G.params, G.buffers, mine, training=False, encode=True)[0])
            members.append(self.gan.D(D.params, D.buffers, mine, training=False)[0].flatten().cpu())
        return torch.stack(members)

    @property
    def diverged(self) -> Tensor:
        """Which members have weights that are NaN or Inf, or have logged such a loss, ``[seeds]`` bool."""
        weights = [w for player in self.state[:2] for w in player.params.values()]
        sound = torch.stack([w.isfinite().reshape(len(w), -1).all(1) for w in weights]).all(0).cpu()
        return ~(sound & torch.isfinite(torch.stack(self.logs)).all(2).all(0)) if self.logs else ~sound

    @property
    def frames(self) -> Frames:
        """The snapshots taken so far; empty unless ``fit`` was asked for ``frames``."""
        empty = torch.empty(0, len(self.seeds), 0, *self.source.shape)
        return Frames(list(self.frame_steps), torch.stack(self.frame_samples) if self.frame_samples else empty)

    @property
    def history(self) -> pd.DataFrame:
        """A tidy table, one row for each seed and logged step.

        Columns: seed, step, d_loss, g_loss, d_real and d_fake (D's mean logit on real and fake samples), diverged (this
        member has met a NaN or Inf by now), and whatever the callbacks measured (NaN at the steps between). In a sweep
        ``lr_g`` and ``lr_d`` follow the seed.
        """
        logs = torch.stack(self.logs) if self.logs else torch.empty(0, len(self.seeds), len(Logs._fields))
        bad = (~torch.isfinite(logs).all(dim=2)).cumsum(dim=0) > 0
        table = pd.DataFrame(logs.reshape(-1, len(Logs._fields)).numpy(), columns=list(Logs._fields))
        table.insert(0, "step", [s for s in self.log_steps for _ in self.seeds])
        table.insert(0, "seed", list(self.seeds) * len(self.log_steps))
        table["diverged"] = bad.reshape(-1).numpy()
        table = self._with_metrics(table)
        for name, rates in reversed(self._sweeps.items()):
            table.insert(1, name, table["seed"].map(dict(zip(self.seeds, rates, strict=True))))
        return table

    @property
    def _sweeps(self) -> dict[str, tuple[float, ...]]:
        return {name: rates for name in ("lr_g", "lr_d") if (rates := getattr(self, name)) is not None}

    def _with_metrics(self, table: pd.DataFrame) -> pd.DataFrame:
        if not self.metrics:
            return table
        columns = {}
        for name, values in self.metrics.items():
            index = pd.MultiIndex.from_product([list(values), self.seeds], names=["step", "seed"])
            columns[name] = pd.Series(torch.stack(list(values.values())).reshape(-1).numpy(), index=index)
        merged = table.merge(pd.DataFrame(columns).reset_index(), on=["step", "seed"], how="outer")
        merged = merged.sort_values(["step", "seed"], ignore_index=True)
        # At a step that only a callback looked at, a member has diverged if it had by the last logged one.
        merged["diverged"] = merged.groupby("seed")["diverged"].ffill().eq(True)
        return merged[[*table.columns, *columns]]

    def summary(self) -> str:
        """Return a few lines: what was trained, how fast, and how many members diverged."""
        steps = max(self.step, 1) * len(self.seeds)
        how = f"compiled, {self.compile_seconds:.1f} s of compiling" if self.compiled else "not compiled"
        lines = [
            f"{len(self.seeds)} GANs x {self.step:,} steps on {self.source.describe()}",
            f"loss {self.gan.loss.name}, play {self.gan.describe()['play']}, batch {self.batch}, device {self.device}",
            f"{self.seconds:.1f} s, {1e3 * self.seconds / steps:.3f} ms per GAN-step ({how}){self.note}",
            f"diverged: {int(self.diverged.sum())} of {len(self.seeds)}",
        ]
        return "\n".join(lines)

    __repr__ = summary

    def describe(self) -> dict[str, str]:
        """Return everything that must agree for a checkpoint to fit this run, in words."""
        own = {"source": self.source.describe(), "seeds": str(list(self.seeds)), "batch": str(self.batch)}
        return self.gan.describe() | own | {name: str(list(rates)) for name, rates in self._sweeps.items()}

    def save(self, path: str | Path) -> None:
        """Write a checkpoint: tensors only (safetensors), written beside the file and then moved onto it in one step.

        Raises OSError, naming the path and the reason, when it cannot be written; the run itself is untouched.
        """
        tensors = {_name(way): tensor for way, tensor in tree_flatten_with_path(self.state)[0]}
        tensors |= {"logs": torch.stack(self.logs)} if self.logs else {}
        tensors |= {"log_steps": torch.tensor(self.log_steps, dtype=torch.int64)}
        tensors |= {f"frame.{s:012d}": f for s, f in zip(self.frame_steps, self.frame_samples, strict=True)}
        tensors |= {f"metric.{s:012d}.{name}": v for name, at in self.metrics.items() for s, v in at.items()}
        facts: dict[str, Any] = {"step": self.step, "seconds": self.seconds, "compile_seconds": self.compile_seconds}
        facts |= {"log_every": self.log_every, "compiled": self.compiled, "recipe": self.describe()}
        facts["metrics"] = list(self.metrics)  # in the order of the history's columns
        save_tensors(path, tensors, facts)

    def restore(self, path: str | Path) -> None:
        """Take everything from a checkpoint of this very recipe; :class:`CheckpointError` says what differs if it is not."""
        tensors, facts = load_tensors(path)
        _same_recipe(path, facts.get("recipe"), self.describe())

        def theirs(way: KeyPath, mine: Tensor) -> Tensor:
            name = _name(way)
            if name not in tensors or tensors[name].shape != mine.shape:
                raise CheckpointError(f"{path} does not fit this recipe: tensor {name} is missing or of another shape.")
            return tensors[name].clone().to(self.device)  # into aligned memory, or a product may round differently

        self.state = tree_map_with_path(theirs, self.state)
        self.step, self.seconds = int(facts["step"]), float(facts["seconds"])
        self.compile_seconds, self.compiled = float(facts["compile_seconds"]), bool(facts["compiled"])
        self.log_every = int(facts["log_every"])
        self.logs = list(tensors["logs"]) if "logs" in tensors else []
        self.log_steps = tensors["log_steps"].tolist()
        self.frame_steps, self.frame_samples, self.metrics = [], [], {name: {} for name in facts.get("metrics", [])}
        for name in sorted(tensors):
            kind, _, rest = name.partition(".")
            if kind == "frame":
                self.frame_steps.append(int(rest))
                self.frame_samples.append(tensors[name])
            elif kind == "metric":
                at, _, metric = rest.partition(".")
                self.metrics.setdefault(metric, {})[int(at)] = tensors[name]


def _name(way: Any) -> str:
    """Return what a tensor of the state is called in a checkpoint, as in ``state/G/params/1.weight``."""
    return "/".join(["state", *(part.name if isinstance(part, GetAttrKey) else part.key for part in way)])


def _same_recipe(path: str | Path, theirs: Any, mine: dict[str, str]) -> None:
    theirs = theirs if isinstance(theirs, dict) else {}
    differ = [name for name in mine | theirs if theirs.get(name) != mine.get(name)]
    if differ:
        shown = "; ".join(f"{name}: {theirs.get(name)!r} there, {mine.get(name)!r} here" for name in differ[:2])
        raise CheckpointError(f"{path} is of another recipe ({shown[:400]}). Use another path, or remove the file.")
