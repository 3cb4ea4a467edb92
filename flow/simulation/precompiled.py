"""The vendor's headers precompiled, once for a compiler and its options, in the user's cache folder."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from flow.errors import OutputError, ToolError
from flow.exporters.writer import write_file
from flow.tools import ap_headers, cache_folder, program, run

__all__ = ["precompiled"]


def precompiled(flags: Sequence[str], digest: str, headers: Sequence[str] = ("ap_fixed.h",)) -> tuple[str, ...]:
    """Options that make g++ read the headers precompiled; none where the cache folder cannot be written.

    Args:
        flags: those that the units are compiled with, macros aside.
        digest: of compiler, flags, and the headers if others than the default.
        headers: in their order; the vendor's, and the compiler's own.
    """
    header = cache_folder() / f"headers-{digest}" / "vendor.h"
    made = header.with_suffix(".h.gch")
    if not made.is_file():
        try:
            write_file(header, "".join(f"#include <{name}>\n" for name in headers))
            _compile(header, made, flags)
        except (OutputError, OSError, ToolError):
            return ()  # what the headers or a full disk do not allow only makes each unit slower
    return ("-include", str(header))


def _compile(header: Path, made: Path, flags: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=header.parent) as name:
        staged = Path(name) / made.name
        run([program("g++"), *flags, "-isystem", ap_headers(), "-x", "c++-header", header, "-o", staged])
        staged.replace(made)
