"""What users write, for the type checker alone: nothing here is run. ``make lint`` reads it with mypy.

A line with ``type: ignore`` is a mistake that a hint must show; if no hint does, mypy says that the comment is not needed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

import gan_utils as gu


class Normal:
    """A source of one's own: nothing to inherit."""

    shape = (2,)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, 2, generator=generator)

    def describe(self) -> str:
        return "normal"


def recipes() -> None:
    G, ring = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)), gu.data.ring()
    gan = gu.GAN(
        G,
        lambda: nn.Linear(2, 1),
        loss="hinge",
        penalties=gu.penalties.r1(1.0),
        opt_g=gu.optim.optimistic(gu.optim.adam(1e-3, betas=(0.0, 0.9))),
        play=gu.consensus(10.0),
        terms=[gu.terms.msgan(1.0)],
        replay=gu.memory.replay(),
    )
    said: str = gan.loss.name + gan.penalties[0].name + str(gan.latent + 1)
    monitors = [gu.CollapseMonitor(on_alarm=lambda alarm: print(alarm.kind, said)) for _ in range(3)]
    gu.fit(gan, ring, steps=10, seeds=3, lr_g=[1e-3, 1e-4, 1e-5], callbacks=[gu.monitor.watch(monitors)])
    gu.fit(gu.zoo.build("pacgan", Normal(), m=3), Normal(), steps=3, seeds=torch.arange(3).tolist())
    gu.fit(
        gan, gu.data.mnist(digits=(3, 8)), steps=1, callbacks=[lambda step, run: {"norm": run.state.G.params["0.bias"]}]
    )
    gu.GAN(G, 5)  # type: ignore[arg-type]
    gu.GAN(G, G, loss=5)  # type: ignore[arg-type]
    gu.GAN(G, G, penalties=gu.terms.msgan())  # type: ignore[arg-type]
    gu.fit(gan, torch.zeros(3, 2), steps=1)  # type: ignore[arg-type]
    gan.ema = 0.9  # type: ignore[misc]


def outcomes(run: gu.Run) -> None:
    x: Tensor = run.sample(100)
    covered = gu.metrics.mode_coverage(x, gu.data.ring())
    share: float = float(covered.modes.double().mean()) + gu.metrics.wilson(3, 10)[0]
    G, D = run.networks(seed=0)
    logits: Tensor = D(G(torch.randn(5, 2)))
    print(share, logits, run.history["d_loss"].max(), run.summary().splitlines())


def arrays(run: gu.Run) -> None:
    x = np.random.default_rng(0).normal(size=(300, 2))
    images = np.zeros((3, 1, 28, 28), dtype=np.float32)
    print(gu.diagnose(x, x, train=torch.zeros(300, 2)).verdict, gu.metrics.prdc(x, torch.zeros(300, 2)).density)
    print(gu.metrics.find_modes(x), gu.metrics.spread(x), gu.metrics.vendi(x), gu.metrics.birthday(x, 0.1).support)
    print(gu.metrics.report({"a": x[:, 0]}, {"a": x[:, 1]}), gu.metrics.bootstrap(torch.mean, x[:, 0]).high)
    print(
        gu.classifier.classifier().predict(images).is_digit, run.generate(x), run.judge(x), gu.data.ring().log_prob(x)
    )
    gu.fit(run.gan, gu.data.Points(x), steps=1)
    gu.CollapseMonitor().update(1, real=x, fake=x, d_real=x[:, 0], D=nn.Linear(2, 1))
    gu.plots.points(x, real=gu.data.ring(), titles=["one"]), gu.plots.images(images), gu.plots.history(run, "d_loss")
    gu.plots.lines([1, 2], {"loss": x[:2, 0]}, xlabel="step", ylabel="loss")
    gu.metrics.prdc([[0.0, 1.0]], x)  # type: ignore[arg-type]
    gu.metrics.mode_coverage(x, Normal())  # type: ignore[arg-type]


def answers() -> None:
    correct: bool = gu.exercises.check("1.1", lambda p_data, p_g: p_data / (p_data + p_g)).status == "correct"
    print(correct)
