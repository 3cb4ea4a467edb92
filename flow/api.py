"""The Python API: the stages of the command line as functions on plain data."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flow.exporters.writer import Files, write_tree
from flow.formats import Overflow, Rounding, encode
from flow.ir import Graph

__all__ = ["estimate", "export", "simulate"]


def export(design: Graph, to: str, x: ArrayLike | None = None, **options: Any) -> Files:
    """The files of one exporter, `{relative path: content}`, with a manifest of hashes; nothing is written.

    Args:
        design: the graph.
        to: `onnx`, `hls`, `hls4ml` or `verilog`.
        x: inputs for the vectors of a testbench, as in `simulate`; none where None.
        options: of `hls`: `form="stream"`, `multiplier="shift_add"` and so on, see `flow.exporters.hls.export_hls`;
            of `verilog`: `architecture="spatial"` and so on, see `flow.exporters.verilog.export_architecture`, or how
            far a streaming design is folded: `target_fps=50_000` or `fit=True`, with `board="pynq_z2"`.

    Raises:
        ExportError: no such exporter or option, or a graph that it cannot express.
    """
    from flow.stages.export import exported

    return exported(design, to, None if x is None else _codes(design, x), options)


def simulate(
    design: Graph, x: ArrayLike, rungs: Sequence[str] = ("interpreter", "onnxruntime", "csim"), model: Any = None
) -> Any:
    """Climb the ladder on inputs `x` in a temporary folder.

    Args:
        design: the graph.
        x: integer codes, or real values that are encoded with the input's format; [N, *shape].
        rungs: which rungs.
        model: the trained model, needed by the rung `torch` only.

    Returns:
        A `flow.simulation.Ladder`: `.passed`, `.rungs`, and a table as its text.
    """
    from flow.simulation.ladder import FOLDERS, Context, Ladder, climb

    codes = _codes(design, x)
    with tempfile.TemporaryDirectory(prefix="flow-") as name:
        folder = Path(name)
        exporters = {"onnx": "onnx", "hls": "hls", "rtl": "verilog", "hls4ml": "hls4ml"}
        for needed in sorted({FOLDERS[rung] for rung in rungs if rung in FOLDERS}):
            write_tree(folder / needed, export(design, exporters[needed], codes))
        return Ladder(design.name, tuple(climb(Context(design, codes, folder, model), rungs)))


def estimate(design: Graph, board: str, measured: bool = False) -> Any:
    """The cost of the design on a board; with `measured=True` its RTL is synthesised as well.

    Raises:
        BoardError: no such board.
    """
    from flow import estimation

    target = estimation.load_board(board)
    cost = estimation.estimate(design, target)
    if not measured:
        return cost
    with tempfile.TemporaryDirectory(prefix="flow-") as name:
        write_tree(Path(name) / "rtl", export(design, "verilog"))
        return cost.beside(estimation.measure(design, Path(name) / "rtl", target))


def _codes(design: Graph, x: ArrayLike) -> NDArray[np.int64]:
    """Integers are codes already; anything else is encoded with the input's format, rounding half up, saturating."""
    array = np.asarray(x)
    if np.issubdtype(array.dtype, np.integer):
        return array.astype(np.int64)
    return encode(array, design.input.format, Rounding.RND, Overflow.SAT, place=f"the input of {design.name!r}")
