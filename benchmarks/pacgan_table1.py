"""PacGAN's Table 1 (Lin et al., 2018), GAN and PacGAN2 on the ring and the grid, made again.

    python benchmarks/pacgan_table1.py --json benchmarks/recorded/pacgan_table1.json     # hours; best on a GPU
    python benchmarks/pacgan_table1.py --steps 20000 --only ring                         # shorter than the paper's 400,000

As in the authors' code: 100,000 fixed points; z ~ N(0, I) of 2; G four layers of 400 without bias, BatchNorm, ReLU, then
a linear layer; D three maxout layers of 200 x 5, then a linear layer, of the same width for every m; weights N(0, .02);
simultaneous steps of Adam (1e-4, beta1 .8); 100 packs a batch, that is 100 m samples. 2,500 samples, G in evaluation mode.
Not as there: BatchNorm sees the 100 m fakes at once, not m times 100; points are drawn with replacement.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from measuring import begin, head, options, row, write
from torch import Tensor, nn

import gan_utils as gu

PACKS, POINTS, SAMPLES = 100, 100_000, 2_500
SOURCES = {"ring": partial(gu.data.ring, std=0.01), "grid": partial(gu.data.grid, std=0.05)}
#: modes, high quality in %, reverse KL, each with its standard error.
PUBLISHED = {
    ("ring", 1): "6.3+-.5, 98.2+-.2, .45+-.09",
    ("ring", 2): "7.9+-.1, 95.6+-2.0, .07+-.03",
    ("grid", 1): "17.3+-.8, 94.8+-.7, .70+-.07",
    ("grid", 2): "23.8+-.7, 91.3+-.8, .13+-.04",
}


class Maxout(nn.Module):
    """``[B, n_in] -> [B, n_out]``, each output the largest of several linear pieces."""

    def __init__(self, n_in: int, n_out: int, pieces: int = 5) -> None:
        super().__init__()
        self.pieces, self.linear = pieces, nn.Linear(n_in, n_out * pieces)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


def drawn(network: nn.Module) -> nn.Module:
    """Draw the weights of linear layers from N(0, .02); their biases begin at 0."""
    for part in network.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return network


def generator(width: int = 400) -> nn.Module:
    """Return the paper's generator; BatchNorm's constants are those of the authors' framework."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise((2, *[width] * 4)):
        layers += [nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out, eps=1e-4, momentum=0.05), nn.ReLU()]
    return drawn(nn.Sequential(*layers, nn.Linear(width, 2)))


def discriminator(m: int, width: int = 200) -> nn.Module:
    """Return the paper's discriminator of packs of m."""
    layers = [Maxout(*sizes) for sizes in pairwise((2 * m, *[width] * 3))]
    return gu.critics.Pac(drawn(nn.Sequential(*layers, nn.Linear(width, 1))), m)


def recipe(m: int) -> gu.GAN:
    """Return PacGAN of m; m = 1 is the GAN."""
    adam = gu.optim.adam(1e-4, betas=(0.8, 0.999))
    D = partial(discriminator, m)
    return gu.GAN(generator, D, opt_g=adam, opt_d=adam, play="simultaneous", latent=2)


def outcome(name: str, m: int, *, steps: int, seeds: int, device: str, points: int = POINTS) -> dict[str, Any]:
    """Train, and return what 2,500 samples of every seed cover."""
    mixture = SOURCES[name]()
    fixed = gu.data.Points(mixture.sample(points, gu.generator(1)), name=f"{points:,} points of {mixture.describe()}")
    run = gu.fit(recipe(m), fixed, steps=steps, seeds=seeds, batch=PACKS * m, device=device, progress=False)
    found = gu.metrics.mode_coverage(run.sample(SAMPLES), mixture)
    values = {part: getattr(found, part).double() for part in ("modes", "good", "reverse_kl")}
    return {
        "data": name,
        "m": m,
        "steps": steps,
        "seconds": round(run.seconds + run.compile_seconds, 1),
        "published": PUBLISHED[name, m],
        **{part: [None if v != v else v for v in value.tolist()] for part, value in values.items()},
    }


def results(names: list[str], *, steps: int, seeds: int, device: str) -> Iterator[dict[str, Any]]:
    """Run the four cells, one after the other."""
    for name in names:
        for m in (1, 2):
            yield outcome(name, m, steps=steps, seeds=seeds, device=device)


def line(r: dict[str, Any]) -> str:
    """Return a row of the Markdown table: means and standard errors, as the paper has them."""

    def cell(values: list[float | None], times: float, digits: int) -> str:
        x = times * torch.tensor([v for v in values if v is not None])  # None: no good sample, so no KL
        return f"{x.mean():.{digits}f}+-{x.std() / len(x) ** 0.5:.{digits}f}" if len(x) > 1 else "-"

    ours = cell(r["modes"], 1, 1), cell(r["good"], 100, 1), cell(r["reverse_kl"], 1, 2)
    name = "GAN" if r["m"] == 1 else f"PacGAN{r['m']}"
    return row(r["data"], name, f"{r['steps']:,}", *ours, r["published"], f"{r['seconds']:.0f}")


def main(argv: list[str] | None = None) -> None:
    """Print the table; with --json, also write every seed's outcome."""
    parser = options(__doc__, rounds=1)
    parser.add_argument("--steps", type=int, default=400_000, help="steps (default 400,000, as published)")
    parser.add_argument("--seeds", type=int, default=10, help="seeds (default 10, as published)")
    parser.add_argument("--only", nargs="+", choices=SOURCES, default=list(SOURCES), help="data (default both)")
    parser.add_argument("--device", default="auto", help="as for gu.fit (default auto)")
    arguments, made = begin(__file__, parser, argv)
    if arguments.device != "auto" or gu.device().type == "cuda":
        made |= {"device": gu.benchmark.provenance([], arguments.device)["device"]}
    steps, seeds = (2, 2) if arguments.quick else (arguments.steps, arguments.seeds)
    print(head("data", "recipe", "steps", "modes", "HQ %", "reverse KL", "published: modes, HQ %, KL", "s"), flush=True)
    rows = []
    for result in results(arguments.only, steps=steps, seeds=seeds, device=arguments.device):
        rows.append(result)
        print(line(result), flush=True)
        write(arguments.json, made, rows=rows)  # after each: the whole takes hours


if __name__ == "__main__":
    main()
