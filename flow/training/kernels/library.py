"""The kernels as a shared library: compiled once per user, source, compiler, flags and processor, then loaded."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import tempfile
from functools import cache
from pathlib import Path

import torch  # noqa: F401  # its OpenMP runtime is loaded before ours asks for one, so that both share its threads

from flow.errors import ToolError, ToolMissingError
from flow.tools import program, run

__all__ = ["build", "cache_folder", "library"]

SOURCE = Path(__file__).with_name("fake_quantize.cpp")
# Neither -ffast-math nor contraction: both change bits. The two -fno flags only say that nobody reads errno or traps.
FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
    *("-shared", "-fPIC"),
)
_TIMEOUT = 300.0  # seconds; it takes some ten
_POINTER, _SIZE, _INT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
_ARGUMENTS = {
    "flow_forward": [*[_POINTER] * 2, *[_SIZE] * 2, *[_POINTER] * 3, _INT],
    "flow_backward": [*[_POINTER] * 3, *[_SIZE] * 2, *[_POINTER] * 5, _INT],
}


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
    parts = (SOURCE.read_text(), run([compiler, "--version"]), " ".join(FLAGS), _processor())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    target = folder / f"fake_quantize-{key}.so"
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        made = Path(work) / target.name
        run([compiler, *FLAGS, SOURCE, "-o", made], timeout=_TIMEOUT)
        made.replace(target)
    return target


@cache
def library() -> ctypes.CDLL | None:
    """The kernels, None where they cannot be compiled or loaded: eager torch then does their work."""
    try:
        loaded = ctypes.CDLL(str(build(cache_folder())))
    except (ToolMissingError, ToolError, OSError):
        return None
    for name, arguments in _ARGUMENTS.items():
        getattr(loaded, name).argtypes = arguments
    return loaded
