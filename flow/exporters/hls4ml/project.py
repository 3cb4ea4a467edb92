"""The hls4ml project: a ModelGraph of hls4ml's own, made from a layer list, and what its writer writes."""

from __future__ import annotations

import hashlib
import io
import tempfile
from contextlib import AbstractContextManager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from flow.exporters.hls4ml.entries import Layer
from flow.exporters.hls4ml.exact import check
from flow.exporters.hls4ml.layers import plan
from flow.exporters.hls4ml.rewrite import rewrite
from flow.exporters.names import identifier
from flow.exporters.writer import Files
from flow.ir import Graph, Value, dump, trace

__all__ = ["export_hls4ml", "model_graph", "node_layers"]

_STRATEGY = "latency"  # `distributed_arithmetic` would multiply by the weights as they were before any rounding
_PART, _CLOCK_NS = "xczu3eg-sbva484-1-e", 5.0
_STAMP_DIGITS = 8


def _layer_config(layer: Layer) -> dict[str, Any]:
    return {"Precision": dict(layer.precision), "Strategy": _STRATEGY, "ReuseFactor": 1, "Trace": True}


def _layer_entry(layer: Layer) -> dict[str, Any]:
    return {"name": layer.name, "class_name": layer.kind, "inputs": list(layer.inputs), **layer.attributes}


def _quietly() -> AbstractContextManager[Any]:
    """hls4ml prints what it does; nothing of it is news."""
    return redirect_stdout(io.StringIO())


def node_layers(graph: Graph) -> dict[str, str]:
    """By node, the layer that computes it; where the value is an image, the layer's codes stand as [H, W, C]."""
    names = plan(rewrite(graph)).names
    return {node.name: names[node.name] for node in graph}


def model_graph(graph: Graph, folder: Path) -> Any:
    """hls4ml's ModelGraph of a design, for its `write()`, `compile()`, `predict()` and `build()`.

    There is no default precision, so that hls4ml stops at a variable that nobody has set. `predict` takes and returns
    real values in the order of `flow.ir.interpret`; off the input's grid they are rounded half up and saturated, once.

    Args:
        graph: with one input.
        folder: where hls4ml will write.

    Raises:
        ExportError: nodes that hls4ml cannot compute exactly, all of them and why.
        GraphError: several inputs.
    """
    check(graph)
    from hls4ml.model.graph import ModelGraph
    from hls4ml.utils.config import create_config

    made, name = plan(rewrite(graph)), f"{identifier(graph.name)}_top"
    config = create_config(str(folder), name, "Vitis", part=_PART, clock_period=_CLOCK_NS, io_type="io_parallel")
    config["TraceOutput"] = True
    config["HLSConfig"] = {
        "Model": {"ReuseFactor": 1, "Strategy": _STRATEGY},
        "LayerName": {layer.name: _layer_config(layer) for layer in made.layers},
    }
    with _quietly():
        entries = [_layer_entry(layer) for layer in made.layers]
        return ModelGraph.from_layer_list(config, entries, [made.source.name], made.outputs)


def _stamp(graph: Graph) -> str:
    """What tells one project's library from another's; hls4ml would draw it by lot."""
    return hashlib.sha256(repr(dump(graph)).encode()).hexdigest()[:_STAMP_DIGITS]


def _numbers(codes: NDArray[np.int64], value: Value) -> str:
    """One sample a line as exact decimals, which is what hls4ml's testbench reads."""
    places = max(value.format.frac, 0)
    rows = np.ldexp(codes.reshape(len(codes), -1).astype(np.float64), -value.format.frac).tolist()
    return "".join(" ".join(f"{number:.{places}f}" for number in row) + "\n" for row in rows)


def _testbench(graph: Graph, codes: NDArray[np.int64]) -> Files:
    """`tb_data/`: the inputs, and on one line for each sample all outputs that the interpreter makes of them."""
    values = trace(graph, codes)
    outputs = [_numbers(values[name], graph.values[name]).splitlines() for name in graph.outputs]
    lines = (" ".join(parts) + "\n" for parts in zip(*outputs, strict=True))
    return {
        "tb_data/tb_input_features.dat": _numbers(codes, graph.values[graph.input.name]),
        "tb_data/tb_output_predictions.dat": "".join(lines),
    }


def export_hls4ml(graph: Graph, codes: NDArray[np.int64] | None = None) -> Files:
    """An hls4ml project for Vitis HLS that computes the bits of `flow.ir.interpret`, as hls4ml itself writes it.

    In its folder `hls4ml.converters.link_existing_project(".")` gives hls4ml's `compile()`, `predict()` and `build()`.

    Args:
        graph: with one input.
        codes: int64[N, *shape] input codes for hls4ml's testbench; without them `tb_data/` is missing.

    Raises:
        ExportError: nodes that hls4ml cannot compute exactly, all of them and why.
    """
    with tempfile.TemporaryDirectory(prefix="flow-") as name:
        folder = Path(name) / "project"
        model = model_graph(graph, folder)
        model.config.config["Stamp"] = _stamp(graph)
        with _quietly():
            model.config.backend.writer.write_hls(model)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files: Files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    # hls4ml would sort the outputs by name here and then hand them to the wrong arguments of the top function.
    files["hls4ml_config.yml"] = yaml.safe_dump({**model.config.config, "OutputDir": "."}, sort_keys=False)
    return files if codes is None else {**files, **_testbench(graph, codes)}
