"""Samples in, a verdict out: what is wrong with a generator, how sure we are, and what to try next.

Each measure is taken of the fakes and, in the same way, of as many real samples that were set aside, which shows what a
perfect sampler would score. A problem must lie beyond that range, and be large enough to have a name (:data:`QUESTIONS`).
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from gan_utils import checks, plots, runtime
from gan_utils.metrics.clusters import find_modes, k_means, nearest_centre
from gan_utils.metrics.intervals import Interval

__all__ = ["QUESTIONS", "VERDICTS", "Diagnosis", "Finding", "Question", "Verdict", "diagnose"]

SPLITS = 20  # ways in which the real data are halved
LEAST = 100  # with fewer samples of a kind in a split, nothing is said
AT_ONCE = 1_000  # samples of a kind in a split, at most; twice as many of a set are looked at
CELLS = 2**21  # distances held at a time: 16 MiB
FEW, REGIONS = 4, 10  # with fewer modes than FEW, samples are counted in this many regions instead
SOME, MANY = 40, 100  # modes that are looked for, at most: at first, and where none are found
TABLE = 50  # columns of a table, at most: what has more may be an image, whose edges hardly vary
UNLIKELY = 0.005  # a mode counts as missing where so few samples were less likely than this
BULK = 0.5  # when more fakes than this are astray, that comes before the modes they should be in


class Question(NamedTuple):
    """What is asked of the samples, and which answers are a problem."""

    asks: str
    limit: float  #: beyond it lies a problem, if real samples never score so
    blind: float  #: if real samples themselves score beyond it, there are too few of them to say
    above: bool  #: whether "beyond" is above, or below
    verdict: str  #: what the problem is called, a name of :data:`VERDICTS`


#: The questions, by the name of what is measured, in the order in which their verdicts take precedence.
#:
#: :meta hide-value:
QUESTIONS: dict[str, Question] = {
    "sameness": Question("median distance of two fakes, over that of a mode's reals", 0.25, 0.4, False, "one output"),
    "copied": Question(
        "share of fakes that lean to a training sample more than 95 % of reals", 0.3, 0.6, True, "memorised"
    ),
    "width": Question("median distance from a mode's middle, over reals' own", 0.7, 0.4, False, "within-mode collapse"),
    "distinct": Question("different outputs a sample (birthday paradox)", 0.25, 0.25, False, "within-mode collapse"),
    "missing": Question("share of data in modes with under a quarter of their due", 0.0, 0.4, True, "dropped modes"),
    "uneven": Question("share of fakes that belong into other modes", 0.15, 0.5, True, "unequal modes"),
    "astray": Question("share of fakes farther from the data than 95 % of real ones", 0.15, 0.4, True, "low fidelity"),
    "spread": Question("mean distance of two fakes, over that of two reals", 0.25, 0.4, False, "one output"),
}


class Verdict(NamedTuple):
    """A verdict in words."""

    says: str
    advice: str
    chapter: str  #: where the book has more, as a path in its pages


#: Every verdict by name: what it says, what to try next, where to read on.
#:
#: :meta hide-value:
VERDICTS: dict[str, Verdict] = {
    "healthy": Verdict(
        "Nothing wrong was found.",
        "Look at samples all the same, and ask again with more of them: what is rare needs many.",
        "2-collapse/09-images",
    ),
    "one output": Verdict(
        "The generator makes one and the same output for nearly all latents (complete collapse).",
        "Watch fixed latents over time: if the one output moves, the two players chase each other. Try a quicker D, and a loss "
        "on pairs with R1 and R2. If it does not move and D separates perfectly, look for a dead generator or a vanishing "
        "gradient first.",
        "1-the-game/04-mnist",
    ),
    "memorised": Verdict(
        "Fakes repeat training samples.",
        "More data, augmentation, a smaller D, or stop earlier. Measures of quality and coverage cannot see this.",
        "2-collapse/09-images",
    ),
    "within-mode collapse": Verdict(
        "In the modes that are made, the fakes are too alike.",
        "Counting modes cannot see this. Try PacGAN or minibatch statistics in D, or a smaller gradient penalty.",
        "2-collapse/08-known-modes",
    ),
    "dropped modes": Verdict(
        "Parts of the data are never made, or hardly ever (partial collapse).",
        "Train on if coverage is rising. Else try another learning rate for D: lower where it is far ahead, or else higher. "
        "Then, on points, least squares; on images R1, or R1 and R2.",
        "2-collapse/06-meeting-collapse",
    ),
    "unequal modes": Verdict(
        "Every part of the data is made, but in the wrong proportions.",
        "Diagnose samples of the generator's average (EMA) too. If that is in order, the generator only sways, and the average "
        "is what to keep. If it is one blot, the generator hops, which no average heals: try a quicker D.",
        "2-collapse/08-known-modes",
    ),
    "low fidelity": Verdict(
        "Many fakes lie where there are no data.",
        "If one output was also found, they are one blot beside the data: a collapse, and more time alone does not heal it. "
        "Else train longer, look for an unstable or too weak D, check the scale of the data; between modes some fakes are "
        "inevitable for a continuous generator.",
        "2-collapse/07-why-it-happens",
    ),
    "too few samples": Verdict(
        "There are too few samples to say.",
        "Give more of the kind of which there are few: at least 200 real and 100 fake samples, and about 40 real ones a mode. "
        "Real samples that repeat exactly, or a few very far from the rest, leave questions open however many there are.",
        "2-collapse/11-clinic",
    ),
}


@dataclass(frozen=True)
class Finding:
    """The answer to one question."""

    name: str
    value: float  #: of the fakes, the median over the splits
    real: Interval  #: of as many real samples: median, least, greatest over the splits
    limit: float  #: beyond it lies a problem: the question's own, widened by what real samples score
    status: str  #: "ok", "problem" or "cannot say"

    def beyond(self, value: float, limit: float | None = None) -> bool:
        """Return whether ``value`` is beyond the limit (this finding's, or the given one)."""
        limit = self.limit if limit is None else limit
        return value > limit if QUESTIONS[self.name].above else value < limit


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`diagnose` found: a verdict, the evidence, and what to do next. Prints as text, shows as HTML."""

    verdict: str  #: a name of :data:`VERDICTS`
    confidence: float | None  #: share of the splits that give this verdict by themselves; None where none could be made
    also: tuple[str, ...]  #: further problems that were found
    findings: tuple[Finding, ...]
    facts: dict[str, int]  #: real, fake and training samples given; samples a split; modes found in the real data
    remarks: tuple[str, ...] = ()  #: what about the data may mislead distances, and with them the verdict

    @property
    def table(self) -> pd.DataFrame:
        """The evidence, one row a question."""
        rows = [(f.name, f.value, *f.real[1:], f.limit, f.status, QUESTIONS[f.name].asks) for f in self.findings]
        return pd.DataFrame(rows, columns=["measure", "fakes", "real_low", "real_high", "limit", "status", "question"])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that ``json`` can write."""
        table = self.table.replace([math.inf, -math.inf], math.nan)
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        own = {"verdict": self.verdict, "confidence": self.confidence, "also": [*self.also], "remarks": [*self.remarks]}
        return own | VERDICTS[self.verdict]._asdict() | {"evidence": rows, "facts": dict(self.facts)}

    def plot(self) -> Any:
        """Draw the evidence on one scale, 0 for a typical real score and 1 for the limit; return the axes."""
        rows = [(f.name, f.value, f.real.value, f.real.low, f.real.high, f.limit) for f in self.findings]
        return plots.evidence(rows)

    def __str__(self) -> str:
        notes = [textwrap.fill(note, 100) for note in self._notes()]
        lines = [self._headline(), VERDICTS[self.verdict].says, *notes, ""]
        lines += [
            f"{f.name:9} {f.value:7.3f}   real samples {f.real.low:.3f} to {f.real.high:.3f}, limit {f.limit:.3f}   {f.status}"
            for f in self.findings
        ]
        return "\n".join([*lines, "", textwrap.fill(self._next(), 90, break_on_hyphens=False)])

    __repr__ = __str__

    def _headline(self) -> str:
        agree = "" if self.confidence is None else f" ({self.confidence:.0%} of {SPLITS} splits of the data agree)"
        return self.verdict + agree

    def _next(self) -> str:
        return f"Next: {VERDICTS[self.verdict].advice} More in the book: {VERDICTS[self.verdict].chapter}."

    def _notes(self) -> list[str]:
        notes = [f"Also found: {', '.join(self.also)}."] if self.also else []
        unsure = [f.name for f in self.findings if f.status == "cannot say"]
        notes += [f"Too few samples to say: {', '.join(unsure)}."] if unsure else []
        if self.facts.get("modes") == 1:
            notes += [f"No modes stand out in the real data; {REGIONS} regions were counted instead."]
        return [*notes, *self.remarks]

    def _repr_html_(self) -> str:
        colour = plots.COLOURS[2 if self.verdict == "healthy" else 5]
        bar = f"border-left:.4em solid {colour};padding-left:.6em"
        head = f'<p style="{bar}"><strong>{html.escape(self._headline())}</strong><br>'
        said = " ".join([VERDICTS[self.verdict].says, *self._notes()])
        body = self.table.to_html(index=False, float_format="{:.3f}".format, border=0, na_rep="–")
        table = f'<div style="overflow-x:auto">{body}</div>' if self.findings else ""
        return f"{head}{html.escape(said)}</p>{table}<p>{html.escape(self._next())}</p>"


def diagnose(
    real: checks.Samples,
    fake: checks.Samples,
    *,
    train: checks.Samples | None = None,
    features: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Say what is wrong with a generator, from its samples alone.

    Args:
        real: real samples ``[n, ...]``, floats (flattened unless ``features`` is given). Best data that were not trained on.
        fake: samples of the generator ``[m, ...]``, from independent latents.
        train: the training data, if ``real`` are others; copies are looked for there. Without it ``real`` is taken for it.
        features: what to compare by, ``[n, ...] -> [n, d]``, such as the ``features`` of the frozen classifier for MNIST.
            Distances between raw pixels say little about images. A network should be in evaluation mode; no graph is kept.
        seed: which 2,000 samples of a larger set are looked at, and how they are halved.

    Columns count by their scale: where they measure different things, standardise them first, by the data's own spread. Such
    unequal columns, real samples that repeat, and two sets on different scales are remarked upon, unless samples are too few.
    Takes a second or two for some thousand rows of few columns; the time grows
    with the columns and, since copies are looked for, with the rows of ``train``. The verdict is the first problem in the
    order of :data:`QUESTIONS`, but most fakes being astray comes before the modes, and only then does their spread count
    (a single mode, well made, has as little); further problems are in ``also``. "healthy"
    is only said where every question had an answer.

    Raises:
        TypeError, ValueError: sets that are no float tensors or NumPy arrays, differ in shape, hold NaN or Inf, or real
            samples that are all the same; the message names the argument.

    Example:
        Samples of a ring from which a generator has dropped three of eight modes:

        >>> ring = gu.data.ring()
        >>> real, fake = (ring.sample(1_000, gu.generator(seed)) for seed in (0, 1))
        >>> mode, _ = ring.nearest(fake)
        >>> found = gu.diagnose(real, fake[mode < 5])
        >>> found.verdict
        'dropped modes'
        >>> gu.diagnose(real, fake).verdict
        'healthy'
    """
    seed = checks.integer("seed", seed, least=0)
    checks.kind("features", features, Callable, type(None))
    given = {"real": real, "fake": fake} | ({} if train is None else {"train": train})
    sets = {name: _rows(name, x, features) for name, x in given.items()}
    forms = {name: list((given[name] if features is None else x).shape[1:]) for name, x in sets.items()}
    for name, form in forms.items():
        if form != forms["real"]:
            hint = " A run's sample(n) has a dimension of seeds: take sample(n)[0]." * (form[1:] == forms["real"])
            raise ValueError(f"{name} must hold samples of real's shape, {forms['real']}; got {form}.{hint}")
    if (sets["real"] == sets["real"][0]).all() and len(sets["real"]) > 1:
        raise ValueError("real must hold different samples; all are equal (or features says so): no scale to judge by.")
    facts, raw = {name: len(x) for name, x in sets.items()}, features is None
    looked = {name: _drawn(len(sets[name]), 2 * AT_ONCE, seed) for name in ("real", "fake")}
    seen = [sets[name][rows] for name, rows in looked.items()]
    remarks = tuple(_remarks(seen[0], seen[1], raw, raw and real.ndim == 2 and real.shape[1] <= TABLE))
    if raw and len({"float" in getattr(x.dtype, "name", str(x.dtype)) for x in given.values()}) > 1:
        raise TypeError("real, fake and train must all hold floats, or all whole numbers: bring them to one scale.")
    middle = sets["real"].median(0).values  # as the origin: a far one would cost the distances their precision
    sets = {name: x - middle for name, x in sets.items()}
    if len(middle) > sum(map(len, sets.values())):  # images: the distances stay, in as many columns as there are rows
        turned = torch.linalg.qr(torch.cat([*sets.values()]).T).Q
        sets = {name: x @ turned for name, x in sets.items()}
    # A row that is there twice would have a nearest neighbour as near as the next one, and lean to neither.
    train, own = (sets["train"].unique(dim=0), 0) if "train" in sets else (sets["real"], 1)
    real, fake = (sets[name][rows] for name, rows in looked.items())
    size = facts["samples a split"] = min(len(real) // 2, len(fake), AT_ONCE)
    if size < LEAST or len(train) < LEAST:
        return Diagnosis("too few samples", None, (), (), facts)
    modes = find_modes(real, most=SOME, seed=seed)
    if len(modes) == 1:  # or many more than are asked for at first
        modes = find_modes(real, least=SOME + 1, most=MANY, seed=seed)
    facts["modes"] = len(modes)
    if raw and given["real"].ndim > 2 and len(modes) < FEW:
        remarks += ("Pixels were compared, in which a lost class or a blend of two images may pass: give features.",)
    # Copies are looked for in all of the training data. A real sample's own row there does not count.
    leans = _lean(real, train, own), _lean(fake, train, 0)
    if own == 0 and (known := float((leans[0] < 1e-6).double().mean())) > 0.01:
        remarks += (f"{known:.0%} of the real samples lie in train: take others, or copies may not be told.",)
    scores = []
    for i in range(SPLITS):
        a, b = _drawn(len(real), 2 * size, seed, i).split(size)
        c = _drawn(len(fake), size, seed, i, 1)
        # Regions are fitted to this half alone: centres near the other one's samples would make the fakes look misplaced.
        cells = modes if len(modes) >= FEW else k_means(real[a], min(REGIONS, len(real[a].unique(dim=0))), seed=seed)
        scale = _Scale(real[a], modes, cells, leans[0][a])
        scores.append((scale.scores(real[b], leans[0][b]), scale.scores(fake[c], leans[1][c])))
    return replace(_decide(scores, facts), remarks=remarks)


def _remarks(real: Tensor, fake: Tensor, raw: bool, table: bool) -> Iterator[str]:
    """Say what about the data may mislead distances."""
    again, spread = 1 - len(real.unique(dim=0)) / len(real), real.std(0, correction=0)
    if again > 0.1:
        text = f"{again:.0%} of the real samples repeat another one. Unless they are categories or whole numbers, leave repeats"
        yield f"{text} out: beside them, all that is new seems astray."
    times = float(spread.max() / spread.where(spread > 0, torch.inf).min())
    if table and times > 30:
        yield f"Column {int(spread.argmax())} spreads {times:,.0f} times as far as another, which distances miss: standardise."
    (low, high), (least, most) = (map(float, x.aminmax()) for x in (real, fake))
    few = len(fake) // 100  # in so many samples a heavy tail may go beyond by itself
    under, over = float(fake.amin(1).sort().values[few]), float(fake.amax(1).sort().values[-1 - few])
    beyond, tiny = (high - low) / 3, max(abs(low), abs(high)) / 50
    bright = not table and least >= 0 and abs(low + high) < (high - low) / 10  # [0, 1] beside [-1, 1]
    if raw and (under < low - beyond or over > high + beyond or max(abs(least), abs(most)) < tiny or bright):
        yield f"Real numbers lie between {low:.3g} and {high:.3g}, fake ones between {least:.3g} and {most:.3g}: on one scale?"


@torch.no_grad()
def _rows(name: str, x: Any, features: Callable[[Tensor], Tensor] | None) -> Tensor:
    if not isinstance(x := checks.tensor(x), Tensor) or x.ndim < 2 or len(x) == 0 or x.is_complex():
        raise TypeError(f"{name} must be one tensor or NumPy array [n, ...] of n >= 1 samples; got {checks.form(x)}.")
    if features is None:
        return checks.rows(name, x.flatten(1).double() if not x.is_floating_point() else x.flatten(1)).cpu()
    try:
        return checks.rows(f"features({name})", features(x)).cpu()
    except RuntimeError as error:  # torch's word for a wrong type or shape
        raise ValueError(f"features({name}) failed on {x.dtype} {list(x.shape)}: {error}") from error


def _drawn(n: int, most: int, *key: int) -> Tensor:
    return torch.randperm(n, generator=runtime.generator(*key))[:most]


def _lean(x: Tensor, train: Tensor, own: int) -> Tensor:
    """Return how near each row of x is to the nearest of ``train``, over the next one, after leaving out ``own`` rows.

    Near 0 for copies. Unlike the distance itself it is not small just because x lies where data are dense.
    """
    out = x.new_empty(len(x))
    for rows in torch.arange(len(x)).split(max(1, CELLS // len(train))):
        near = torch.cdist(x[rows], train).topk(own + 2, largest=False).values
        out[rows] = torch.where(near[:, -1] > 0, near[:, -2] / near[:, -1], 1.0)
    return out


class _Scale:
    """What half of the real data says about distances and proportions."""

    def __init__(self, base: Tensor, modes: Tensor, cells: Tensor, lean: Tensor) -> None:
        between = torch.cdist(base, base)
        apart = between.topk(2, largest=False).values[:, 1]
        self.base, self.modes, self.cells, self.spread = base, modes, cells, between.mean()
        self.edge = apart.quantile(0.95)  # all but 5 % of samples are this near to another
        self.close = apart.quantile(0.01)  # 1 % are
        self.width = _widths(base, modes)  # median distance to the middle, of each mode
        self.share = _shares(base, cells)
        self.lean = lean.quantile(0.05)  # 5 % of samples lean more to one training sample: see _lean

    def scores(self, x: Tensor, lean: Tensor) -> dict[str, float]:
        """Return every score of samples ``[size, d]``."""
        from scipy.special import bdtr  # here, since importing it takes a while

        n, near = len(x), torch.cdist(x, self.base).amin(1)
        got = _shares(x[near <= self.edge], self.cells)
        few, many = (got * (near <= self.edge).sum()).round(), (self.share * n).round()
        # The exact test of two counts: a small cell may come away empty-handed.
        luck = torch.from_numpy(bdtr(few.numpy(), (few + many).long().numpy(), 0.5))
        between = torch.cdist(x, x)
        spread, apart = between.mean(), between.fill_diagonal_(torch.inf)
        pairs = (apart <= self.close).sum().clamp(min=2) / 2
        return {
            "sameness": float(apart.median() / (2**0.5 * self.width.nanmedian())),
            "copied": float((lean <= self.lean + 1e-6).double().mean()),  # exact copies lie at 0, to rounding
            "width": float((_widths(x, self.modes) / self.width).nanmedian()),
            "distinct": min(1.0, float((n - 1) / (2 * pairs))),  # the birthday estimate of the support, over n
            "missing": float(self.share[(got < self.share / 4) & (luck < UNLIKELY)].sum()),
            "uneven": float((got - self.share).abs().sum() / 2),
            "astray": float((near > self.edge).double().mean()),
            "spread": float(spread / self.spread),
        }


def _shares(x: Tensor, cells: Tensor) -> Tensor:
    count = torch.bincount(nearest_centre(x, cells), minlength=len(cells)).double()
    return count / count.sum().clamp(min=1)


def _widths(x: Tensor, modes: Tensor) -> Tensor:
    """Return the median distance to the own middle of each mode ``[k]``; NaN below five samples."""
    cell = nearest_centre(x, modes)
    own = [x[cell == c] for c in range(len(modes))]
    return torch.stack([(o - o.mean(0)).norm(dim=1).median() if len(o) >= 5 else o.new_tensor(torch.nan) for o in own])


def _decide(scores: list[tuple[dict[str, float], dict[str, float]]], facts: dict[str, int]) -> Diagnosis:
    reals, fakes = zip(*scores, strict=True)
    findings = tuple(_finding(name, [r[name] for r in reals], [f[name] for f in fakes]) for name in QUESTIONS)
    unsure = [f.name for f in findings if f.status == "cannot say" and f.name != "spread"]  # see _verdicts
    otherwise = "too few samples" if unsure else "healthy"
    verdict, *also = _verdicts({f.name: f.value for f in findings if f.status == "problem"}, otherwise)
    asked = [f for f in findings if f.status != "cannot say"]
    by_split = [{f.name: fake[f.name] for f in asked if f.beyond(fake[f.name])} for _, fake in scores]
    agree = sum(_verdicts(problems, otherwise)[0] == verdict for problems in by_split)
    return Diagnosis(verdict, agree / len(scores), tuple(also), findings, facts)


def _finding(name: str, real: list[float], fake: list[float]) -> Finding:
    asked = QUESTIONS[name]
    real, fake = ([v for v in values if not math.isnan(v)] for values in (real, fake))
    if not real or not fake:
        return Finding(name, math.nan, Interval(math.nan, math.nan, math.nan), asked.limit, "cannot say")
    scale, value = Interval(median(real), min(real), max(real)), median(fake)
    worst, furthest = (scale.high, max) if asked.above else (scale.low, min)
    # Half of the range more: the halvings share their rows, and with them some of their luck.
    finding = Finding(name, value, scale, furthest(asked.limit, worst + (worst - scale.value) / 2), "ok")
    if finding.beyond(worst, asked.blind):
        return replace(finding, status="cannot say")
    return replace(finding, status="problem") if finding.beyond(value) else finding


def _verdicts(problems: dict[str, float], otherwise: str) -> list[str]:
    """Return the verdicts on these problems and their values, the one that counts first; ``otherwise`` if there are none."""
    lost = problems.get("astray", 0) > BULK  # then what little is left says nothing about modes
    # A single mode, well made, has as little spread, and is no single output: it counts only here, and withholds no verdict.
    names = [name for name in QUESTIONS if name in problems and (lost or name != "spread")]
    if lost:
        names.sort(key=lambda name: {"sameness": 0, "copied": 1, "astray": 2, "spread": 3}.get(name, 4))
    return list(dict.fromkeys(QUESTIONS[name].verdict for name in names)) or [otherwise]
