"""Train the frozen MNIST classifier of ``gan_utils.classifier``; write its weights and a record of what it reaches.

    python scripts/train_classifier.py --test-images t10k-images-idx3-ubyte.gz --test-labels t10k-labels-idx1-ubyte.gz

It learns from the 5,000 embedded images and from images made here that are no digits. The test images only measure.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import platform
import shlex
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from recording import read_idx
from safetensors.torch import save
from torch import Tensor, nn

from gan_utils.classifier import NO_DIGIT, MNISTClassifier
from gan_utils.data import mnist

WEIGHTS = Path(__file__).resolve().parents[1] / "gan_utils" / "weights"
NAME = "mnist_classifier"

# ---- digits, varied ------------------------------------------------------------------------------


def uniform(n: int, low: float, high: float) -> Tensor:
    """Return n numbers as [n, 1, 1, 1], to be spread over images."""
    return torch.empty(n, 1, 1, 1).uniform_(low, high)


def varied(x: Tensor) -> Tensor:
    """Rotate by up to 12 degrees, stretch by up to 12 %, shear, shift by up to 2.5 pixels; leave 30 % as they are.

    Those, because resampling softens edges. Were every digit resampled and were the pieces of the non-digits not, the
    network would learn to tell soft from crisp and refuse a quarter of the true digits: we have seen it.
    """
    n = len(x)
    angle, shear = uniform(n, -0.21, 0.21).view(n), uniform(n, -0.12, 0.12).view(n)
    sx, sy = (uniform(n, 0.88, 1.12).view(n) for _ in range(2))
    tx, ty = (uniform(n, -2.5, 2.5).view(n) / 14 for _ in range(2))
    cos, sin = angle.cos(), angle.sin()
    rows = [cos * sx, (shear - sin) * sx, tx, sin * sy, cos * sy, ty]
    grid = F.affine_grid(torch.stack(rows, 1).view(n, 2, 3), list(x.shape), align_corners=False)
    turned = F.grid_sample(x + 1, grid, align_corners=False) - 1  # +1 and -1: black outside the picture
    return torch.where(torch.rand(n, 1, 1, 1) < 0.3, x, turned)


def imperfect(x: Tensor) -> Tensor:
    """Leave 40 % clean; give the rest the faults of a fair generator, which a reader forgives.

    Blotches in the ink, wobbly edges (blurred, then made crisp again), speckle around the strokes; one, two or all.
    """
    n = len(x)
    wobbly = torch.tanh((blurred(x, 1.0) + uniform(n, -0.1, 0.4)) * uniform(n, 1.5, 4))
    y = torch.where(torch.rand(n, 1, 1, 1) < 0.5, wobbly, x)
    blotch = torch.sigmoid(blurred(torch.randn_like(x) - 1, 1.5) * 15 + 15)  # between 0 and 1, three pixels wide
    y = (y + 1) * (1 - uniform(n, -0.5, 0.6).clamp_min(0) * blotch) - 1
    speckle = uniform(n, -0.25, 0.3).clamp_min(0) * (0.15 + (blurred(x, 2.0) + 1) / 2)
    y = y + torch.randn_like(x) * speckle
    return torch.where(torch.rand(n, 1, 1, 1) < 0.4, x, y).clamp(-1, 1)


# ---- images that are no digits -------------------------------------------------------------------


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Blur [n, 1, 28, 28] by a Gaussian of ``sigma`` pixels, black (-1) beyond the edge."""
    reach = max(1, math.ceil(3 * sigma))
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    line = line / line.sum()
    x = F.conv2d(x + 1, line.view(1, 1, 1, -1), padding=(0, reach))
    return F.conv2d(x, line.view(1, 1, -1, 1), padding=(reach, 0)) - 1


def stretched(x: Tensor) -> Tensor:
    """Bring each image to a darkest value of -1 and a random brightest value between 0 and 1."""
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return (x - low) / (high - low).clamp_min(1e-6) * uniform(len(x), 1, 2) - 1


def pick(digits: Tensor, n: int) -> Tensor:
    return digits[torch.randint(len(digits), (n,))]


def pixel_noise(n: int, digits: Tensor) -> Tensor:
    """Uniform, Gaussian and salt noise of random strength and level."""
    flat = torch.rand(n, 1, 28, 28) * 2 - 1
    gauss = torch.randn(n, 1, 28, 28) * uniform(n, 0.05, 1) + uniform(n, -1, 1)
    salt = torch.where(torch.rand(n, 1, 28, 28) < uniform(n, 0.005, 0.5), uniform(n, 0, 1), torch.tensor(-1.0))
    which = torch.randint(3, (n, 1, 1, 1))
    return torch.where(which == 0, flat, torch.where(which == 1, gauss, salt)).clamp(-1, 1)


def smooth_noise(n: int, digits: Tensor) -> Tensor:
    """Noise smoothed at a random scale, soft or hard, on the whole picture or only where digits have ink."""
    sigma = float(torch.empty(()).uniform_(0.7, 6))
    field = blurred(torch.randn(n, 1, 28, 28) - 1, sigma) + 1
    field = field / field.std((1, 2, 3), keepdim=True)
    ink = torch.sigmoid((field + uniform(n, -1, 1)) * torch.exp(uniform(n, 0, 3)))
    place = blurred(digits.mean(0, keepdim=True), 1.5) + 1
    place = (place / place.max()) ** uniform(n, 0.3, 1.5)
    ink = torch.where(torch.rand(n, 1, 1, 1) < 0.6, ink * place, ink)
    return ink * uniform(n, 0.8, 2).clamp_max(2) - 1


def means(n: int, digits: Tensor) -> Tensor:
    """Means of 4 to 64 digits: the grey blob that a collapsed generator shows. Sharpened or not, noisy or not."""
    count = int(2 ** torch.empty(()).uniform_(2, 6))
    x = stretched(pick(digits, n * count).view(n, count, 28, 28).mean(1, keepdim=True))
    sharp = torch.tanh(x * torch.exp(uniform(n, 0, 2)) + uniform(n, -0.5, 0.5))
    x = torch.where(torch.rand(n, 1, 1, 1) < 0.4, sharp, x)
    return (x + torch.randn_like(x) * uniform(n, -0.2, 0.3).clamp_min(0)).clamp(-1, 1)


def shuffled(n: int, digits: Tensor) -> Tensor:
    """A digit whose pixels, or patches of 2 to 14 pixels, lie in a random order."""
    size = (1, 2, 4, 7, 14)[int(torch.randint(5, ()))]
    tiles = F.unfold(pick(digits, n), size, stride=size)
    order = torch.rand(n, 1, tiles.shape[2]).argsort(2).expand_as(tiles)
    return F.fold(tiles.gather(2, order), (28, 28), size, stride=size)


def heavy_blur(n: int, digits: Tensor) -> Tensor:
    """A digit blurred by 3 to 6 pixels, its contrast brought back: no reader could name it."""
    return stretched(blurred(pick(digits, n), float(torch.empty(()).uniform_(3, 6))))


def overlaid(n: int, digits: Tensor) -> Tensor:
    """Two or three digits, shifted apart, on top of one another or mixed."""
    parts = []
    for _ in range(2 + int(torch.rand(()) < 0.4)):
        shift = tuple(int(s) for s in torch.randint(-5, 6, (2,)))
        parts.append(torch.roll(pick(digits, n), shift, (2, 3)))
    stack = torch.stack(parts)
    mixed = stretched(stack.mean(0)) if torch.rand(()) < 0.5 else stack.amax(0)
    return mixed


def fragments(n: int, digits: Tensor) -> Tensor:
    """What a window of 4 to 11 pixels shows of a digit, the rest erased; kept only if under 40 % of the ink is left."""
    x = pick(digits, n)
    height, width = (torch.randint(4, 12, (n, 1, 1, 1)) for _ in range(2))
    top, left = (torch.randint(3, 18, (n, 1, 1, 1)) for _ in range(2))
    row, column = torch.arange(28).view(1, 1, 28, 1), torch.arange(28).view(1, 1, 1, 28)
    window = (row >= top) & (row < top + height) & (column >= left) & (column < left + width)
    seen = torch.where(window, x, torch.tensor(-1.0))
    share = (seen + 1).sum((1, 2, 3), keepdim=True) / (x + 1).sum((1, 2, 3), keepdim=True)
    return torch.where(share < 0.4, seen, torch.tensor(-1.0))


def constants(n: int, digits: Tensor) -> Tensor:
    """One level everywhere, or two levels parted by a straight edge."""
    row, column = torch.meshgrid(torch.linspace(-1, 1, 28), torch.linspace(-1, 1, 28), indexing="ij")
    angle = uniform(n, 0, 2 * math.pi)
    edge = torch.tanh((angle.cos() * row + angle.sin() * column - uniform(n, -1, 1)) * torch.exp(uniform(n, 0, 4)))
    one, two = uniform(n, -1, 1), uniform(n, -1, 1)
    two = torch.where(torch.rand(n, 1, 1, 1) < 0.5, one, two)
    return (one + two) / 2 + (one - two) / 2 * edge


def ghosts(n: int, digits: Tensor) -> Tensor:
    """Gaussian samples in the span of 3 to 30 principal components of the digits: smooth ghosts, seldom a digit."""
    flat = pick(digits, 1500).flatten(1)
    centre = flat.mean(0)
    _, scale, axes = torch.pca_lowrank(flat, q=int(torch.randint(3, 31, ())), niter=1)
    weights = torch.randn(n, len(scale)) * scale / math.sqrt(len(flat))
    x = (centre + weights @ axes.T).view(n, 1, 28, 28)
    return torch.tanh(x * torch.exp(uniform(n, 0, 1)))


def scribbles(n: int, digits: Tensor) -> Tensor:
    """Five to nine straight pen strokes, each from the end of the last to a random point."""
    row, column = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    x, width = torch.full((n, 1, 28, 28), -1.0), uniform(n, 1.2, 2.5)
    start = [uniform(n, 4, 24), uniform(n, 4, 24)]
    for _ in range(int(torch.randint(5, 10, ()))):
        end = [uniform(n, 4, 24), uniform(n, 4, 24)]
        dy, dx = end[0] - start[0], end[1] - start[1]
        along = (((row - start[0]) * dy + (column - start[1]) * dx) / (dy**2 + dx**2).clamp_min(1)).clamp(0, 1)
        away = ((row - start[0] - along * dy) ** 2 + (column - start[1] - along * dx) ** 2).sqrt()
        x, start = torch.maximum(x, (width - away).clamp(0, 1) * 2 - 1), end
    return x


def swollen(n: int, digits: Tensor) -> Tensor:
    """A digit whose strokes are 6 to 10 pixels wider, so that they run into one another."""
    reach = int(torch.randint(3, 6, ()))
    return F.max_pool2d(pick(digits, n), 2 * reach + 1, 1, reach)


def untrained_mlp(n: int, digits: Tensor) -> Tensor:
    """Outputs of the reference MLP generator before training, its weights scaled by a random factor."""
    net = mlp_generator()
    gain = float(torch.empty(()).uniform_(1, 2.5))
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(gain)
        return (net(torch.randn(n, 100)).view(n, 1, 28, 28) + uniform(n, -1, 0.3)).clamp(-1, 1)


TRAINED = (
    pixel_noise,
    smooth_noise,
    means,
    shuffled,
    heavy_blur,
    overlaid,
    fragments,
    constants,
    ghosts,
    scribbles,
    swollen,
    untrained_mlp,
)

# ---- kinds that are never trained on, to measure how far "no digit" reaches ----------------------


def inverted(n: int, digits: Tensor) -> Tensor:
    """Black digits on white."""
    return -pick(digits, n)


def gratings(n: int, digits: Tensor) -> Tensor:
    """Sine waves across the picture."""
    row, column = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    angle, wave = uniform(n, 0, math.pi), uniform(n, 0.3, 2)
    return torch.sin(wave * (angle.cos() * row + angle.sin() * column) + uniform(n, 0, 6.3))


def filled_shapes(n: int, digits: Tensor) -> Tensor:
    """Filled ellipses and rectangles, white on black."""
    row, column = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    y, x = (row - uniform(n, 11, 17)) / uniform(n, 5, 11), (column - uniform(n, 11, 17)) / uniform(n, 5, 11)
    inside = torch.where(torch.rand(n, 1, 1, 1) < 0.5, (x * x + y * y).sqrt(), torch.maximum(x.abs(), y.abs())) < 1
    return inside.float() * 2 - 1


def phase_scrambled(n: int, digits: Tensor) -> Tensor:
    """A digit's Fourier amplitudes with the phases of noise."""
    phase = torch.fft.rfft2(torch.randn(n, 1, 28, 28)).angle()
    x = torch.fft.irfft2(torch.polar(torch.fft.rfft2(pick(digits, n)).abs(), phase), s=(28, 28))
    return stretched(x)


def chimeras(n: int, digits: Tensor) -> Tensor:
    """The four quarters of four different digits: locally all strokes, as a whole seldom a digit."""
    parts = [pick(digits, n) for _ in range(4)]
    top = torch.cat([parts[0][..., :14, :14], parts[1][..., :14, 14:]], 3)
    return torch.cat([top, torch.cat([parts[2][..., 14:, :14], parts[3][..., 14:, 14:]], 3)], 2)


def letters(n: int, digits: Tensor) -> Tensor:
    """Printed capitals that look like no digit, turned and shifted a little."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    glyphs = []
    for letter in "ACEFHKMNPRUWX":
        figure = Figure(figsize=(0.28, 0.28), dpi=100, facecolor="black")
        figure.text(0.5, 0.47, letter, color="white", size=15, ha="center", va="center")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        glyphs.append(torch.from_numpy(np.asarray(canvas.buffer_rgba())[..., 0].copy()))
    return varied(pick(torch.stack(glyphs)[:, None].float() / 127.5 - 1, n))


def untrained_dcgan(n: int, digits: Tensor) -> Tensor:
    """Outputs of a convolutional generator before training."""
    net = nn.Sequential(
        *(nn.ConvTranspose2d(64, 64, 7), nn.BatchNorm2d(64), nn.ReLU()),
        *(nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Tanh()),
    )
    with torch.no_grad():
        return net(torch.randn(n, 64, 1, 1))


UNSEEN = (inverted, gratings, filled_shapes, phase_scrambled, chimeras, letters, untrained_dcgan)

# ---- the real thing: early outputs of the reference MLP GAN --------------------------------------


def mlp_generator() -> nn.Sequential:
    """The reference generator: 100-256-512-1024-784, ReLU, tanh."""
    sizes, layers = (100, 256, 512, 1024, 784), []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Tanh())


def mlp_discriminator() -> nn.Sequential:
    """The reference discriminator: 784-1024-512-256-1, LeakyReLU .2, dropout .3."""
    sizes, layers = (784, 1024, 512, 256), []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.LeakyReLU(0.2), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(256, 1))


def early_gan(data: Tensor, steps: tuple[int, ...], seed: int, n: int = 500) -> dict[int, Tensor]:
    """Train the reference MLP GAN (non-saturating, Adam 2e-4, betas .5/.999, batch 64); return n samples a step."""
    torch.manual_seed(seed)
    G, D = mlp_generator(), mlp_discriminator()
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (G, D))
    shown = {}
    for step in range(1, max(steps) + 1):
        real, fake = pick(data, 64).flatten(1), G(torch.randn(64, 100))
        opt_d.zero_grad()
        (F.softplus(-D(real)).mean() + F.softplus(D(fake.detach())).mean()).backward()
        opt_d.step()
        opt_g.zero_grad()
        F.softplus(-D(G(torch.randn(64, 100)))).mean().backward()
        opt_g.step()
        if step in steps:
            with torch.no_grad():
                shown[step] = G(torch.randn(n, 100)).view(n, 1, 28, 28)
    return shown


# ---- training and measuring ----------------------------------------------------------------------


def train(seed: int, epochs: int, batch: int = 128, report: Callable[[str], None] = print) -> MNISTClassifier:
    """Train on the embedded images: AdamW with one cycle, label smoothing .05; three non-digits to four digits."""
    torch.manual_seed(seed)
    data = mnist()
    digits, labels, net = data.all(), data.labels, MNISTClassifier()
    steps = len(digits) // batch
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=epochs * steps)
    each = math.ceil(0.75 * batch / len(TRAINED))
    for epoch in range(epochs):
        net.train()
        start, total = time.perf_counter(), 0.0
        pool = varied(digits)  # what non-digits are made of: as soft and as crisp as the digits
        for rows in torch.randperm(len(digits))[: steps * batch].view(steps, batch):
            none = torch.cat([kind(each, pool) for kind in TRAINED])
            x = imperfect(torch.cat([varied(digits[rows]), none]))
            y = torch.cat([labels[rows], torch.full((len(none),), NO_DIGIT)])
            loss = F.cross_entropy(net(x), y, label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            cycle.step()
            total += float(loss.detach())
        report(f"epoch {epoch + 1:2}/{epochs}: loss {total / steps:.4f}, {time.perf_counter() - start:.0f} s")
    return net.eval()


def digit_figures(net: MNISTClassifier, x: Tensor, y: Tensor) -> dict[str, float]:
    """Return shares, in per cent: right among the ten digits; right and accepted; wrong and accepted; rejected."""
    p = net.predict(x)
    right = p.digit == y
    parts = {
        "accuracy": right,
        "accepted and right": right & p.is_digit,
        "accepted but wrong": ~right & p.is_digit,
        "rejected": ~p.is_digit,
    }
    return {name: round(float(part.double().mean()) * 100, 2) for name, part in parts.items()}


def rejected(net: MNISTClassifier, x: Tensor) -> float:
    return round(float((~net.predict(x).is_digit).double().mean()) * 100, 2)


def measure(net: MNISTClassifier, test: tuple[Tensor, Tensor] | None, seed: int) -> dict:
    """Return the figures of the table, all in per cent. Non-digits are made from test digits if there are any."""
    torch.manual_seed(seed)
    data = mnist()
    digits = data.all() if test is None else test[0]
    found = {"embedded digits (trained on)": digit_figures(net, data.all(), data.labels)}
    if test is not None:
        found["test digits"] = digit_figures(net, *test)
    for title, kinds in (("trained kinds", TRAINED), ("unseen kinds", UNSEEN)):
        samples = {kind: torch.cat([kind(50, digits) for _ in range(20)]) for kind in kinds}
        found[f"rejected, {title}"] = {kind.__name__: rejected(net, x) for kind, x in samples.items()}
    runs = [early_gan(data.all(), (100, 200, 400), seed) for seed in range(3)]
    found["rejected, early outputs of the MLP GAN"] = {
        f"step {step}": [rejected(net, run[step]) for run in runs] for step in runs[0]
    }
    return found


def command(args: argparse.Namespace) -> str:
    """Return the command for the record: file names only, since folders differ from machine to machine."""
    words = ["python", "scripts/train_classifier.py", "--seed", str(args.seed), "--epochs", str(args.epochs)]
    if args.test_images:
        words += ["--test-images", args.test_images.name, "--test-labels", args.test_labels.name]
    return shlex.join(words)


def main() -> None:
    """Train, round to float16, measure what was rounded, write weights and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--test-images", type=Path, help="IDX file, for measuring only")
    parser.add_argument("--test-labels", type=Path, help="IDX file")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for weights and record")
    args = parser.parse_args()
    if (args.test_images is None) != (args.test_labels is None):
        parser.error("give both --test-images and --test-labels, or neither")
    test = None
    if args.test_images:
        test = (read_idx(args.test_images)[:, None].float() / 127.5 - 1, read_idx(args.test_labels).long())
    net = train(args.seed, args.epochs)
    stored = {name: value.half() if value.is_floating_point() else value for name, value in net.state_dict().items()}
    net.load_state_dict(stored)
    content = save(stored)
    record = {
        "command": command(args),
        "seed": args.seed,
        "epochs": args.epochs,
        "training data": "gan_utils.data.mnist('embedded') and the kinds of non-digits in the script",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "device": "cpu",
        "sha256": hashlib.sha256(content).hexdigest(),
        "figures in per cent": measure(net, test, args.seed),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{NAME}.safetensors").write_bytes(content)
    (args.out / f"{NAME}.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record["figures in per cent"], indent=2))


if __name__ == "__main__":
    main()
