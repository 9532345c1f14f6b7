"""The command line: ``python -m gan_utils diagnose --real real.npy --fake fake.npy`` and ``... benchmark ring``."""

from __future__ import annotations

import argparse
import base64
import html
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_utils import benchmark, checks, zoo
from gan_utils.classifier import classifier
from gan_utils.diagnosis import Diagnosis, diagnose

__all__ = ["load", "main", "page"]

HEALTHY, PROBLEM, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
FEATURES: dict[str, Callable[[Tensor], Tensor] | None] = {"raw": None, "mnist": lambda x: classifier().features(x)}


def load(path: Path) -> Tensor:
    """Return the samples in a ``.npy`` file, or the images in a folder and below it, ``[n, ...]``.

    Bytes, and images of all kinds, become [-1, 1]; greys and colours ``[n, h, w]``, ``[n, h, w, c]`` of bytes become
    ``[n, c, h, w]``. Other numbers stay as they are. Nothing pickled is read. Raises ValueError or OSError, naming the file
    and what is wrong with it.
    """
    if path.is_dir():
        return _scaled(_folder(path))
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise OSError(f"{path} does not exist.") from None
    except (ValueError, EOFError):
        raise ValueError(f"{path} is no .npy file of numbers, or damaged. Save it with numpy.save.") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub" or array.ndim < 2:
        form = f"{array.dtype} of shape {list(array.shape)}" if isinstance(array, np.ndarray) else "an archive"
        raise ValueError(f"{path} must hold one array [n, ...] of numbers, as numpy.save writes it; it holds {form}.")
    return _scaled(array) if array.dtype == np.uint8 else checks.tensor(array)


def _folder(path: Path) -> np.ndarray:
    from PIL import Image

    files = sorted(file for file in path.rglob("[!.]*") if file.suffix.lower() in PICTURES)
    if not files:
        raise ValueError(f"{path} holds no images ({', '.join(sorted(PICTURES))}).")
    images = []
    for file in files:
        try:
            with Image.open(file) as image:
                if image.mode in ("F", "I"):
                    raise ValueError(f"{file} holds numbers of no known scale (mode {image.mode}): save them as .npy.")
                deep = image.mode.startswith("I;16")  # convert() would clip these
                grey = np.asarray(image) >> 8 if deep else image.convert("L" if image.mode in ("1", "L") else "RGB")
                images.append(np.asarray(grey, dtype=np.uint8))
        except OSError as error:
            raise ValueError(f"{file} cannot be read as an image ({error}).") from None
        if images[-1].shape != images[0].shape:
            raise ValueError(f"{file} is {images[-1].shape}, {files[0].name} {images[0].shape}: all must be alike.")
    return np.stack(images)


def _scaled(bytes_: np.ndarray) -> Tensor:
    x = torch.from_numpy(bytes_.copy())
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[-1] in (1, 3, 4):
        x = x.permute(0, 3, 1, 2)
    return x.float() / 127.5 - 1


def page(diagnosis: Diagnosis, title: str) -> str:
    """Return a web page of its own with the diagnosis, the picture of the evidence, and nothing from elsewhere."""
    picture = ""
    if diagnosis.findings:
        file = io.BytesIO()
        diagnosis.plot().figure.savefig(file, format="png")
        alt = "The measures of the evidence on one scale, from what real samples score to the limit."
        picture = f'<p><img alt="{alt}" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"></p>'
    facts = ", ".join(f"{name}: {value}" for name, value in diagnosis.facts.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>body{{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;"
        f"padding:0 1em}}img{{max-width:100%}}td,th{{padding:.2em .6em;text-align:left;vertical-align:top}}</style>"
        f"<h1>{html.escape(title)}</h1>{diagnosis._repr_html_()}{picture}<p>{html.escape(facts)}</p></html>\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gan_utils", description="Tools for your own GANs.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "diagnose",
        help="say what is wrong with a generator, from its samples",
        description="Say what is wrong with a generator, from its samples alone. Exit status: 0 healthy; 1 a problem, or too "
        "few samples to say; 2 bad input. Bytes and images become [n, c, h, w] in [-1, 1]; other numbers stay as they are.",
    )
    command.set_defaults(run=_diagnose)
    for name, text in (("real", "real samples"), ("fake", "samples of the generator")):
        about = f"{text}: .npy, or a folder of images"
        command.add_argument(f"--{name}", type=Path, required=True, metavar="PATH", help=about)
    command.add_argument("--train", type=Path, metavar="PATH", help="the training data, if --real are others")
    about = "compare by these (default: raw numbers, which say little about images: save features of yours as .npy)"
    command.add_argument("--features", choices=list(FEATURES), default="raw", help=about)
    command.add_argument("--html", type=Path, metavar="FILE", help="write the report as a web page too")
    command.add_argument("--json", action="store_true", help="print JSON instead of text")
    command.add_argument("--seed", type=int, default=0, help="which samples of large sets are looked at (default 0)")
    command = commands.add_parser(
        "benchmark",
        help="run the recipes of the zoo on a task, with equal compute",
        description="Run recipes of the zoo on a task, with equal compute, over many seeds, and record the outcome. What is in "
        "the record is not run again, so a benchmark that was stopped goes on.",
        epilog=f"Recipes: {', '.join(zoo.names())}.",
    )
    command.set_defaults(run=_benchmark)
    command.add_argument("task", choices=list(benchmark.TASKS))
    command.add_argument("--methods", nargs="+", default=["all"], metavar="RECIPE", help="default: all")
    command.add_argument("--seeds", type=int, help="how many; the task has a default")
    command.add_argument("--steps", type=int, help="of the plain GAN; others get as much compute")
    command.add_argument("--times", type=float, nargs="+", default=[1.0], metavar="X", help="times its own rate (1)")
    command.add_argument("--out", type=Path, metavar="FILE", help="the record (default: TASK.json)")
    command.add_argument("--jobs", type=int, default=1, help="runs at a time; -1: one for each core (default 1)")
    command.add_argument("--backend", help="of joblib: loky (default), dask, ray")
    command.add_argument("--device", default="auto", help="auto (default), cpu, cuda")
    return parser


def _diagnose(args: argparse.Namespace, argv: Sequence[str]) -> int:
    real, fake = load(args.real), load(args.fake)
    (args.html or Path()).parent.mkdir(parents=True, exist_ok=True)  # before the work
    train = None if args.train is None else load(args.train)
    found = diagnose(real, fake, train=train, features=FEATURES[args.features], seed=args.seed)
    print(json.dumps(found.to_dict(), indent=1) if args.json else found)
    if args.html is not None:
        args.html.write_text(page(found, f"Diagnosis of {args.fake.name}"), encoding="utf-8")
    return HEALTHY if found.verdict == "healthy" else PROBLEM


def _benchmark(args: argparse.Namespace, argv: Sequence[str]) -> int:
    if args.backend == "dask":  # joblib wants a client; this one finds the cluster at DASK_SCHEDULER_ADDRESS
        from distributed import Client

        Client()
    options = {name: getattr(args, name) for name in ("seeds", "steps", "times", "out", "jobs", "backend", "device")}
    options |= {"command": ["python", "-m", "gan_utils", *argv], "say": lambda line: print(line, flush=True)}
    benchmark.run(args.task, args.methods, **options)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)
    try:
        return args.run(args, argv)
    except KeyboardInterrupt:
        on = "; the same command goes on where it was" * (args.command == "benchmark")
        print(f"gan_utils {args.command}: stopped{on}", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"gan_utils {args.command}: {error}", file=sys.stderr)
        return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
