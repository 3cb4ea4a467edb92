"""Golden vectors: inputs and what the interpreter makes of them, as plain decimal text that any testbench can read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.exporters.names import identifiers
from flow.exporters.writer import Files
from flow.ir import Graph, trace

__all__ = ["export_vectors", "to_lines"]


def to_lines(codes: NDArray[Any]) -> str:
    """One sample a line, codes in row-major order, separated by blanks."""
    rows = codes.reshape(len(codes), math.prod(codes.shape[1:])).tolist()
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)


def export_vectors(graph: Graph, codes: NDArray[np.int64]) -> Files:
    """`input.dat` and one `NAME.dat` for every output of the graph.

    Args:
        graph: with one input.
        codes: int64[N, *shape] input codes.
    """
    values, names = trace(graph, codes), identifiers(graph)
    files: Files = {"input.dat": to_lines(codes)}
    files.update({f"{names[name]}.dat": to_lines(values[name]) for name in graph.outputs})
    return files
