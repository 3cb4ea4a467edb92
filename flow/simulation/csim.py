"""The csim rung: the exported C++ compiled by g++ against the public ap_fixed headers, every node's codes read back.

The layers of a project are packed into a few translation units, because most of a unit's time goes into the headers,
the vendor's of which are precompiled once for a user.
Objects and the program are kept in `build/` inside the project under the hash of everything they are made from.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError, SimulationError
from flow.exporters.vectors import to_lines
from flow.exporters.writer import write_file
from flow.ir import Graph
from flow.simulation.precompiled import precompiled
from flow.tools import ap_headers, program, run

__all__ = ["compile_program", "compiler", "hash_of", "simulate_csim", "split_trace", "tool"]

_UNIT_FILES = 16
_FLAGS = ("-std=c++11", "-O1", "--param=ggc-min-expand=10000")  # a tenth of its time went into collecting garbage


def tool() -> str:
    """The compiler and the origin of the headers, for reports.

    Raises:
        ToolMissingError: g++ or the headers are missing.
    """
    ap_headers()
    return f"{compiler()}, ap_fixed headers of hls4ml {version('hls4ml')}"


def compiler() -> str:
    """Name and version of the C++ compiler.

    Raises:
        ToolMissingError: it is missing.
    """
    return f"g++ {run([program('g++'), '-dumpfullversion']).strip()}"


def hash_of(parts: Iterable[str | bytes]) -> str:
    """A hash of texts and bytes, in order."""
    total = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        total.update(f"{len(raw)}:".encode() + raw)
    return total.hexdigest()[:20]


def _headers(project: Path) -> list[Path]:
    return sorted([*project.glob("*.h"), *project.glob("include/*.h")])


def _units(project: Path, main: str, jobs: int) -> list[list[str]]:
    """The sources in groups of alike size, at least `jobs` where there are many; paths relative to the project."""
    sources = ["top.cpp", main, *sorted(f"layers/{path.name}" for path in project.glob("layers/*.cpp"))]
    count = max(jobs if len(sources) > _UNIT_FILES else 1, -(-len(sources) // _UNIT_FILES))
    return [sources[i::count] for i in range(count)]


def _unit_digest(project: Path, sources: Sequence[str], common: str) -> str:
    """The hash of a unit: its sources, the constants they include, and what all units share."""
    weights = [project / "weights" / f"{Path(source).stem}.h" for source in sources]
    files = [*(project / source for source in sources), *(path for path in weights if path.is_file())]
    return hash_of([common, *(part for path in files for part in (path.name, path.read_bytes()))])


def _compile_unit(project: Path, sources: Sequence[str], digest: str, flags: Sequence[str], timeout: float) -> Path:
    built = project / "build" / f"{digest}.o"
    if not built.is_file():
        unit, staged = built.with_suffix(".cpp"), built.with_suffix(f".{os.getpid()}.part")
        write_file(unit, "".join(f'#include "{source}"\n' for source in sources))
        run([program("g++"), *flags, "-c", unit, "-o", staged], timeout=timeout)
        staged.replace(built)
    return built


def compile_program(
    project: Path, main: str, *, extra: Sequence[str] = (), jobs: int = 2, timeout: float = 600.0
) -> Path:
    """The compiled program of an exported HLS project; what is already built is not built again.

    Args:
        project: folder written by `export_hls`.
        main: `testbench.cpp` or `trace.cpp`.
        extra: further options of g++.
        jobs: compilers that run at once.
        timeout: seconds for one compiler.

    Raises:
        SimulationError: `project` holds no HLS project.
        ToolMissingError: g++ or the headers are missing.
        ToolError: the C++ does not compile.
    """
    if not (project / main).is_file():
        raise SimulationError(f"Folder {str(project)!r} holds no {main}; write the project there with flow export.")
    trace = ("-DFLOW_TRACE",) if main == "trace.cpp" else ()
    flags = [*_FLAGS, *trace, *extra, f"-I{project}", f"-I{project / 'include'}", "-isystem", str(ap_headers())]
    shared = [tool(), " ".join([*_FLAGS, *trace, *extra])]
    common = hash_of([*shared, *(part for path in _headers(project) for part in (path.name, path.read_bytes()))])
    units = [(group, _unit_digest(project, group, common)) for group in _units(project, main, jobs)]
    built = project / "build" / f"{Path(main).stem}-{hash_of(digest for _, digest in units)}"
    if not built.is_file():
        if not extra:
            flags += precompiled(_FLAGS, hash_of([tool(), *_FLAGS]))
        with ThreadPoolExecutor(jobs) as pool:
            objects = list(pool.map(lambda unit: _compile_unit(project, unit[0], unit[1], flags, timeout), units))
        staged = built.with_suffix(f".{os.getpid()}.part")
        run([program("g++"), *objects, "-o", staged], timeout=timeout)
        staged.replace(built)
    return built


def split_trace(graph: Graph, flat: NDArray[np.int64], count: int) -> dict[str, NDArray[np.int64]]:
    """The trace of `count` samples, cut into int64[count, *shape] codes of every node by name.

    Raises:
        SimulationError: the trace is not one of this graph.
    """
    sizes = [graph.values[node.name].size for node in graph]
    if flat.size != count * sum(sizes):
        raise SimulationError(
            f"The C simulation of {graph.name!r} must write {count * sum(sizes)} codes, not {flat.size}; "
            "export the project again from the same graph."
        )
    columns = np.split(flat.reshape(count, -1), np.cumsum(sizes)[:-1], axis=1)
    return {
        node.name: np.ascontiguousarray(column).reshape(count, *graph.values[node.name].shape)
        for node, column in zip(graph, columns, strict=True)
    }


def simulate_csim(
    graph: Graph,
    project: Path,
    codes: NDArray[np.int64],
    *,
    extra: Sequence[str] = (),
    jobs: int = 2,
    timeout: float = 600.0,
) -> dict[str, NDArray[np.int64]]:
    """Run the exported C++ on input codes.

    Args:
        graph: what `project` was exported from; gives names and shapes only.
        project: folder written by `export_hls`.
        codes: int64[N, *shape] input codes.
        extra: further options of g++.
        jobs: compilers that run at once.
        timeout: seconds for one compiler, and for the program.

    Returns:
        int64[N, *shape] codes of every node by name.

    Raises:
        DataError: `codes` has the wrong shape.
        SimulationError: `project` is no HLS project, or that of another graph.
        ToolError: the C++ does not compile, or the program stops.
    """
    if codes.shape[1:] != graph.input.shape or not len(codes):
        raise DataError(
            f"Input {graph.input.name!r} takes codes of shape (N, *{graph.input.shape}) with N >= 1, not {codes.shape}."
        )
    binary = compile_program(project.resolve(), "trace.cpp", extra=extra, jobs=jobs, timeout=timeout)
    with tempfile.TemporaryDirectory() as name:
        source, written = Path(name) / "input.dat", Path(name) / "trace.bin"
        write_file(source, to_lines(codes))
        run([binary, source, written], timeout=timeout)
        flat = np.fromfile(written, dtype=np.int64)
    return split_trace(graph, flat, len(codes))
