"""The rung hls4ml: the exported hls4ml project compiled by g++ and run through hls4ml's own bridge.

hls4ml's `compile()` runs g++ from a shell script and loads the library into this process; here the same sources go
through `flow.tools`, as one unit because most of the time goes into the headers, and run in a process of their own.
The library is kept in `build/` inside the project under the hash of everything it is made from.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from flow.errors import DataError, SimulationError
from flow.exporters.hls4ml import DOUBLE_BITS, node_layers
from flow.exporters.writer import write_file
from flow.ir import Graph
from flow.simulation.csim import compiler, hash_of
from flow.tools import program, python, run

__all__ = ["compile_library", "simulate_hls4ml", "tool"]

Codes = NDArray[np.int64]
Values = dict[str, NDArray[np.float64]]

_CONFIG = "hls4ml_config.yml"
_CHILD = Path(__file__).with_name("hls4ml_library.py")
_FLAGS = ("-std=c++11", "-O1", "-fPIC", "-shared")


def tool() -> str:
    """The compiler and hls4ml's version, for reports.

    Raises:
        ToolMissingError: g++ is missing.
    """
    return f"{compiler()}, hls4ml {version('hls4ml')}"


def _top(project: Path) -> str:
    """The name of the top function."""
    path = project / _CONFIG
    if not path.is_file():
        raise SimulationError(f"Folder {str(project)!r} holds no {_CONFIG}; write the project there with flow export.")
    return str(yaml.safe_load(path.read_text(encoding="utf-8"))["ProjectName"])


def compile_library(project: Path, *, extra: Sequence[str] = (), timeout: float = 600.0) -> Path:
    """The compiled library of an exported hls4ml project; what is already built is not built again.

    Args:
        project: folder written by `export_hls4ml`.
        extra: further options of g++.
        timeout: seconds for the compiler.

    Raises:
        SimulationError: `project` holds no hls4ml project.
        ToolMissingError: g++ is missing.
        ToolError: the C++ does not compile.
    """
    top = _top(project)
    sources = [f"firmware/{top}.cpp", f"{top}_bridge.cpp"]
    # The weights are read when the library runs.
    read = [*map(project.joinpath, sources), *sorted((project / "firmware").rglob("*.h"))]
    shared = [tool(), *_FLAGS, *extra]
    parts = (part for path in read for part in (str(path.relative_to(project)), path.read_bytes()))
    built = project / "build" / f"{hash_of([*shared, *parts])}.so"
    if not built.is_file():
        unit, staged = built.with_suffix(".cpp"), built.with_suffix(f".{os.getpid()}.part")
        write_file(unit, "".join(f'#include "{source}"\n' for source in sources))
        options = [f"-I{project}", f"-I{project / 'firmware' / 'ap_types'}"]
        run([program("g++"), *_FLAGS, *extra, *options, unit, "-o", staged], timeout=timeout)
        staged.replace(built)
    return built


def _values(graph: Graph, project: Path, codes: Codes, extra: Sequence[str], timeout: float) -> Values:
    """float64[N, size] of the outputs and of every layer, as `hls4ml_library` names them."""
    library, top = compile_library(project, extra=extra, timeout=timeout), _top(project)
    with tempfile.TemporaryDirectory(prefix="flow-") as name:
        source, target = Path(name) / "x.npy", Path(name) / "y.npz"
        np.save(source, np.ldexp(codes.reshape(len(codes), -1).astype(np.float64), -graph.input.format.frac))
        child = python(_CHILD, library, project / f"{top}_bridge.cpp", top)
        run([*child, source, target], cwd=project / "firmware", timeout=timeout)  # where `weights/` is
        with np.load(target) as written:
            return dict(written)


def _codes(graph: Graph, name: str, values: NDArray[np.float64], image: bool) -> Codes:
    """Values of one node as its codes; an image stands as [H, W, C]."""
    value = graph.values[name]
    if values.shape[1] != value.size:
        raise SimulationError(
            f"The hls4ml project of {graph.name!r} must hold {value.size} codes of {name!r}, not {values.shape[1]}; "
            "export the project again from the same graph."
        )
    codes = np.ldexp(values, value.format.frac).astype(np.int64)
    if not image:
        return codes.reshape(len(codes), *value.shape)
    channels, height, width = value.shape
    return np.ascontiguousarray(codes.reshape(-1, height, width, channels).transpose(0, 3, 1, 2))


def simulate_hls4ml(
    graph: Graph, project: Path, codes: Codes, *, extra: Sequence[str] = (), timeout: float = 600.0
) -> dict[str, Codes]:
    """Run the exported hls4ml project on input codes.

    Args:
        graph: what `project` was exported from.
        project: folder written by `export_hls4ml`.
        codes: int64[N, *shape] input codes.
        extra: further options of g++.
        timeout: seconds for the compiler, and for the library.

    Returns:
        int64[N, *shape] codes by node name: every output, and every node that is a layer of hls4ml's and whose codes
        fit the doubles that hls4ml's trace is made of.

    Raises:
        DataError: `codes` has the wrong shape.
        SimulationError: `project` is no hls4ml project, or that of another graph.
        ToolError: the C++ does not compile, or the library stops.
    """
    if codes.shape[1:] != graph.input.shape or not len(codes):
        raise DataError(
            f"Input {graph.input.name!r} takes codes of shape (N, *{graph.input.shape}) with N >= 1, not {codes.shape}."
        )
    values = _values(graph, project.resolve(), codes, extra, timeout)
    shown = {}
    for name, layer in node_layers(graph).items():
        if f"layer {layer}" in values and graph.values[name].format.width <= DOUBLE_BITS:
            image = len(graph.values[name].shape) == 3
            shown[name] = _codes(graph, name, values[f"layer {layer}"], image)
    for place, name in enumerate(graph.outputs):
        if f"output{place}" not in values:
            raise SimulationError(
                f"The hls4ml project of {graph.name!r} has no output for {name!r}; "
                "export the project again from the same graph."
            )
        shown[name] = _codes(graph, name, values[f"output{place}"], image=False)
    return {name: shown[name] for name in graph.values if name in shown}
