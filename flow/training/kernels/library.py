"""The kernels as an operator of torch: compiled once per user, sources, compiler, flags, torch and processor."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch  # its OpenMP runtime is loaded before ours asks for one, so that both share its threads

from flow.errors import ToolError, ToolMissingError
from flow.tools import program, run

__all__ = ["build", "cache_folder", "cast_operator", "casts_operator"]

_SOURCES = tuple(Path(__file__).with_name(name) for name in ("cast.cpp", "fake_quantize.h"))
_TORCH = Path(torch.__file__).parent
# Neither -ffast-math nor contraction: both change bits. The two -fno flags only say that nobody reads errno or traps.
_FLAGS = (
    *("-std=c++20", "-O3", "-march=native", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
    *("-shared", "-fPIC", "-fvisibility=hidden"),
)
_TIMEOUT = 600.0  # seconds; it takes some fifteen, nearly all of them for torch's headers


def cache_folder() -> Path:
    """Where compiled kernels are kept for the user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qfx-flow"


def _processor() -> str:
    """What -march=native depends on: a home folder may serve more than one machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    return platform.machine() + next((line for line in lines if line.startswith(("flags", "Features"))), "")


def build(folder: Path) -> Path:
    """The library inside `folder`, compiled unless it is there.

    Raises:
        ToolMissingError: there is no g++.
        ToolError: it fails.
        OSError: the folder cannot be written.
    """
    compiler = program("g++")
    parts = (
        *(source.read_text() for source in _SOURCES),
        *(run([compiler, "--version"]), " ".join(_FLAGS), torch.__version__, _processor()),
    )
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    target = folder / f"cast-{key}.so"
    if target.is_file():
        return target
    headers = [f"-isystem{_TORCH / 'include' / below}" for below in ("", "torch/csrc/api/include")]
    libraries = [f"-L{_TORCH / 'lib'}", "-ltorch_cpu", "-lc10"]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        made = Path(work) / target.name
        run([compiler, *_FLAGS, *headers, _SOURCES[0], "-o", made, *libraries], timeout=_TIMEOUT)
        made.replace(target)
    return target


@cache
def _loaded() -> Any:
    """The operators of cast.cpp, None where they cannot be compiled or loaded."""
    try:
        torch.ops.load_library(str(build(cache_folder())))
    except (ToolMissingError, ToolError, OSError):
        return None
    return torch.ops.qfx_flow


@cache
def cast_operator() -> Callable[..., Any] | None:
    """One cast; None where there is no kernel: eager torch then does its work."""
    return None if _loaded() is None else _loaded().cast.default


@cache
def casts_operator() -> Callable[..., Any] | None:
    """Several casts at once, as one node of the gradient's graph; None as for `cast_operator`."""
    return None if _loaded() is None else _loaded().casts.default
