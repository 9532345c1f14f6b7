"""Bad input, over the whole public interface: every call that cannot work ends in an error of ours that names the argument.

:data:`TABLE` holds each public callable with arguments that work, and for each argument what does not; the bad calls are
made from it, one bad argument at a time. An error is ours if a ``raise`` of gan_utils raised it, not torch's.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import gan_utils as gu

ROOT = Path(gu.__file__).parent
NAN, INF = math.nan, math.inf


class Slot(NamedTuple):
    """An argument: a value that works, and those that do not, by what is wrong with them."""

    good: Any
    bad: dict[str, Any]
    suggests: str = ""  # what the error must propose for a misspelt name


def integer(good: int, least: int = 1, *, none: bool = False) -> Slot:
    bad = {"text": "3", "fraction": 2.5, "NaN": NAN, "Inf": INF, "negative": -1, "list": [3]}
    bad |= {"too small": least - 1} if least > 0 else {}
    return Slot(good, bad | ({} if none else {"None": None}))


def number(good: float, *, least: float = -INF, above: float = -INF, most: float = INF, none: bool = False) -> Slot:
    bad = {"text": "1", "NaN": NAN, "Inf": INF, "-Inf": -INF, "list": [0.5, 0.5], "two": torch.ones(2)}
    bad |= {"too small": least - 1} if least > -INF else {}
    bad |= {"not above": above} if above > -INF else {}
    bad |= {"too large": most + 1} if most < INF else {}
    return Slot(good, bad | ({} if none else {"None": None}))


def name(good: str, misspelt: str, suggests: str | None = None) -> Slot:
    bad = {"None": None, "number": 3, "list": [], "empty": "", "misspelt": misspelt}
    return Slot(good, bad, good if suggests is None else suggests)


def points(good: Tensor, *, least: int = 1, tied: bool = False, whole: bool = False) -> Slot:
    """Rows of floats [n, d], at least so many; ``tied``: another argument has the same d."""
    bad = {"None": None, "text": "x", "list": good.tolist(), "one axis": good[:, 0], "three axes": good[None]}
    bad |= {"no rows": good[:0], "no columns": good[:, :0], "NaN": good.where(good < good.max(), NAN)}
    bad |= {"Inf": good.where(good < good.max(), INF), "complex": good + 0j}
    bad |= {} if whole else {"whole numbers": good.long()}
    bad |= {"too few rows": good[: least - 1]} if least > 1 else {}
    return Slot(good, bad | ({"wrong last size": good[:, :1].repeat(1, good.shape[1] + 1)} if tied else {}))


def without(slot: Slot, *names: str) -> Slot:
    return Slot(slot.good, {what: value for what, value in slot.bad.items() if what not in names})


def images(good: Tensor, **more: Any) -> Slot:
    bad = {"None": None, "text": "x", "list": [1.0], "one axis": good.flatten(), "three axes": good[0]}
    bad |= {"none": good[:0], "wrong last size": good[..., :5], "NaN": good * NAN, "Inf": good.sign() * INF}
    return Slot(good, bad | {"whole numbers": good.long(), "out of range": good + 9} | more)


def module(good: nn.Module) -> Slot:
    return Slot(good, {"None": None, "text": "mlp", "number": 3, "tensor": torch.ones(2), "class": nn.ReLU})


def function(good: Any, *, none: bool = False) -> Slot:
    return Slot(good, {"text": "x", "number": 3, "tensor": torch.ones(2)} | ({} if none else {"None": None}))


def file(good: Any, *, none: bool = False) -> Slot:
    return Slot(good, {"number": 3.5, "list": [], "tensor": torch.ones(1)} | ({} if none else {"None": None}))


def other(good: Any, **bad: Any) -> Slot:
    return Slot(good, bad)


def kind(good: Any, **bad: Any) -> Slot:
    """A value of a class of ours."""
    return Slot(good, {"None": None, "text": "x", "number": 3, "list": [1.0], "tensor": torch.ones(2)} | bad)


def by_default(default: Any, none: bool) -> Slot:
    """What a default says of its argument: enough for the recipes' settings, which all are at least 0."""
    return number(default, least=0) if isinstance(default, float) else integer(default, 0, none=none)


RING, DIGITS = gu.data.ring(), gu.data.Images(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.arange(4))
X, Y = (torch.randn(120, 2, generator=gu.generator(i)) for i in (0, 1))
Z = torch.rand(3, 1, 28, 28, generator=gu.generator(2)) * 2 - 1
LABELS = torch.arange(120) % 3
G, D = gu.models.mlp(2, 4, 2), gu.models.mlp(2, 4, 1)
GAN, SGD = gu.GAN(G, D), gu.optim.sgd()
RNG = gu.generator(0)
SEED, UNIT = integer(0, 0), number(0.5, least=0, most=1)
PAIR = {"real": points(X, least=2), "fake": points(Y, least=2, tied=True)}


@functools.cache
def run() -> gu.Run:
    return gu.fit(GAN, RING, steps=2, batch=4, frames=2, frame_size=4, device="cpu", progress=False)


def on_run(method: str, /, **given: Any) -> Any:
    return getattr(run(), method)(**given)


def monitored(**more: Any) -> list:
    return gu.CollapseMonitor().update(**({"step": 1, "real": X, "fake": Y} | more))


def classify(method: str, x: Any) -> Any:
    return getattr(gu.classifier.classifier(), method)(x)


SOURCE = other(RING, none=None, text="ring", tensor=X, number=3)
DEVICE = other("cpu", none=None, unknown="gpu", list=[], far="cuda:99", number=2.5)
LABEL = other(
    LABELS, none=None, list=[0, 1], floats=LABELS / 1, too_large=LABELS + 9, shorter=LABELS[:0], scalar=LABELS[0]
)
SEQUENCE = {"none": None, "number": 3, "text": "abc"}
RATES = other([0.1], text="x", number=0.1, two=[0.1, 0.2], zero=[0.0], nan=[NAN], inf=[INF], negative=[-1], empty=[])
MIXTURE = kind(RING, points=X)
DIGIT = other((3, 8), ten=10, negative=(-1,), text="3", fraction=2.5, empty=(), boolean=(True,), nan=NAN)

#: What can be called, by its path below ``gu``: the function, and the slots of its arguments.
TABLE: dict[str, tuple[Callable[..., Any], dict[str, Slot]]] = {}


def add(path: str, call: Callable[..., Any] | None = None, /, **slots: Slot) -> None:
    TABLE[path] = (call or functools.reduce(getattr, path.split("."), gu), slots)


add(
    "GAN",
    G=module(G),
    D=module(D),
    loss=name("hinge", "hing"),
    penalties=kind(gu.penalties.r1(), mixed=[gu.penalties.r1(), 3]),
    terms=kind(gu.terms.msgan()),
    opt_g=kind(SGD),
    opt_d=kind(SGD),
    d_steps=integer(1),
    play=name("alternating", "alternate"),
    ema=number(0.9, least=0, most=0.999999),
    latent=integer(2, none=True),
    replay=other(None, text="x", number=3, list=[]),
    joint=other(False, without_an_encoder=True),
)
add("GAN.init", GAN.init, seed=SEED)
add(
    "CollapseMonitor",
    patience=integer(3),
    outputs=name("logits", "logit"),
    features=function(None, none=True),
    keep=integer(64, 64),
    on_alarm=function(None, none=True),
    seed=SEED,
)
add(
    "CollapseMonitor.update",
    monitored,
    step=integer(1, 0),
    real=Slot(X, points(X, least=8).bad | {"all equal": torch.ones(120, 2)}),
    # NaN and Inf in the fakes or in what D says are what a monitor is for: alarms, not errors.
    fake=without(points(Y, least=8, tied=True), "NaN", "Inf"),
    d_real=other(None, text="x", list=[1.0], scalar=torch.tensor(1.0), empty=torch.ones(0)),
    d_fake=other(None, text="x", list=[1.0], scalar=torch.tensor(1.0), empty=torch.ones(0)),
    D=other(None, text="D", number=3, misfit=gu.models.mlp(5, 1)),
    G=other(None, text="G", number=3),
)
add(
    "fit",
    gan=kind(GAN, module=G),
    source=SOURCE,
    steps=integer(1),
    seeds=other(1, zero=0, none=None, text="12", fraction=1.5, twice=[1, 1], empty=[], negative=[-1], nan=[NAN]),
    batch=integer(4),
    lr_g=RATES,
    lr_d=RATES,
    device=DEVICE,
    compile=other(False, text="yes", none=None, number=3),
    log_every=integer(1, none=True),
    callbacks=other([lambda step, run: {}], number=3, text="x", of_numbers=[3], no_dict=[lambda step, run: 3]),
    callback_every=integer(1, none=True),
    frames=other(2, one=1, negative=-1, fraction=2.5, text="3", nan=NAN),
    frame_size=integer(4),
    progress=other(False),
)
PLAIN = {"gan": other(GAN), "source": other(RING), "steps": other(1)}
add("fit, saved", gu.fit, **PLAIN, checkpoint=file("/nowhere/run", none=True), checkpoint_every=integer(1, none=True))
add("draw_block", gan=kind(GAN), source=SOURCE, seed=SEED, block=integer(0, 0), batch=integer(4))
add("listed", lambda function: gu.listed(function, X), function=function(torch.exp))
add("device", name=DEVICE)
add("generator", lambda key: gu.generator(key), key=SEED)
add("recorded", name=Slot("quiz.npz", name("quiz.npz", "quizz.npz").bad, "quiz.npz"))
add("consensus", gamma=number(1.0, least=0))
add("unrolled", k=integer(1, 0))
add(
    "diagnose",
    real=Slot(X, points(X, whole=True).bad | {"all equal": torch.ones(120, 2)}),
    fake=points(Y, tied=True, whole=True),
    train=without(points(Y, tied=True, whole=True), "None", "three axes"),
    features=function(None, none=True),
    seed=SEED,
)
for way, slots in {
    "sample": {"n": integer(3), "seed": SEED, "ema": other(None, not_kept=True)},
    "generate": {"z": points(X, tied=True), "ema": other(None, not_kept=True)},
    # A member that has diverged makes NaN, and D says NaN of that.
    "judge": {"x": without(points(X, tied=True), "NaN", "Inf", "three axes", "complex", "whole numbers")},
    "save": {"path": file("/dev/full/x")},
    "restore": {"path": file("/dev/null")},
}.items():
    add(f"Run.{way}", functools.partial(on_run, way), **slots)

add("benchmark.products", gan=kind(GAN), source=SOURCE, batch=integer(4))
add("benchmark.provenance", command=other(["x"], none=None, number=3), device=DEVICE)
add("benchmark.read", path=file("/dev/null"))
add("benchmark.table", record=other({"task": "ring", "runs": {}}, none=None, text="x", list=[], other={"task": "?"}))
add(
    "benchmark.run",
    task=name("ring", "rang"),
    methods=other([], number=3, none=None, unknown="wgan-pg", of_numbers=[3], for_images="diffaugment"),
    seeds=integer(1, none=True),
    steps=integer(1, none=True),
    times=other([1.0], number=3, none=None, text="abc", zero=[0.0], negative=[-1], nan=[NAN]),
    out=file("/nowhere.json", none=True),
    jobs=other(1, none=None, text="2", zero=0, fraction=1.5),
    device=DEVICE,
    say=function(lambda line: None),
)
add("classifier.classifier", device=other("cpu", none=None, unknown="gpu", far="cuda:99"))
for way in ("predict", "features", "class_histogram"):
    add(f"classifier.MNISTClassifier.{way}", functools.partial(classify, way), x=images(Z))

add("critics.Pac", D=module(D), m=integer(2))
add("critics.Spectral", D=module(D), scale=number(1.0, above=0))
add("critics.InstanceNoise", D=module(D), std=number(0.1, least=0), steps=integer(5, none=True))
add("critics.DiffAugment", D=module(D), brightness=number(1.0, least=0), shift=UNIT, cutout=UNIT)
add("critics.MinibatchDiscrimination", features=integer(2), kernels=integer(2), dims=integer(2))
add("critics.MinibatchStddev", group=integer(2, 2))

add(
    "data.Images",
    images=other(
        DIGITS.images, none=None, list=[1], floats=DIGITS.images / 1, axes=DIGITS.images[0], empty=DIGITS.images[:0]
    ),
    labels=other(None, list=[1, 2], floats=torch.zeros(4), few=torch.zeros(3).long(), table=torch.zeros(4, 1).long()),
)
add("data.Images.sample", DIGITS.sample, n=integer(2), generator=other(RNG, none=None, number=3))
add("data.Images.labelled", DIGITS.labelled, n=integer(2), generator=other(RNG, none=None, number=3))
add("data.Images.to", DIGITS.to, device=DEVICE)
add("data.Stacks", images=kind(DIGITS))
add("data.Stacks.sample", gu.data.Stacks(DIGITS).sample, n=integer(2), generator=other(RNG, none=None, number=3))
add("data.Stacks.labelled", gu.data.Stacks(DIGITS).labelled, n=integer(2), generator=other(RNG, none=None, number=3))
add("data.Stacks.to", gu.data.Stacks(DIGITS).to, device=DEVICE)
add(
    "data.Mixture",
    means=points(X, whole=True),
    std=other(1.0, none=None, text="x", zero=0.0, negative=-1.0, nan=NAN, inf=INF, two=[1.0, 2.0]),
    weights=other(None, text="x", zero=[0.0] * 120, negative=-1.0, nan=NAN, inf=INF, two=[1.0, 2.0]),
)
add("data.Mixture.sample", RING.sample, n=integer(2), generator=other(None, number=3, text="x"))
for way in ("log_prob", "nearest"):  # NaN in, NaN out: a diverged member must not hide the others
    add(f"data.Mixture.{way}", getattr(RING, way), x=without(points(X, tied=True), "NaN", "Inf"))
add("data.Points", points=without(points(X, whole=True), "three axes"))
add("data.Points.sample", gu.data.Points(X).sample, n=integer(2), generator=other(None, number=3, text="x"))
add("data.ring", modes=integer(8), radius=number(1.0, above=0), std=number(0.1, above=0))
add("data.grid", side=integer(2), spacing=number(1.0, above=0), std=number(0.1, above=0))
add(
    "data.gaussians_1d",
    means=other((1.0, 2.0), none=None, text="x", nan=(NAN, 1.0), empty=(), words=("a", "b")),
    std=other(1.0, none=None, text="x", zero=0.0, negative=-1.0, nan=NAN, three=[1.0, 2.0, 3.0]),
    weights=other(None, text="x", zero=[0.0, 0.0], negative=[-1.0, 1.0], three=[1.0, 2.0, 3.0]),
)
for way in ("mnist", "stacked_mnist"):
    add(f"data.{way}", source=name("embedded", "embeded"), digits=DIGIT, device=DEVICE)
add("exercises.check", name=Slot("1.1", {"None": None, "number": 1.1, "unknown": "99.9"}), answer=other(...))

add("losses.get", loss=name("hinge", "hing"))
add(
    "losses.smoothed",
    loss=Slot("nonsaturating", name("nonsaturating", "nonsaturate").bad | {"no labels": "hinge"}),
    real=UNIT,
)
add("losses.without_g", loss=name("hinge", "hing"))
add("memory.replay", size=integer(3), share=UNIT)

add("metrics.k_means", x=points(X), k=integer(3), seed=SEED)
add("metrics.find_modes", x=points(X), least=integer(2, least=2), most=integer(3), strength=UNIT, seed=SEED)
TIED = without(points(Y, tied=True), "NaN", "Inf")
add("metrics.nearest_centre", x=without(TIED, "no rows"), centres=without(TIED, "wrong last size", "no columns"))
add("metrics.frechet_distance", **PAIR)
add("metrics.ndb", **PAIR, bins=integer(2, 2), level=number(0.05, above=0, most=1), seed=SEED)
add("metrics.vendi", x=points(X), kernel=name("cosine", "cosin"))
add("metrics.vendi, gaussian", gu.metrics.vendi, x=points(X), kernel=other("gaussian"), bandwidth=number(1.0, above=0))
add("metrics.prdc", **PAIR, k=integer(3))
add("metrics.memorisation", train=points(X), held_out=points(Y, tied=True), fake=points(Y, tied=True))
add("metrics.birthday", samples=points(X, least=2), within=number(0.1, least=0))
add("metrics.mode_width", samples=points(X, tied=True), mixture=MIXTURE, within=number(3.0, above=0))
# NaN and Inf are no good samples, and counted as such.
add(
    "metrics.mode_coverage",
    samples=without(TIED, "three axes", "whole numbers"),
    mixture=MIXTURE,
    within=number(3.0, above=0),
    least=integer(1),
)
add("metrics.label_coverage", labels=LABEL, modes=integer(3), least=integer(1))
add("metrics.stacked_labels", images=images(torch.zeros(2, 3, 28, 28)))
add("metrics.spread", x=without(points(X, least=2), "NaN", "Inf", "three axes"))
add("metrics.wilson", k=integer(1, 0), n=integer(3), z=number(1.96, above=0))
add(
    "metrics.bootstrap",
    lambda statistic, samples, **more: gu.metrics.bootstrap(statistic, samples, **more),
    statistic=function(torch.mean),
    samples=other(X[:, 0], none=None, list=[1.0, 2.0], scalar=X[0, 0], one=X[:1], empty=X[:0]),
    repeats=integer(2, 2),
    seed=SEED,
    level=number(0.9, above=0, most=1),
)
add(
    "metrics.real_against_real",
    metric=function(lambda a, b: 0.0),
    real=other(X, none=None, list=[1.0, 2.0], scalar=X[0, 0], three=X[:3], empty=X[:0]),
    repeats=integer(2),
    seed=SEED,
)
MEASURED = {"none": None, "number": 3, "text": "x", "other names": {"b": X[:, 0]}}
TABULAR = {"list": {"a": [1.0]}, "table": {"a": X}, "empty": {"a": X[:0, 0]}}
add(
    "metrics.report",
    measured=other({"a": X[:3, 0]}, **MEASURED, **TABULAR),
    perfect=other({"a": X[:, 0]}, **MEASURED, **TABULAR),
    level=number(0.9, above=0, most=1),
)

add(
    "models.mlp",
    lambda widths=8, **more: gu.models.mlp(2, widths, 4, **more),
    widths=integer(8),
    slope=number(0.1, least=0),
    dropout=UNIT,
    last=other(None, text="tanh", number=3, function=torch.tanh),
    shape=other(None, number=4, text="x", misfit=(3, 3), negative=(-2, -2), fraction=(2.0, 2)),
)
add("models.mnist_generator", latent=integer(3))
add("models.DCGANGenerator", latent=integer(3), width=integer(2), channels=integer(1))
add("models.DCGANDiscriminator", width=integer(2), channels=integer(1))
add("models.StackedGenerator", latent=integer(3))
add("models.StackedDiscriminator", size=name("quarter", "quater"), channels=integer(3))
add("models.DiracGenerator", theta=number(1.0))
add("models.DiracDiscriminator", psi=number(1.0))
add("models.WithEncoder", generator=module(G), encoder=module(D), latent=integer(2, none=True))
add("models.Generators", k=integer(2), latent=integer(2), width=integer(2), shared=module(D))
add("monitor.watch", monitors=other([gu.CollapseMonitor()], **SEQUENCE, of_numbers=[3]), n=integer(8, 8))

LR = number(0.1, above=0)
add("optim.sgd", lr=LR, momentum=number(0.5, least=0))
add("optim.rmsprop", lr=LR, alpha=UNIT, eps=number(1e-8, above=0))
BETAS = other(
    (0.5, 0.9), none=None, number=0.5, one=(0.5,), text="ab", nan=(NAN, 0.9), above=(0.5, 1.5), negative=(-1, 0)
)
add("optim.adam", lr=LR, betas=BETAS, eps=number(1e-8, above=0))
add("optim.optimistic", inner=kind(SGD))
add("optim.clipped", inner=kind(SGD), limit=number(1.0, above=0))
add("optim.historical", inner=kind(SGD), weight=number(1.0, least=0))
for way, penalty in gu.penalties.PENALTIES.items():
    parts = inspect.signature(penalty).parameters.values()
    add(f"penalties.{way}", **{part.name: number(part.default, least=0) for part in parts})
add(
    "penalties.gradient_penalty",
    at=name("between", "betwen"),
    target=number(1.0, least=0),
    weight=number(1.0, least=0),
)
for way in gu.terms.TERMS:
    add(f"terms.{way}", weight=number(1.0, least=0))

for way, recipe in gu.zoo.RECIPES.items():
    if way == "diffaugment":
        continue  # for images: it has no settings of its own
    may_be_none = way == "instance-noise"  # its steps: None is for ever
    own = {key: by_default(value, may_be_none) for key, value in recipe.settings.items() if not isinstance(value, bool)}
    own |= {"lr": number(1e-3, above=0, none=True), "ema": number(0.9, least=0, most=0.999999), "d_steps": integer(1)}
    add(f"zoo.build, {way}", functools.partial(gu.zoo.build, way, RING), **own)
add(
    "zoo.build",
    name=name("wgan-gp", "wgan-pg"),
    source=SOURCE,
    networks=name("mlp", "mpl"),
    lr=number(1e-3, above=0, none=True),
)
add("zoo.recipe", name=name("wgan-gp", "wgan-pg"))
SHAPE = other((2,), none=None, number=3, text="x", empty=(), zero=(0,), fraction=(2.5,), negative=(-2,))
add("zoo.Networks", shape=SHAPE, kind=name("mlp", "mpl"), lr=number(1e-3, above=0, none=True))

FRAMES = gu.Frames([0, 1], torch.zeros(2, 1, 5, 2))
PLANE = points(X, tied=True, whole=True)
REAL = other(None, text="x", number=3, list=[1.0], other_size=torch.ones(5, 3), one_axis=torch.ones(5))
SOME = {"none": None, "text": "x", "number": 3, "one axis": torch.ones(3), "empty": torch.ones(0, 1, 4, 4)}
add("plots.points", samples=without(PLANE, "three axes", "NaN", "Inf"),
    real=REAL, titles=other(None, number=3), columns=integer(2))  # fmt: skip
add("plots.points, two", gu.plots.points, samples=other(X.view(2, 60, 2)), titles=other(["a", "b"], one=["a"]))
add("plots.images, two", gu.plots.images, x=other(torch.stack([Z, Z])), titles=other(["a", "b"], one=["a"]))
add("plots.images", x=other(Z, **SOME, channels=torch.ones(2, 2, 4, 4)), rows=integer(1), columns=integer(3),
    titles=other(None, number=3))  # fmt: skip
add("plots.film", frames=kind(FRAMES, empty=gu.Frames([], FRAMES.samples[:0])),
    real=REAL, seeds=other([7], number=3), columns=integer(2))  # fmt: skip
add("plots.scrubber", films=kind(FRAMES, empty=gu.Frames([], FRAMES.samples[:0]), none={}, of_numbers={"a": 3}),
    real=REAL, alt=other("", number=3), points=integer(3), pause=integer(9))  # fmt: skip
add("plots.history", lambda columns, **more: gu.plots.history(more.pop("run", None) or run(), columns, **more),
    run=other(None, text="x", number=3), columns=other(["d_loss"], misspelt=["d_los"], number=3, empty=[]),
    labels=other(["D"], number=3))  # fmt: skip
add("plots.lines", x=other([0, 1], none=None, text="x", table=X),
    curves=other({"a": [1.0, 2.0]}, none=None, number=3, other_size={"a": [1.0]}, text={"a": "x"}),
    xlabel=other("x"), ylabel=other("y"))  # fmt: skip
add("plots.heatmap", values=other([[0.0, 1.0]], none=None, text="x", list=[1.0], ragged=[[1.0], [1.0, 2.0]], empty=[]),
    rows=other(["a"], number=3, none=None, two=["a", "b"]), columns=other(["a", "b"], number=3, none=None, one=["a"]),
    limits=other((0.0, 1.0), none=None, number=3, nan=(NAN, 1.0)), form=other(".0%"),
    xlabel=other("x"), ylabel=other("y"))  # fmt: skip
add("plots.evidence", rows=other([("a", 1.0, 0.5, 0.0, 1.0, 2.0)], none=None, number=3, short=[("a", 1.0)], text="abc"))

#: Their valid calls would read or write files, which other tests do.
WRITES_OR_READS = ["benchmark.run", "benchmark.read", "fit, saved", "Run.save", "Run.restore"]
CALLS = [(path, key, what) for path, (_, slots) in TABLE.items() for key, slot in slots.items() for what in slot.bad]

#: What is public and stands in no row of the table, with the reason.
EXEMPT = {
    "results, made by gan_utils, and not checked again": [
        "Batch", "Logs", "Player", "State", "Diagnosis", "Frames", "Run", "Source", "benchmark.Task", "classifier.Prediction",
        "exercises.Feedback", "losses.Loss", "memory.Replay", "metrics.NDB", "metrics.PRDC", "metrics.Birthday",
        "metrics.Coverage", "metrics.Interval", "metrics.Memorisation", "optim.Optimizer", "penalties.Penalty", "terms.Term",
        "terms.View", "zoo.Recipe", "diagnosis.Finding", "diagnosis.Question", "diagnosis.Verdict", "diagnosis.Diagnosis",
        "monitor.Alarm", "classifier.MNISTClassifier",
    ],
    "the words of an error": ["CheckpointError", "CollapseWarning", "monitor.CollapseWarning"],
    "takes nothing": ["mode", "models.mnist_discriminator", "data.offsets", "exercises.names", "plots.use_style", "zoo.names"],
    "takes anything, and gives it back": ["budget"],
    "runs inside vmap and compiled graphs; fit has tried the shapes before": ["step", "terms.chosen"],
    "is in the table by another path": ["diagnosis.diagnose", "monitor.CollapseMonitor"],
}  # fmt: skip


#: Where an error calls an argument by a name that stands for it, in the words of what it was handed on to.
ALIAS = {
    ("device", "name"): "device",
    ("zoo.Networks", "kind"): "networks",
    ("benchmark.run", "methods"): "methods|name|diffaugment",
    ("metrics.stacked_labels", "images"): "images|x",
    ("metrics.mode_coverage", "samples"): "samples|x",
    ("generator", "key"): "key",
}


@functools.cache
def raises(path: str) -> set[int]:
    """Return the lines of a file on which a ``raise`` stands."""
    nodes = [node for node in ast.walk(ast.parse(Path(path).read_text("utf-8"))) if isinstance(node, ast.Raise)]
    return {line for node in nodes for line in range(node.lineno, node.end_lineno + 1)}


def fault(path: str, key: str, what: str) -> str:
    """Return what is wrong with how a bad call ends; nothing if it ends as it should."""
    call, slots = TABLE[path]
    slot = slots[key]
    given = {name: each.good for name, each in slots.items()} | {key: slot.bad[what]}
    try:
        call(**given)
    except (ValueError, TypeError, LookupError, OSError) as error:
        last, said = traceback.extract_tb(error.__traceback__)[-1], str(error)
        if not Path(last.filename).is_relative_to(ROOT) or last.lineno not in raises(last.filename):
            return f"{type(error).__name__} of {last.filename}:{last.lineno}: {said[:100]}"
        if not re.search(rf"(?<!\w)({ALIAS.get((path, key), key)})(?!\w)", said):
            return f"does not name {key}: {said[:200]}"
        if what == "misspelt" and slot.suggests not in said:
            return f"does not suggest {slot.suggests}: {said[:200]}"
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]}"
    return "is taken without a word"


@pytest.mark.parametrize("path", TABLE)
def test_what_works_works_and_what_cannot_says_why(path):
    call, slots = TABLE[path]
    if not path.startswith(("benchmark.r", "fit, saved", "Run.save", "Run.restore", "data.mnist", "data.stacked")):
        call(**{key: slot.good for key, slot in slots.items()})
    found = {(key, what): fault(path, key, what) for at, key, what in CALLS if at == path}
    assert {name: said for name, said in found.items() if said} == {}


def test_the_table_is_large_enough():
    assert len(CALLS) >= 500


def test_everything_public_is_in_the_table_or_exempt():
    public = set()
    for path in gu.__all__:
        value = getattr(gu, path)
        names = [f"{path}.{name}" for name in value.__all__] if inspect.ismodule(value) else [path]
        public |= {name for name in names if callable(functools.reduce(getattr, name.split("."), gu))}
    listed = {path.partition(",")[0] for path in TABLE}
    exempt = {name for group in EXEMPT.values() for name in group}
    assert public - listed - exempt == set()
    assert exempt - public == set() and exempt & listed == set()
