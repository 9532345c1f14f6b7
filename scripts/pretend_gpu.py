"""Run in a notebook's kernel before its first cell, this computes on a pretend GPU: does anything mix devices?

``make test-device`` puts it there (``book/conftest.py``). What asks for the device that there is gets one whose tensors
cannot meet those on the CPU (``pretend_gpu.cpp``, compiled at the first call; a C++ compiler is needed). Its kernels are
the CPU's: it says nothing of a GPU's speed, of its memory or of its rounding.
"""

from __future__ import annotations

import os
import subprocess
import types
from pathlib import Path

import torch
from torch.utils.cpp_extension import include_paths, library_paths

import gan_utils as gu

NAME = "pretend"
ROOT = Path(__file__).resolve().parent.parent  # of the script itself: a kernel begins with a link to it
SOURCE, LIBRARY = ROOT / "scripts" / "pretend_gpu.cpp", ROOT / "_build" / f"pretend_gpu-{torch.__version__}.so"

chosen = gu.runtime.device


def device(name: str | torch.device = "auto") -> torch.device:
    """Return the pretend GPU where any device will do."""
    return torch.device(NAME) if str(name) == "auto" else chosen(name)


def compiled() -> Path:
    """Compile the device, half a minute, unless that was done."""
    newest = max(path.stat().st_mtime for path in (SOURCE, Path(__file__)))
    if not LIBRARY.exists() or LIBRARY.stat().st_mtime < newest:
        LIBRARY.parent.mkdir(exist_ok=True)
        fresh = LIBRARY.with_suffix(f".{os.getpid()}")
        options = ["-shared", "-fPIC", "-std=c++20", "-O1", "-w", *(f"-I{path}" for path in include_paths())]
        linked = [*(f"-L{path}" for path in library_paths()), "-lc10", "-ltorch_cpu"]
        subprocess.run([os.environ.get("CXX", "c++"), *options, SOURCE, *linked, "-o", fresh], check=True)
        fresh.replace(LIBRARY)
    return LIBRARY


def register() -> None:
    """Make PyTorch know the device by its name."""
    module = types.ModuleType(f"torch.{NAME}")
    module.is_available, module.device_count, module.current_device = lambda: True, lambda: 1, lambda: 0
    module._is_in_bad_fork, module.manual_seed_all = lambda: False, lambda seed: None  # it has no generator
    torch.utils.rename_privateuse1_backend(NAME)
    torch._register_device_module(NAME, module)
    torch.ops.load_library(compiled())


register()
gu.device = gu.runtime.device = device
