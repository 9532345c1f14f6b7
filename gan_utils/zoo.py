r"""Every GAN variant of the book by name: its paper, its formula, what it costs, where it fails, and how it is built.

``gu.zoo.build("wgan-gp", source)`` gives a :class:`~gan_utils.gan.GAN` with small networks that fit the source. All
recipes use the same networks and the same Adam, as far as they can, so that they can be compared; where a paper asks for
other settings, the recipe's ``trap`` says so. In the formulas sp is the softplus, a the logit at a real and b that at a
fake sample, both minimised: :math:`\ell_D` by D, :math:`\ell_G` by G; non-saturating unless stated.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from torch import nn

from gan_utils import checks, critics, losses, memory, models, optim, penalties, terms
from gan_utils.gan import GAN, consensus, unrolled
from gan_utils.run import Source, known

__all__ = ["RECIPES", "Networks", "Recipe", "build", "names", "recipe"]

Look = Callable[[int], nn.Module]  # a layer for so many features


@dataclass(frozen=True)
class Networks:
    """Small networks for samples of one shape, and the optimiser that goes with them: what a recipe is made from.

    Points get the MLPs of the book's ring (2-64-64-d, d-64-64-1), images a small pair of MLPs (64-128-128-pixels, tanh)
    or, with ``kind="dcgan"`` and 28 x 28 pixels, the DCGAN pair, D without BatchNorm. Adam has betas (0.5, 0.999).

    Args:
        shape: of one sample.
        kind: ``"mlp"`` or ``"dcgan"``.
        lr: Adam's step size; by default 1e-3 for points, 5e-4 for images.
        latent: the length of a latent; by default 2 for points, however many numbers they have, and 64 for images.
    """

    shape: tuple[int, ...]
    kind: str
    lr: float
    latent: int
    image: bool  #: whether a sample is an image [channels, height, width]
    size: int  #: how many numbers a sample has
    width: int  #: of the MLPs' hidden layers

    def __init__(self, shape: Sequence[int], kind: str = "mlp", lr: float | None = None, latent: int | None = None):
        sizes = [checks.integer("shape", size) for size in checks.kind("shape", shape, Sequence)]
        checks.integer("the length of shape", len(sizes))
        checks.choice("networks", kind, ("mlp", "dcgan"))
        if kind == "dcgan" and sizes[1:] != [28, 28]:
            raise ValueError(f"networks='dcgan' takes images [channels, 28, 28]; the source has {sizes}.")
        lr = (5e-4 if len(sizes) == 3 else 1e-3) if lr is None else checks.number("lr", lr, above=0)
        image = len(sizes) == 3
        latent = (64 if image else 2) if latent is None else checks.integer("latent", latent)
        parts = {"image": image, "size": math.prod(sizes), "width": 128 if image else 64, "latent": latent}
        vars(self).update(parts, shape=tuple(sizes), kind=kind, lr=lr)  # frozen: it refuses to be set in the usual way

    def generator(self, inputs: int | None = None) -> nn.Module:
        """Return a generator; an MLP on ``inputs`` numbers if these are given, whatever the kind."""
        if self.kind == "dcgan" and inputs is None:
            return models.DCGANGenerator(self.latent, channels=self.shape[0])
        layers = (self.latent if inputs is None else inputs, self.width, self.width, self.size)
        last, shape = nn.Tanh() if self.image else None, self.shape if len(self.shape) > 1 else None
        return models.mlp(*layers, last=last, shape=shape)

    def critic(self, m: int = 1, look: Look | None = None, adds: int = 0, at: int = 1) -> nn.Module:
        """Return a discriminator of packs of m samples.

        ``look(features)`` goes before its last layer of weights, or the last but one (``at=2``), and adds features.
        """
        m, deep = checks.integer("m", m), self.kind == "dcgan"
        D = models.DCGANDiscriminator(channels=m * self.shape[0], norm=False) if deep else self.reader(1, m * self.size)
        if look is not None:
            layers: Any = D.layers if deep else D  # changed inside D, so that it is drawn as DCGAN asks
            i = [i for i, part in enumerate(layers) if hasattr(part, "weight")][-at]
            ends, n, *kernel = layers[i].weight.shape
            layers.insert(i, look(n))
            layers[i + 1] = nn.Conv2d(n + adds, ends, 4, 2, 1) if kernel else nn.Linear(n + adds, ends)  # as DCGAN's
            getattr(D, "reset_parameters", lambda: None)()
        return D

    def reader(self, outputs: int, inputs: int | None = None) -> nn.Module:
        """Return an MLP with leaky ReLUs from samples (or ``inputs`` numbers): an encoder, a classifier, a D of pairs."""
        return models.mlp(self.size if inputs is None else inputs, self.width, self.width, outputs, slope=0.2)

    def adam(self, times: float = 1.0) -> optim.Optimizer:
        """Return Adam with ``times`` the step size."""
        return optim.adam(self.lr * times)

    def gan(self, **parts: Any) -> GAN:
        """Return the plain GAN on these networks, but for the parts that are given."""
        plain: dict[str, Callable] = {"G": self.generator, "D": self.critic, "opt_g": self.adam, "opt_d": self.adam}
        return GAN(**{name: make() for name, make in plain.items() if name not in parts}, **parts)


@dataclass(frozen=True)
class Recipe:
    """A variant by name.

    ``paper`` is a key of the book's bibliography, ``formula`` LaTeX, ``trap`` what to look out for. ``cost`` is the
    arithmetic of a step in units of the plain GAN's: the matrix products on the MLPs for images (K: steps ahead; what else
    grows with the batch B stands as O). ``make(networks, **settings)`` returns the GAN.
    """

    name: str
    title: str
    paper: str
    cost: str
    formula: str
    trap: str
    make: Callable[..., GAN]

    @property
    def settings(self) -> dict[str, Any]:
        """The recipe's own settings, with their defaults."""
        parameters = list(inspect.signature(self.make).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}


#: Every recipe by its name; the conformance tests run over this table.
#:
#: :meta hide-value:
RECIPES: dict[str, Recipe] = {}


def _recipe(name: str, paper: str, cost: str) -> Callable[[Callable[..., GAN]], Callable[..., GAN]]:
    """Register the function below as a recipe: its docstring's paragraphs are the title, the formula and the trap."""

    def register(make: Callable[..., GAN]) -> Callable[..., GAN]:
        parts = [" ".join(part.split()) for part in inspect.cleandoc(make.__doc__ or "").split("\n\n")]
        if len(parts) != 3 or name in RECIPES:
            raise ValueError(f"recipe {name!r} must have a name of its own, a title, a formula and a trap: {parts}.")
        title, formula, trap = parts
        RECIPES[name] = Recipe(name, title.rstrip("."), paper, cost, formula.strip("$"), trap, make)
        return make

    return register


def names() -> list[str]:
    """Return the names of all recipes.

    Example:
        >>> gu.zoo.names()[:4]
        ['saturating', 'non-saturating', 'lsgan', 'hinge']
    """
    return list(RECIPES)


def recipe(name: str) -> Recipe:
    """Return the recipe of that name; ValueError, with the nearest name, for an unknown one."""
    return RECIPES[checks.choice("name", name, RECIPES)]


def build(name: str, source: Source, *, networks: str = "mlp", lr: float | None = None, **changes: Any) -> GAN:
    """Return the GAN of that name for a source.

    Args:
        name: one of :func:`names`.
        source: the data, whose ``shape`` the networks fit.
        networks: ``"mlp"`` or, for images of 28 x 28, ``"dcgan"``.
        lr: Adam's step size, see :class:`Networks`. Recipes with another optimiser scale theirs alike.
        changes: the recipe's own settings (``m=3`` for ``"pacgan"``; see ``Recipe.settings``), or any argument of
            :class:`~gan_utils.gan.GAN`, which replaces the recipe's. (Another ``opt_d`` for ``"wgan"`` must clip.)
            ``latent=10`` builds a G for latents of that length: points have 2, too few for a table of ten columns.

    Raises:
        ValueError: an unknown name or change, with a suggestion; a recipe or network for images, and the data are not; a D
            without the trick that makes the recipe.

    Example:
        >>> ring = gu.data.ring()
        >>> gu.zoo.build("pacgan", ring, m=3).D.description.splitlines()[0]
        'Pac('
        >>> gu.zoo.build("r3gan", ring, d_steps=2).describe()["loss"]
        'relativistic'
        >>> gu.zoo.build("wgan-pg", ring)
        Traceback (most recent call last):
        ValueError: name='wgan-pg' is not known. Did you mean 'wgan-gp'? Allowed: ...
    """
    chosen = recipe(name)
    arguments = {field.name for field in fields(GAN)}
    for change in changes:
        checks.choice("argument", change, [*chosen.settings, *sorted(arguments - set(chosen.settings))])
    own = {key: changes.pop(key) for key in chosen.settings if key in changes}
    # another G has a latent of its own
    latent = changes.setdefault("latent", None) if "G" in changes else changes.pop("latent", None)
    made = chosen.make(Networks(tuple(known(source).shape), networks, lr, latent), **own)
    gan = replace(made, **changes)
    for trick in critics.__all__:  # a D without it would be the plain GAN under this name
        if f"{trick}(" in made.D.description and f"{trick}(" not in gan.D.description:
            raise ValueError(f"D must have the {trick} that makes {name!r}: put gu.critics.{trick} into it.")
    return gan


@_recipe("saturating", "goodfellow2014", "1")
def saturating(n: Networks) -> GAN:
    r"""The minimax GAN.

    $\ell_D = \mathrm{sp}(-a) + \mathrm{sp}(b),\quad \ell_G = -\mathrm{sp}(b)$

    G's gradient vanishes where D is sure of its fakes.
    """
    return n.gan(loss="saturating")


@_recipe("non-saturating", "goodfellow2014", "1")
def non_saturating(n: Networks) -> GAN:
    r"""The non-saturating GAN.

    $\ell_D = \mathrm{sp}(-a) + \mathrm{sp}(b),\quad \ell_G = \mathrm{sp}(-b)$

    The patient: nothing holds G back from few modes.
    """
    return n.gan()


@_recipe("lsgan", "mao2017", "1")
def lsgan(n: Networks) -> GAN:
    r"""The least squares GAN.

    $\ell_D = \tfrac12 (a - 1)^2 + \tfrac12 b^2,\quad \ell_G = \tfrac12 (b - 1)^2$

    The halves differ between repositories: it matters under gradient descent, or beside a penalty, not for Adam alone.
    """
    return n.gan(loss="least_squares")


@_recipe("hinge", "lim2017", "1")
def hinge(n: Networks) -> GAN:
    r"""The geometric GAN.

    $\ell_D = \max(0, 1 - a) + \max(0, 1 + b),\quad \ell_G = -b$

    Made for a critic that is held smooth, by spectral normalisation say.
    """
    return n.gan(loss="hinge")


@_recipe("wgan", "arjovsky2017wgan", "3")
def wgan(n: Networks, limit: float = 0.01, d_steps: int = 5) -> GAN:
    r"""The Wasserstein GAN, clipped.

    $\ell_D = b - a,\quad \ell_G = -b,\quad |\phi_i| \le 0.01$

    Slow. The authors' code takes 100 critic steps in each of the first 25 turns and every 500th, ours always d_steps.
    The step size is the paper's 5e-5 where Adam's is 1e-3, and in proportion elsewhere.
    """
    rms = optim.rmsprop(n.lr / 20)
    return n.gan(loss="wasserstein", d_steps=d_steps, opt_g=rms, opt_d=optim.clipped(rms, limit))


@_recipe("wgan-gp", "gulrajani2017", "5.5")
def wgan_gp(n: Networks, weight: float = 0.1, d_steps: int = 5) -> GAN:
    r"""The Wasserstein GAN with gradient penalty.

    $\ell_D = b - a + \lambda (\lVert \nabla D(u x + (1 - u) G(z)) \rVert - 1)^2$

    No BatchNorm in the critic; the norm is per sample. The paper's weight is 10, its code's on toys 0.1.
    """
    return n.gan(loss="wasserstein", penalties=penalties.wgan_gp(weight), d_steps=d_steps)


@_recipe("dragan", "kodali2017", "1.5")
def dragan(n: Networks, weight: float = 10.0) -> GAN:
    r"""DRAGAN.

    $\ell_D = \mathrm{sp}(-a) + \mathrm{sp}(b) + \lambda (\lVert \nabla D(x + \delta) \rVert - 1)^2$

    The code's noise delta is one-sided and uniform; its random step towards the noisy point is left out here.
    """
    return n.gan(penalties=penalties.dragan(weight))


@_recipe("r1", "mescheder2018", "1.5")
def r1(n: Networks, gamma: float = 1.0) -> GAN:
    r"""The R1 penalty.

    $\ell_D = \mathrm{sp}(-a) + \mathrm{sp}(b) + \tfrac{\gamma}{2} \lVert \nabla D(x) \rVert^2$

    The authors' code leaves the half out: its reg 10 is gamma = 20 here.
    """
    return n.gan(penalties=penalties.r1(gamma))


@_recipe("r1-r2", "mescheder2018", "2")
def r1_r2(n: Networks, gamma: float = 1.0) -> GAN:
    r"""The R1 and R2 penalties.

    $\ell_D = \mathrm{sp}(-a) + \mathrm{sp}(b) + \tfrac{\gamma}{2} \lVert \nabla D(x) \rVert^2 +
    \tfrac{\gamma}{2} \lVert \nabla D(G(z)) \rVert^2$

    What gamma should be depends on the data's scale and resolution.
    """
    return n.gan(penalties=(penalties.r1(gamma), penalties.r2(gamma)))


@_recipe("relativistic", "jolicoeur2019", "1.1")
def relativistic(n: Networks) -> GAN:
    r"""The relativistic GAN.

    $\ell_G = \mathrm{sp}(a - b),\quad \ell_D = \mathrm{sp}(b - a)$

    The loss of R3GAN, but without the penalties it is not stable either.
    """
    return n.gan(loss="relativistic")


@_recipe("r3gan", "huang2024", "2.1")
def r3gan(n: Networks, gamma: float = 1.0) -> GAN:
    r"""R3GAN: relativistic, R1 and R2.

    $\ell_G = \mathrm{sp}(a - b),\quad \ell_D = \mathrm{sp}(b - a) + \tfrac{\gamma}{2} \lVert \nabla D(x)
    \rVert^2 + \tfrac{\gamma}{2} \lVert \nabla D(G(z)) \rVert^2$

    What gamma should be depends on the resolution. The authors let it fall to a tenth; here it stays.
    """
    return n.gan(loss="relativistic", penalties=(penalties.r1(gamma), penalties.r2(gamma)))


@_recipe("spectral", "miyato2018", "1")
def spectral(n: Networks, scale: float = 16.0) -> GAN:
    r"""Spectral normalisation, with the hinge loss.

    $W \leftarrow W / \sigma_{\max}(W),\quad D \leftarrow s D$

    With every layer at norm one a small critic is weak: hence the scale s, which the paper does not have (s = 1).
    """
    return n.gan(D=critics.Spectral(n.critic(), scale), loss="hinge")


@_recipe("minibatch-discrimination", "salimans2016", "1 + O(B^2)")
def minibatch_discrimination(n: Networks, kernels: int = 16, dims: int = 4) -> GAN:
    r"""Minibatch discrimination.

    $o_i = \textstyle\sum_{j \ne i} \exp(-\lVert M_i - M_j \rVert_1)$

    Real and fake samples must go through D apart. A sample is not compared with itself. The authors' code
    has 100 kernels of 5 for CIFAR and 300 of 50 for ImageNet.
    """
    look = partial(critics.MinibatchDiscrimination, kernels=kernels, dims=dims)
    return n.gan(D=n.critic(look=look, adds=kernels))


@_recipe("minibatch-stddev", "karras2018", "1")
def minibatch_stddev(n: Networks, group: int = 4) -> GAN:
    r"""Minibatch standard deviation.

    $o = \operatorname{mean}_f \operatorname{std}_{i \in \text{group}} f(x_i)$

    The group's size must divide the batch. Real and fake samples must go through D apart. A hidden layer has to follow, as
    in the authors' network: right before the last layer the number can only shift the verdict.
    """
    return n.gan(D=n.critic(look=lambda _: critics.MinibatchStddev(group), adds=1, at=2))


@_recipe("feature-matching", "salimans2016", "1.2")
def feature_matching(n: Networks, weight: float = 1.0) -> GAN:
    r"""Feature matching.

    $\ell_G = \lVert \mathbb{E} f(x) - \mathbb{E} f(G(z)) \rVert^2$

    Means can agree where distributions do not: G may settle between the modes.
    """
    return n.gan(loss=losses.without_g(), terms=terms.feature_matching(weight))


@_recipe("pacgan", "lin2018", "1")
def pacgan(n: Networks, m: int = 2) -> GAN:
    r"""PacGAN.

    $D(x_1, \dots, x_m)$

    m must divide the batch. Real and fake samples must not share a pack. D's width stays, whatever m.
    """
    return n.gan(D=critics.Pac(n.critic(m), m))


@_recipe("unrolled", "metz2017", "1 + 1.5K")
def unrolled_gan(n: Networks, k: int = 5, through: bool = True) -> GAN:
    r"""The unrolled GAN.

    $\ell_G = \mathrm{sp}(-D_{\phi_K(\theta)}(G(z))),\quad \phi_{k+1} = \phi_k - h \nabla_\phi \ell_D$

    Many ports pass no gradient through the K steps, which is through=False: a good deal cheaper. Through them, the limit
    of many steps is the gradient of max V for a G that descends all of V, not for G's own loss alone.
    """
    return n.gan(play=unrolled(k, through))


@_recipe("veegan", "srivastava2017", "1.6")
def veegan(n: Networks, weight: float = 1.0) -> GAN:
    r"""VEEGAN.

    $D(x, E(x)),\ D(G(z), z),\quad \ell_G = -b + \lVert z - E(G(z)) \rVert^2$

    Its encoder learns from the reconstruction alone, as in the paper's Algorithm 1, and then it may touch every mode and
    hold none. An encoder that also plays against D is the recipe "ali" with this term.
    """
    return replace(ali(n), loss=losses.reverse_kl, terms=(terms.reconstruction(weight),))


@_recipe("ali", "dumoulin2017", "1.6")
def ali(n: Networks) -> GAN:
    r"""Adversarially learned inference.

    $D(x, E(x)),\ D(G(z), z),\quad \ell_G = \mathrm{sp}(-b) + \mathrm{sp}(a)$

    Nothing but D asks that E and G be inverse to one another. The paper's E draws; ours is a function.
    """
    G = models.WithEncoder(n.generator(), n.reader(n.latent))
    return n.gan(G=G, D=n.reader(1, n.size + n.latent), joint=True, loss="bidirectional")


@_recipe("msgan", "mao2019", "1")
def msgan(n: Networks, weight: float = 1.0) -> GAN:
    r"""The mode seeking GAN.

    $\ell_G = \mathrm{sp}(-b) + (\mathbb{E} |G(z_1) - G(z_2)| / \mathbb{E} |z_1 - z_2| + 10^{-5})^{-1}$

    Pushes samples apart for ever. A ratio of means; meant for conditional GANs.
    """
    return n.gan(terms=terms.msgan(weight))


@_recipe("gdpp", "elfeki2019", "1.3 + O(B^3)")
def gdpp(n: Networks, weight: float = 1.0) -> GAN:
    r"""GDPP.

    $\ell_G = \mathrm{sp}(-b) + 10^{-4}\,\overline{(l^g - l)^2} - \textstyle\sum_i \hat l_i |\cos(v_i^g, v_i)|$

    Its eigenvectors follow the order of the batch, not its modes; its eigenvalues hardly weigh. The authors' code keeps
    the arbitrary signs of the eigenvectors.
    """
    return n.gan(terms=terms.gdpp(weight))


@_recipe("mixture", "hoang2018", "1.5")
def mixture(n: Networks, k: int = 8, weight: float = 1.0) -> GAN:
    r"""A mixture of generators (MGAN).

    $\ell_G = \mathrm{sp}(-b) - \beta \log C_k(G_k(z))$

    With fewer generators than modes each must still cover several. Our classifier shares no layers with D.
    """
    G = models.Generators(k, n.latent, n.width, n.generator(n.width))
    return n.gan(G=models.WithEncoder(G, n.reader(k)), terms=terms.telling_apart(weight))


@_recipe("consensus", "mescheder2017", "3")
def consensus_optimisation(n: Networks, gamma: float = 1.0) -> GAN:
    r"""Consensus optimisation.

    $v - \tfrac{\gamma}{2} \nabla \lVert v \rVert^2$

    Seeks any point where both gradients vanish, good or bad. A popular notebook halves gamma once more.
    """
    return n.gan(play=consensus(gamma))


@_recipe("optimistic-adam", "daskalakis2018", "1")
def optimistic_adam(n: Networks) -> GAN:
    r"""Optimistic Adam.

    $w_{t+1} = w_t + 2 u_t - u_{t-1}$

    u are the moves of Adam. Its theory is of simultaneous play in bilinear games.
    """
    return n.gan(opt_g=optim.optimistic(n.adam()), opt_d=optim.optimistic(n.adam()), play="simultaneous")


@_recipe("extragradient", "gidel2019", "2")
def extragradient(n: Networks) -> GAN:
    r"""Extragradient.

    $w_{t+1} = w_t + h\,v(w_t + h\,v(w_t))$

    Both evaluations use one batch.
    """
    return n.gan(play="extragradient")


@_recipe("ttur", "heusel2017", "1")
def ttur(n: Networks, ratio: float = 3.0) -> GAN:
    r"""Two time scales.

    $h_D = 3\,h_G$

    Which player to change is a choice: here D is faster, and G as ever.
    """
    return n.gan(opt_d=n.adam(checks.number("ratio", ratio, above=0)))


@_recipe("label-smoothing", "salimans2016", "1")
def label_smoothing(n: Networks, real: float = 0.9) -> GAN:
    r"""One-sided label smoothing.

    $\ell_D = t\,\mathrm{sp}(-a) + (1 - t)\,\mathrm{sp}(a) + \mathrm{sp}(b)$

    One-sided: were the fakes' label smoothed too, D would be flat where only fakes are, and they had no reason to move.
    """
    return n.gan(loss=losses.smoothed("nonsaturating", real))


@_recipe("instance-noise", "sonderby2017", "1")
def instance_noise(n: Networks, std: float = 0.3, steps: int = 2_000) -> GAN:
    r"""Instance noise.

    $D(x + \varepsilon),\ D(G(z) + \varepsilon),\quad \varepsilon \sim N(0, \sigma_t^2 I)$

    While it lasts, G may be off by as much; when it has faded, the game is the plain one again.
    """
    return n.gan(D=critics.InstanceNoise(n.critic(), std, steps))


@_recipe("ema", "yazici2019", "1")
def ema(n: Networks) -> GAN:
    r"""The averaged generator.

    $\bar\theta \leftarrow \beta \bar\theta + (1 - \beta) \theta$

    Changes what is sampled, not how it trains. BatchNorm's buffers are not averaged.
    """
    return n.gan(ema=0.999)


@_recipe("historical-averaging", "salimans2016", "1")
def historical_averaging(n: Networks, weight: float = 0.01) -> GAN:
    r"""Historical averaging.

    $\ell + \lVert \theta - \tfrac1t \textstyle\sum_{i \le t} \theta_i \rVert^2$

    A mean over all of the past holds training back for long: at the paper's weight, 1, parameters hardly move.
    """
    return n.gan(opt_g=optim.historical(n.adam(), weight), opt_d=optim.historical(n.adam(), weight))


@_recipe("replay", "shrivastava2017", "1")
def replayed(n: Networks, size: int = 16_384, share: float = 0.5) -> GAN:
    r"""Replay of old fakes.

    $\text{half of the } G(z) \text{ that } D \text{ sees are old}$

    D judges a mixture of G's past: it is no longer the best answer to the present G. The pool remembers about
    size / (share * batch) steps.
    """
    return n.gan(replay=memory.replay(size, share))


@_recipe("diffaugment", "zhao2020", "1")
def diffaugment(n: Networks) -> GAN:
    r"""DiffAugment.

    $D(T(x)),\ D(T(G(z)))$

    For images, and for few of them: made against a D that memorises, not against collapse.
    """
    if not n.image:
        raise ValueError(f"diffaugment is for images [channels, height, width]; the source has {list(n.shape)}.")
    return n.gan(D=critics.DiffAugment(n.critic()))
