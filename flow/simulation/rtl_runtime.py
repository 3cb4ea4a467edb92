"""What every Verilator build repeats, kept in the user's cache folder for the next one.

That is Verilator's own runtime as object files, laid into each build before make runs, and its headers precompiled: a
unit of a small design takes a second without them and a third of one with.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from flow import tools
from flow.errors import OutputError, ToolError
from flow.exporters.writer import write_file, write_tree

__all__ = ["Runtime", "digest", "runtime"]

_AHEAD_SECONDS = 3600.0
_RULE = Path(__file__).parent / "rtl_templates" / "runtime.mk"


def digest(*parts: str) -> str:
    """A short hash of texts, in order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Runtime:
    """What is kept for one kind of build.

    Attributes:
        folder: where.
        headers: of the runtime, that every unit of such a build reads; none where it precompiles its own.
        key: of all that decides the options of the compiler.
    """

    folder: Path
    headers: tuple[str, ...]
    key: str

    @property
    def _header(self) -> Path:
        return self.folder / f"runtime-{self.key}.h"

    @property
    def _precompiled(self) -> Path:
        return self._header.with_suffix(".h.gch")

    @property
    def options(self) -> tuple[str, ...]:
        """Options of Verilator under which every unit reads the headers precompiled, if they are kept."""
        if not self._precompiled.is_file() or len(str(self._header).split()) > 1:
            return ()  # a makefile has no word with a space in it
        return ("-CFLAGS", f"-include {self._header}")

    def lay(self, build: Path) -> None:
        """Put the object files into a build."""
        build.mkdir(parents=True, exist_ok=True)
        # The makefile, written later, is a prerequisite of these files; dated ahead, they stay newer than it.
        ahead = time.time() + _AHEAD_SECONDS
        for path in self.folder.glob("verilated*.o"):
            shutil.copyfile(path, build / path.name)
            os.utime(build / path.name, (ahead, ahead))

    def keep(self, build: Path, makefile: str, environment: Mapping[str, str]) -> None:
        """Keep what a finished build has made and its headers; what cannot be kept only makes the next one slower.

        Args:
            build: its folder.
            makefile: that of the build, in its folder.
            environment: in which it was made.
        """
        try:
            if not self.folder.is_dir():
                write_tree(self.folder, {path.name: path.read_bytes() for path in build.glob("verilated*.o")})
            if self.headers and not self._precompiled.is_file():
                write_file(self._header, "".join(f'#include "{name}"\n' for name in self.headers))
                self._precompile(build, makefile, environment)
        except (OutputError, OSError, ToolError):
            return

    def _precompile(self, build: Path, makefile: str, environment: Mapping[str, str]) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            made = Path(name) / self._precompiled.name
            names = (f"HEADER={self._header}", f"MADE={made}")
            tools.run(["make", "-f", makefile, "-f", _RULE, *names, made], cwd=build, env=environment)
            made.replace(self._precompiled)


def runtime(kind: str, headers: tuple[str, ...], options: Sequence[str]) -> Runtime:
    """That of this Verilator, this compiler, and a kind of build.

    Args:
        kind: whatever decides which parts of the runtime there are.
        headers: of the runtime, that every unit reads; none where a build precompiles its own.
        options: those of which some may reach the compiler.

    Raises:
        ToolMissingError: Verilator or g++ is missing.
    """
    compiler = tools.run([tools.program("g++"), "--version"]).splitlines()[0]
    root = str(tools.package_folder("verilator"))
    kept = tools.cache_folder() / f"verilator-{digest(kind, compiler, root, version('verilator'))}"
    return Runtime(kept, headers, digest(*headers, *options))
