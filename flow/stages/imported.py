"""An ONNX file as a project of its own: a copy of it under build/NAME, and inputs for its vectors."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError, FlowError
from flow.exporters.names import identifier
from flow.exporters.vectors import to_lines
from flow.exporters.writer import write_file
from flow.formats import Overflow, Rounding, encode
from flow.ir import Graph
from flow.lowering.from_onnx import Loaded, Scales, read_onnx, self_contained
from flow.project import Project
from flow.stages.inputs import IMPORT, VECTORS

__all__ = ["MODEL", "import_onnx", "imported_graph"]

MODEL = "model.onnx"
_DRAWN, _SEED = 256, 0  # samples where the user gives none


def import_onnx(file: Path, build: Path, scales: str = "error", inputs: Path | None = None) -> Project:
    """Make `build/STEM` from an ONNX file: a copy, `import.json` and `vectors/input.dat`.

    Args:
        file: QONNX or QCDQ.
        build: the parent of the design's folder.
        scales: `error` or `dyadic`, as in `flow.load_onnx`.
        inputs: a .npy file of real samples, or of integer codes; random codes of the input's format where None.

    Raises:
        DataError: a file cannot be read, or the samples have another shape.
        UnsupportedError: one message with every node that has no form here.
        FlowError: the folder holds a trained design.
    """
    project = Project(build / identifier(file.stem))
    if project.path("train.json").is_file():
        raise FlowError(
            f"{str(project.folder)!r} holds a trained design; rename {file.name!r}, or choose another folder with "
            "--build."
        )
    content = self_contained(file)
    loaded = read_onnx(content, Scales.named(scales))
    codes = _drawn(loaded.graph) if inputs is None else _encoded(loaded, inputs)
    write_file(project.path(MODEL), content)
    write_file(project.path(VECTORS), to_lines(codes))
    project.write_json(IMPORT, {"file": file.name, "scales": scales, "input_unit": str(loaded.input_unit)})
    return project


def imported_graph(project: Project) -> Graph:
    """What the copy of the file lowers to now, under the project's name."""
    held = project.read_json(IMPORT, "export")
    loaded = read_onnx(project.path(MODEL), Scales.named(held["scales"]))
    return replace(loaded.graph, name=project.name)


def _drawn(graph: Graph) -> NDArray[np.int64]:
    """Codes of the whole range of the input, both ends among them."""
    form, shape = graph.input.format, graph.input.shape
    codes = np.random.default_rng(_SEED).integers(form.low, form.high, (_DRAWN, *shape), endpoint=True)
    codes[0], codes[1] = form.low, form.high
    return codes


def _encoded(loaded: Loaded, file: Path) -> NDArray[np.int64]:
    form, shape = loaded.graph.input.format, loaded.graph.input.shape
    samples = _array(file)
    if samples.shape[1:] != shape or not len(samples):
        raise DataError(f"{str(file)!r} must hold samples (N, {', '.join(map(str, shape))}), not {samples.shape}.")
    if not np.issubdtype(samples.dtype, np.integer):
        return encode(_over(samples, loaded.input_unit), form, Rounding.RND_CONV, Overflow.SAT, place=str(file))
    if not form.holds(int(samples.min()), int(samples.max())):
        raise DataError(f"{str(file)!r} must hold codes of {form}, not [{samples.min()}, {samples.max()}].")
    return samples.astype(np.int64)


def _array(file: Path) -> NDArray[Any]:
    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError):
        raise DataError(f"{str(file)!r} is no .npy file that can be read; write it by numpy.save.") from None
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iuf":
        raise DataError(f"{str(file)!r} must hold one array of integers or floats; write it by numpy.save.")
    return found


def _over(samples: NDArray[Any], unit: Fraction) -> NDArray[np.float64]:
    """Samples in units of the input, as float64."""
    return samples.astype(np.float64) / float(unit)
