"""What stands in a project's folder about its inputs; read without torch, so that a report opens at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flow.errors import FlowError
from flow.ir import Graph
from flow.project import Project

__all__ = ["IMPORT", "VECTORS", "read_inputs"]

IMPORT = "import.json"  # only where the design comes from an ONNX file
VECTORS = "vectors/input.dat"


def read_inputs(project: Project, graph: Graph) -> NDArray[np.int64]:
    """The stored input codes, int64[N, *shape].

    Raises:
        FlowError: they are missing or damaged.
    """
    try:
        flat = np.loadtxt(project.path(VECTORS), dtype=np.int64, ndmin=2)
        return flat.reshape(len(flat), *graph.input.shape)
    except (OSError, ValueError):
        raise FlowError(f"The vectors of {project.name!r} are missing or damaged; run `flow export` again.") from None
