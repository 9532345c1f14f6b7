"""A GAN as a value, and one pure function that moves it on by a step.

:class:`GAN` is the recipe: two networks, a loss pair, penalties, optimisers and a rule of play. :class:`State` holds
every tensor that training changes. ``step(gan, state, batch) -> (state, logs)`` changes nothing in place, so that
``torch.func.vmap`` can run many seeds at once and ``torch.compile`` can make that fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import grad, grad_and_value
from torch.utils._pytree import tree_map

from gan_utils import checks, losses, optim
from gan_utils.functional import Functional, Network, Tensors
from gan_utils.losses import Loss
from gan_utils.memory import Replay
from gan_utils.optim import Optimizer
from gan_utils.penalties import Penalty
from gan_utils.terms import Term, View

__all__ = [
    "GAN", "PLAYS", "Batch", "Logs", "Player", "State", "alternating", "consensus", "extragradient", "pairs", "reusing",
    "simultaneous", "step", "unrolled",
]  # fmt: skip


class Player(NamedTuple):
    """What training changes of one network: its parameters, its buffers and its optimiser's state."""

    params: Tensors
    buffers: Tensors
    opt: dict


class State(NamedTuple):
    """What training changes of a GAN."""

    G: Player
    D: Player
    average: Tensors  #: the moving average of G's parameters; empty without EMA
    memory: Tensors  #: ``"fakes"``, the pool of old fakes ``[size, *shape]``; empty without replay


class Batch(NamedTuple):
    """All the data and noise of one step, with k = ``gan.d_steps``, batch size B and latent size Z."""

    x: Tensor  #: real samples ``[k, B, *shape]``
    z: Tensor  #: latents ``[k + 1, B, Z]``; the last one is the generator's
    #: uniform on [0, 1) for the penalties: ``[k, B, *shape]``, ``[k, B, 1, ...]``, or ``[k, 0]`` where none is used
    noise: Tensor
    # Eight keys a turn of D: 0 G for D, and replay; 1, 2 D on real and fake; 3 penalties, and E; 4 G for itself; 5, 6 D on
    # fake and real in G's turn; 7 E in G's turn, and in terms.
    key: Tensor  #: a whole number below 2^31, the source of all that layers and replay draw in this step: []


class Logs(NamedTuple):
    """What a step reports, scalars: both losses (with penalties and terms) and D's mean logit on real and on fake samples."""

    d_loss: Tensor
    g_loss: Tensor
    d_real: Tensor
    d_fake: Tensor


Rule = Callable[["GAN", State, Batch], tuple[State, Logs]]
Shown = tuple[Tensor, Tensor, Tensor, Tensors]  # see _shown


@dataclass(frozen=True, init=False)
class GAN:
    """The recipe of a GAN; pass it to :func:`~gan_utils.training.fit`.

    Args:
        G: generator, latents ``[B, Z] -> [B, *shape]``: an ``nn.Module`` or a function of no arguments that builds one. A
            module's weights are drawn anew for every seed, by the ``reset_parameters()`` of its parts; for weights of your
            own making give a function that makes them. What asks for no gradient is neither drawn nor trained. State of its own
            (a weight that fades in, say) belongs in buffers: samples and checkpoints miss what a network counts in Python.
        D: discriminator (critic), ``[B, *shape] -> [B]`` or ``[B, 1]`` logits (no sigmoid): likewise.
        loss: a :class:`~gan_utils.losses.Loss` or its name.
        penalties: :class:`~gan_utils.penalties.Penalty` values, added to D's loss.
        opt_g, opt_d: optimisers; Adam with lr 1e-3 and betas (0.5, 0.999) unless given.
        d_steps: updates of D for each update of G.
        play: how the two move: a name of :data:`PLAYS` (``"reusing"`` is faster than the usual ``"alternating"``) or a rule
            such as ``consensus(10.0)``.
        ema: decay of the moving average of G's parameters, 0 for none; 0.999 is usual.
        latent: Z, the length of a latent; by default G's attribute ``latent`` or its first layer's width.
        terms: what G minimises beside its loss: :class:`~gan_utils.terms.Term` values.
        replay: old fakes that D is shown again, such as ``gu.memory.replay()``; none by default.
        joint: D judges pairs, real (x, E(x)) against fake (G(z), z), each flattened into one row ``[B, x + Z]``. G must
            carry an encoder E, as :class:`~gan_utils.models.WithEncoder` does, which trains in G's turn, by a loss whose G
            looks at real pairs too (``"bidirectional"``) or a term.
        together: D judges every sample by itself (no BatchNorm, say), so that real and fake may go through it in one
            pass, which is faster. ``None`` (the default) lets ``fit`` find out by trying; ``run.gan`` then holds what it
            found, so with another D say None again.

    Raises:
        ValueError, TypeError: for an argument that cannot work; the message names it and what is allowed.

    Example:
        >>> gan = gu.GAN(gu.models.mlp(2, 16, 2), gu.models.mlp(2, 16, 1), loss="hinge", penalties=gu.penalties.r1(1.0))
        >>> gan.latent, gan.loss.name, gan.describe()["penalties"]
        (2, 'hinge', 'r1(target=0, weight=0.5)')

        The other half of a recipe is its state, a function of the seed:

        >>> {name: list(weight.shape) for name, weight in gan.init(seed=0).G.params.items()}
        {'1.weight': [16, 2], '1.bias': [16], '3.weight': [2, 16], '3.bias': [2]}
    """

    G: Functional
    D: Functional
    loss: Loss
    penalties: tuple[Penalty, ...]
    opt_g: Optimizer
    opt_d: Optimizer
    d_steps: int
    play: Rule
    ema: float
    latent: int
    together: bool | None
    terms: tuple[Term, ...]
    replay: Replay | None
    joint: bool

    def __init__(
        self, G: Network | Functional, D: Network | Functional, loss: Loss | str = "nonsaturating",
        penalties: Penalty | Sequence[Penalty] = (), opt_g: Optimizer = optim.adam(), opt_d: Optimizer = optim.adam(),
        d_steps: int = 1, play: Rule | str = "alternating", ema: float = 0.0, latent: int | None = None,
        together: bool | None = None, terms: Term | Sequence[Term] = (), replay: Replay | None = None, joint: bool = False,
    ) -> None:  # fmt: skip
        penalties = _values("penalties", penalties, Penalty, "r1(10.0) or wgan_gp()")
        terms = _values("terms", terms, Term, "msgan(1.0) or feature_matching()")
        if replay is not None and not isinstance(replay, Replay):
            raise TypeError(f"replay must be a value such as replay(1_024) or None; got {replay!r}.")
        for name, opt in (("opt_g", opt_g), ("opt_d", opt_d)):
            if not isinstance(opt, Optimizer):
                raise TypeError(f"{name} must be an optimiser such as adam(1e-3); got {opt!r}.")
        G, D = (net if isinstance(net, Functional) else Functional(net, role) for net, role in ((G, "G"), (D, "D")))
        if latent is None and G.latent is None:
            raise ValueError("latent cannot be read off G (no attribute `latent`, no linear layer): pass latent=...")
        if (joint or any(term.encoder for term in terms)) and not G.encodes:
            wants = "joint=True" if joint else f"the term {next(t.name for t in terms if t.encoder)}"
            raise ValueError(f"{wants} needs a G with an encoder, such as models.WithEncoder(G, encoder).")
        if play in (consensus, unrolled):
            raise TypeError("play must be a rule, such as consensus() or unrolled() gives; got the function itself.")
        own = vars(self)  # a frozen value refuses what is set in the usual way
        own |= {"G": G, "D": D, "loss": losses.get(loss), "penalties": penalties, "opt_g": opt_g, "opt_d": opt_d}
        own |= {"terms": terms, "replay": replay, "joint": joint, "together": together}
        own |= {"d_steps": checks.integer("d_steps", d_steps), "ema": checks.number("ema", ema, least=0, most=0.999999)}
        own["latent"] = checks.integer("latent", G.latent if latent is None else latent)
        own["play"] = play if callable(play) else PLAYS[checks.choice("play", play, PLAYS)]

    def init(self, seed: int) -> State:
        """Return the state before the first step: as ``torch.manual_seed(seed)``, then building G, then D, would give.

        (A module, and no function that builds one, is drawn part by part in the order in which it names its parts.)
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(checks.integer("seed", seed, least=0))
            g, d = self.G.draw(), self.D.draw()
            z = torch.randn(self.replay.size, self.latent) if self.replay else None
        average = {name: value.clone() for name, value in g[0].items()} if self.ema else {}
        memory = {} if z is None else {"fakes": pairs(self.G(*g, z)[0], z) if self.joint else self.G(*g, z)[0]}
        return State(Player(*g, self.opt_g.init(g[0])), Player(*d, self.opt_d.init(d[0])), average, memory)

    def describe(self) -> dict[str, str]:
        """Return the recipe in words; two recipes that train differently differ here. Checkpoints carry it.

        Parts that most recipes do not have (terms, replay, joint) are named only where they are used.
        """
        words = {
            "G": self.G.description,
            "D": self.D.description,
            "loss": self.loss.name,
            "penalties": ", ".join(f"{p.name}(target={p.target:g}, weight={p.weight:g})" for p in self.penalties),
            "opt_g": self.opt_g.name,
            "opt_d": self.opt_d.name,
            "d_steps": str(self.d_steps),
            "play": getattr(self.play, "name", getattr(self.play, "__name__", repr(self.play))),
            "ema": f"{self.ema:g}",
            "latent": str(self.latent),
        }
        rare = {
            "terms": ", ".join(f"{t.name}(weight={t.weight:g})" for t in self.terms),
            "replay": f"{self.replay.size}, share {self.replay.share:g}" if self.replay else "",
            "joint": "True" if self.joint else "",
        }
        return words | {name: said for name, said in rare.items() if said}


def _values(name: str, given: object, kind: type, such_as: str) -> tuple:
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    for value in values:
        if not isinstance(value, kind):
            raise TypeError(f"{name} must hold values such as {such_as}; got {value!r}.")
    return values


def pairs(x: Tensor, z: Tensor) -> Tensor:
    """Return what the D of a joint game judges: sample and latent in one row, ``[B, *shape], [B, Z] -> [B, x + Z]``."""
    return torch.cat([x.flatten(1), z], 1)


def step(gan: GAN, state: State, batch: Batch) -> tuple[State, Logs]:
    """Move a GAN on by one step: D's ``d_steps`` updates and one of G, by the recipe's rule of play."""
    state, logs = gan.play(gan, state, batch)
    if gan.ema:
        average = {k: torch.lerp(state.G.params[k], old, gan.ema) for k, old in state.average.items()}
        state = state._replace(average=average)
    if gan.D.ages:  # D carries noise that fades with the steps
        state = state._replace(D=state.D._replace(buffers=gan.D.older(state.D.buffers)))
    return state, logs


def d_objective(
    params: Tensors, gan: GAN, buffers: Tensors, real: Tensor, fake: Tensor, noise: Tensor, key: Tensor
) -> tuple[Tensor, tuple[Tensors, Tensor, Tensor]]:
    """What D minimises: its loss plus the penalties, averaged over the batch."""
    if gan.together:
        both, buffers = gan.D(params, buffers, torch.cat([real, fake]), key + 1)
        on_real, on_fake = _logits(both).chunk(2)
    else:
        on_real, buffers = gan.D(params, buffers, real, key + 1)
        on_fake, buffers = gan.D(params, buffers, fake, key + 2)
        on_real, on_fake = _logits(on_real), _logits(on_fake)
    loss = gan.loss.d(on_real, on_fake).mean()
    for penalty in gan.penalties:
        loss = loss + penalty(lambda x: _logits(gan.D(params, buffers, x, key + 3)[0]), real, fake, noise).mean()
    return loss, (buffers, on_real.mean(), on_fake.mean())


def g_objective(
    params: Tensors,
    gan: GAN,
    buffers: Tensors,
    D: Player,
    real: Tensor,
    z: Tensor,
    key: Tensor,
    shown: Shown | None = None,
) -> tuple[Tensor, tuple[Tensors, Tensors]]:
    """What G minimises: its loss on fakes (fresh ones, if none are given), and its terms. Few losses look at ``real``."""
    sample, fake, real, buffers = shown or _shown(gan, params, buffers, real, z, key + 4)
    on_fake, d_buffers = gan.D(D.params, D.buffers, fake, key + 5)
    loss = gan.loss.g(_logits(on_fake), lambda: _logits(gan.D(D.params, D.buffers, real, key + 6)[0])).mean()
    features = partial(gan.D.features, D.params, D.buffers, key=key + 5)
    after = [buffers]

    def encode(x: Tensor) -> Tensor:  # it has buffers as well
        code, after[0] = gan.G(params, after[0], x, key + 7, encode=True)
        return code

    for term in gan.terms:
        loss = loss + term(View(z, sample, fake, real, features, encode))
    return loss, (after[0], d_buffers)


def _shown(gan: GAN, params: Tensors, buffers: Tensors, x: Tensor, z: Tensor, key: Tensor) -> Shown:
    """Return G's sample, the fake and the real that D judges (the same and ``x``, or pairs), and G's buffers."""
    sample, buffers = gan.G(params, buffers, z, key)
    if not gan.joint:
        return sample, sample, x, buffers
    code, buffers = gan.G(params, buffers, x, key + 3, encode=True)
    return sample, pairs(sample, z), pairs(x, code), buffers


def _logits(out: Tensor) -> Tensor:
    return out.reshape(out.shape[0])  # [B, 1] or [B]; fit() has checked that it is one of these


class _Turn(NamedTuple):
    grads: Tensors
    loss: Tensor
    d_real: Any = ()  # D's mean logits, a tensor; none in G's turn
    d_fake: Any = ()


def _d_turn(gan: GAN, s: State, b: Batch, i: int, shown: Shown | None = None) -> tuple[State, _Turn]:
    """D's gradient on its i-th batch; the state comes back with new buffers but no parameter moved."""
    key = b.key + 8 * i
    _, fake, real, g_buffers = shown or _shown(gan, s.G.params, s.G.buffers, b.x[i], b.z[i], key)
    if gan.replay:
        fake, pool = gan.replay.swap(s.memory["fakes"], fake, key)
        s = s._replace(memory={"fakes": pool})
    value = partial(d_objective, gan=gan, buffers=s.D.buffers, real=real, fake=fake, noise=b.noise[i], key=key)
    grads, (loss, (d_buffers, d_real, d_fake)) = grad_and_value(value, has_aux=True)(s.D.params)
    s = s._replace(G=s.G._replace(buffers=g_buffers), D=s.D._replace(buffers=d_buffers))
    return s, _Turn(grads, loss, d_real, d_fake)


def _g_turn(gan: GAN, s: State, b: Batch, foresee: Callable[[Tensors], Player] | None = None) -> tuple[State, _Turn]:
    """G's gradient; the state comes back with new buffers but no parameter moved.

    ``foresee`` says which D G answers, as a function of G's parameters; without it, the present one.
    """
    key = b.key + 8 * (gan.d_steps - 1)

    def value(params: Tensors) -> tuple[Tensor, tuple[Tensors, Tensors]]:
        D = s.D if foresee is None else foresee(params)
        return g_objective(params, gan, s.G.buffers, D, b.x[-1], b.z[-1], key)

    grads, (loss, (g_buffers, d_buffers)) = grad_and_value(value, has_aux=True)(s.G.params)
    return s._replace(G=s.G._replace(buffers=g_buffers), D=s.D._replace(buffers=d_buffers)), _Turn(grads, loss)


def _move(player: Player, optimizer: Optimizer, grads: Tensors) -> Player:
    params, opt = optimizer.update(player.params, grads, player.opt)
    return player._replace(params=params, opt=opt)


def _train_d(gan: GAN, s: State, b: Batch, turns: Iterable[int]) -> tuple[State, Any]:
    """D moves on these of its batches, one after the other; the last turn, if there is one, comes beside the state."""
    turn = None
    for i in turns:
        s, turn = _d_turn(gan, s, b, i)
        s = s._replace(D=_move(s.D, gan.opt_d, turn.grads))
    return s, turn


def _last(gan: GAN, b: Batch) -> Batch:
    """Return a batch for one turn of D: on G's latents, and on the last real samples."""
    return Batch(b.x[-1:], b.z[-1:], b.noise[-1:], b.key + 8 * (gan.d_steps - 1))


def _report(d: _Turn, g: _Turn) -> Logs:
    return Logs(d.loss, g.loss, d.d_real, d.d_fake)


def alternating(gan: GAN, s: State, b: Batch) -> tuple[State, Logs]:
    """D moves ``d_steps`` times, then G answers the D that has moved (Goodfellow et al., 2014, algorithm 1)."""
    s, d = _train_d(gan, s, b, range(gan.d_steps))
    s, g = _g_turn(gan, s, b)
    return s._replace(G=_move(s.G, gan.opt_g, g.grads)), _report(d, g)


def reusing(gan: GAN, s: State, b: Batch) -> tuple[State, Logs]:
    """Alternating play in which G answers the very fakes that D has just moved on: a pass through G less.

    As PyTorch's DCGAN example does it. What D has learnt of these fakes alone is then part of what G is told.
    """
    s, _ = _train_d(gan, s, b, range(gan.d_steps - 1))
    last = _last(gan, b)

    def value(params: Tensors) -> tuple[Tensor, tuple[State, _Turn]]:
        shown = _shown(gan, params, s.G.buffers, last.x[0], last.z[0], last.key)
        new, d = _d_turn(gan, s, last, 0, tree_map(Tensor.detach, shown))
        new = new._replace(D=_move(new.D, gan.opt_d, d.grads))
        loss, (_, d_buffers) = g_objective(params, gan, s.G.buffers, new.D, last.x[0], last.z[0], last.key, shown)
        return loss, (new._replace(D=new.D._replace(buffers=d_buffers)), d)

    grads, (loss, (s, d)) = grad_and_value(value, has_aux=True)(s.G.params)
    return s._replace(G=_move(s.G, gan.opt_g, grads)), _report(d, _Turn(grads, loss))


def _both(gan: GAN, s: State, b: Batch) -> tuple[State, _Turn, _Turn]:
    s, d = _d_turn(gan, s, b, gan.d_steps - 1)
    s, g = _g_turn(gan, s, b)
    return s, d, g


def _move_both(gan: GAN, s: State, d_grads: Tensors, g_grads: Tensors) -> State:
    return s._replace(G=_move(s.G, gan.opt_g, g_grads), D=_move(s.D, gan.opt_d, d_grads))


def simultaneous(gan: GAN, s: State, b: Batch) -> tuple[State, Logs]:
    """Both take their gradient at the same point, then both move. (With ``d_steps`` > 1, D first moves alone.)"""
    s, _ = _train_d(gan, s, b, range(gan.d_steps - 1))
    s, d, g = _both(gan, s, b)
    return _move_both(gan, s, d.grads, g.grads), _report(d, g)


def extragradient(gan: GAN, s: State, b: Batch) -> tuple[State, Logs]:
    """Both move from here with the gradients of one step ahead (Korpelevich, 1976; for GANs Gidel et al., 2019).

    What the look ahead does to the optimiser's state is forgotten again; Gidel et al. update Adam's moments at both looks.
    """
    s, _ = _train_d(gan, s, b, range(gan.d_steps - 1))
    old = s.memory  # D looks at the same old fakes twice
    s, d, g = _both(gan, s, b)
    ahead = _move_both(gan, s, d.grads, g.grads)._replace(memory=old)
    _, d_ahead, g_ahead = _both(gan, ahead, b)
    return _move_both(gan, s, d_ahead.grads, g_ahead.grads), _report(d, g)


def consensus(gamma: float = 10.0) -> Rule:
    """Simultaneous play that also descends on gamma / 2 * (squared norm of both gradients), Mescheder et al. (2017)."""
    gamma = checks.number("gamma", gamma, least=0)

    def play(gan: GAN, s: State, b: Batch) -> tuple[State, Logs]:
        s, _ = _train_d(gan, s, b, range(gan.d_steps - 1))

        def half_square(g_params: Tensors, d_params: Tensors) -> tuple[Any, tuple[State, _Turn, _Turn]]:
            at = s._replace(G=s.G._replace(params=g_params), D=s.D._replace(params=d_params))
            both = _both(gan, at, b)
            return sum(v.square().sum() for turn in both[1:] for v in turn.grads.values()) / 2, both

        (g_pull, d_pull), (s, d, g) = grad(half_square, argnums=(0, 1), has_aux=True)(s.G.params, s.D.params)
        d_grads = {k: v + gamma * d_pull[k] for k, v in d.grads.items()}
        g_grads = {k: v + gamma * g_pull[k] for k, v in g.grads.items()}
        return _move_both(gan, s, d_grads, g_grads), _report(d, g)

    play.name = f"consensus({gamma:g})"  # type: ignore[attr-defined]
    return play


def unrolled(k: int = 5, through: bool = True) -> Rule:
    """Alternating play in which G answers the D of k steps ahead (Metz et al., 2017); D itself does not go there.

    The k steps are D's own, by its optimiser, all on G's batch of this step, as in the authors' code. With
    ``through=True`` G's gradient goes through them, as the paper asks: G sees how D will answer. Many ports leave that
    out, which is ``through=False``: G merely plays against a better D. (The paper's rule is simultaneous, and its code's G
    minimises all of V, the real half too, through which D's steps count; ours its own loss. ``k=0`` is alternating play.)
    """
    k = checks.integer("k", k, least=0)

    def play(gan: GAN, s: State, b: Batch) -> tuple[State, Logs]:
        old = s.memory
        s, d = _train_d(gan, s, b, range(gan.d_steps))
        last = _last(gan, b)

        def foresee(g_params: Tensors) -> Player:
            ahead = s._replace(G=s.G._replace(params=g_params))
            for _ in range(k):  # on the same old fakes, too
                ahead, _ = _train_d(gan, ahead._replace(memory=old), last, [0])
            return ahead.D

        moved, g = _g_turn(gan, s, b, foresee if through else lambda _: foresee(s.G.params))
        return s._replace(G=_move(moved.G, gan.opt_g, g.grads)), _report(d, g)

    play.name = f"unrolled({k}{'' if through else ', through=False'})"  # type: ignore[attr-defined]
    return play


#: The rules of play that need no setting, by name. :func:`consensus` and :func:`unrolled` take some and give further ones.
PLAYS: dict[str, Rule] = {rule.__name__: rule for rule in (alternating, reusing, simultaneous, extragradient)}
