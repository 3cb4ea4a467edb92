"""The HLS project: layers, constants, top, testbench and Tcl, filled into the templates of `hls_templates/`."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from flow.exporters.hls.layers import Design, Fields, array_layer, value_type
from flow.exporters.hls.options import Form, Options
from flow.exporters.hls.stream_layers import stream_fields
from flow.exporters.hls.streaming import Layout, layout
from flow.exporters.hls.types import comment
from flow.exporters.hls.wiring import WIRES, wire
from flow.exporters.names import identifier, identifiers
from flow.exporters.sizes import check_sizes
from flow.exporters.vectors import export_vectors
from flow.exporters.writer import Files
from flow.ir import Graph, Input, Node
from flow.resources import folder

__all__ = ["export_hls"]


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder("hls_templates")), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the texts are C++ and Tcl; names are cleaned by comment() and identifier()
    )  # fmt: skip


def _port(design: Design, node: Node, direction: str) -> Fields:
    value, name = design.graph.values[node.name], design.names[node.name]
    shape = layout(value) if design.options.form is Form.STREAM else Layout(1, value.size)
    return {
        "port": f"{direction}_axis_{name}",
        "name": name,
        "title": comment(node.name),
        "text": str(value.format),
        "size": value.size,
        "lanes": shape.lanes,
        "beats": shape.beats,
        "bits": -(-value.format.width // 8) * 8 * shape.lanes,
    }


def _fields(design: Design) -> Fields:
    """What both forms share."""
    source = _port(design, design.graph.input, "s")
    sinks = [_port(design, design.graph[name], "m") for name in design.graph.outputs]
    return {
        "design": design.head,
        "values": [value_type(design, node) for node in design.graph],
        "source": source,
        "sinks": sinks,
        "ports": list({port["name"]: port for port in [source, *sinks]}.values()),
        "part": design.options.part,
        "clock_ns": design.options.clock_ns,
    }


def _parallel(design: Design) -> Fields:
    graph = design.graph
    wiring = wire(graph, design.name)
    return {
        "layers": [array_layer(design, node) for node in graph if not isinstance(node, (Input, *WIRES))],
        "arrays": wiring.arrays,
        "calls": wiring.calls,
        "traced": wiring.traced,
    }


_SINGLE = ("layers.h", "top.h", "top.cpp", "testbench.cpp", "trace.cpp", "run_hls.tcl", "README.md")
_STREAMING = {"top.cpp": "top_stream.cpp"}


def export_hls(graph: Graph, codes: NDArray[np.int64] | None = None, **given: Any) -> Files:
    """A project for Vitis HLS and Vivado HLS that computes the bits of `flow.ir.trace`, whatever is chosen.

    Args:
        graph: with one input.
        codes: int64[N, *shape] input codes for the testbench; without them the project has no `vectors/`.
        given: what `Options` has, as texts and numbers: `form` (`parallel`, whole samples in arrays between the layers,
            or `stream`, beats through `hls::stream`), `part`, `clock_ns`, `reuse`, `multiplier` (`tool`, `dsp`,
            `fabric`, `shift_add`), `storage` (`tool`, `block`, `distributed`), and `layers`: by node name the `pe`,
            `simd`, `multiplier` and `storage` of that layer.

    Raises:
        ExportError: a choice that cannot be, operands that differ along too many axes, or a value without codes.
    """
    check_sizes(graph)
    options = Options.parse(given)
    options.check(graph)
    design = Design(graph, identifier(graph.name), identifiers(graph), options)
    streaming = options.form is Form.STREAM
    templates, fields = _templates(), {**_fields(design), **(stream_fields(design) if streaming else _parallel(design))}
    files: Files = {}
    for name in _SINGLE:
        source = _STREAMING.get(name, name) if streaming else name
        files[name] = templates.get_template(f"{source}.j2").render(fields)
    layer_file = templates.get_template("layer_stream.cpp.j2" if streaming else "layer.cpp.j2")
    for layer in fields["layers"]:
        only = {"design": fields["design"], "layer": layer}
        files[f"layers/{layer['name']}.cpp"] = layer_file.render(only)
        if layer["constants"]:
            files[f"weights/{layer['name']}.h"] = templates.get_template("weights.h.j2").render(only)
    for header in sorted(folder("hls_templates").glob("*.h")):
        files[f"include/{header.name}"] = header.read_text(encoding="utf-8")
    if codes is not None:
        files.update({f"vectors/{name}": text for name, text in export_vectors(graph, codes).items()})
    return files
