"""The rung `onnxruntime`: the exported integer ONNX in stock ONNX Runtime, on the CPU, at default session options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from flow.errors import SimulationError
from flow.exporters.onnx_integer import MODEL, traced
from flow.ir import Graph

__all__ = ["simulate_onnxruntime", "tool"]

_PROVIDERS = ["CPUExecutionProvider"]


def tool() -> str:
    """What runs: name, version and how it is set."""
    return f"onnxruntime {onnxruntime.__version__} (CPUExecutionProvider, default session options)"


def _run(model: bytes, codes: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    session = onnxruntime.InferenceSession(model, providers=_PROVIDERS)
    (source,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {source.name: codes}), strict=True))


def simulate_onnxruntime(graph: Graph, project: Path, codes: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Codes of every node by name.

    The graph's outputs come from the file as written. The other values come from a second run in which they are
    outputs too, since asking for a value can keep the runtime from fusing across it.

    Args:
        graph: what was exported.
        project: folder with `model.onnx`.
        codes: int64[N, *shape] input codes.

    Raises:
        SimulationError: the folder holds no `model.onnx`.
    """
    path = project / MODEL
    if not path.is_file():
        raise SimulationError(f"Folder {str(project)!r} holds no {MODEL}; run flow export first.")
    model, wide = path.read_bytes(), codes.astype(np.int64)
    values = {graph.input.name: wide, **_run(traced(model), wide), **_run(model, wide)}
    return {name: values[name] for name in graph.values}
