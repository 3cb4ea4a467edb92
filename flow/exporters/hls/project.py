"""The HLS project: layers, constants, top, testbench and Tcl, filled into the templates of `hls_templates/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from flow.errors import ExportError
from flow.exporters.hls.call import Call, Constant
from flow.exporters.hls.calls import calls, result_type
from flow.exporters.hls.types import comment, fixed_type, initialiser
from flow.exporters.hls.wiring import WIRES, wire
from flow.exporters.names import identifier, identifiers
from flow.exporters.vectors import export_vectors
from flow.exporters.writer import Files
from flow.ir import Graph, Input, Node, Value
from flow.resources import folder

__all__ = ["export_hls"]

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Design:
    """What every template is given."""

    graph: Graph
    name: str
    names: dict[str, str]
    reuse: int

    @property
    def head(self) -> Fields:
        return {"name": self.name, "title": comment(self.graph.name)}


def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder("hls_templates")), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the texts are C++ and Tcl; names are cleaned by comment() and identifier()
    )  # fmt: skip


def _title(node: Node) -> str:
    origin = f", module {comment(node.origin)} of the model" if node.origin else ""
    return f"{comment(node.name)} ({node.op}{origin})"


def _value(design: _Design, node: Node) -> Fields:
    value = design.graph.values[node.name]
    flat = isinstance(node, WIRES)  # the same array under another name, so the same type
    return {
        "title": _title(node),
        "text": str(value),
        "type": design.names[node.inputs[0]] if flat else result_type(node, value),
        "name": design.names[node.name],
    }


def _port(design: _Design, node: Node, direction: str) -> Fields:
    value, name = design.graph.values[node.name], design.names[node.name]
    return {
        "port": f"{direction}_axis_{name}",
        "name": name,
        "title": comment(node.name),
        "text": str(value.format),
        "size": value.size,
        "bits": -(-value.format.width // 8) * 8,
    }


def _constant(layer: str, held: Constant) -> Fields:
    return {
        "name": f"{layer}_{held.name}",
        "text": f"{held.name} {held.format}, {list(held.codes.shape)}: {held.axes}",
        "type": fixed_type(held.format),
        "width": held.format.width,
        "signed": "true" if held.format.signed else "false",
        "size": held.codes.size,
        "codes": initialiser(held.codes.ravel().tolist()),
    }


def _arguments(design: _Design, node: Node, made: Call) -> list[tuple[str, str]]:
    """The template arguments of a call with the names of the parameters they fill."""
    name, types = design.names[node.name], f"{design.name}_types::"
    letters = {"Y": types + name}
    sources = zip(made.inputs, node.inputs[made.first :], strict=False)
    listed = [(letter, types + design.names[source]) for letter, source in sources]
    listed += [(held.letter, f"{design.name}_weights::{name}_{held.name}_t") for held in made.constants]
    letters.update(listed)
    listed += [(letter, letters.get(text, text)) for letter, text in made.inner.items()]
    listed += [("Y", letters["Y"]), *((word, str(size)) for word, size in made.sizes.items())]
    return [(argument, meaning) for meaning, argument in listed]


def _parameters(operands: tuple[Value, ...], types: list[str]) -> list[str]:
    letters = {1: ("x",), 2: ("a", "b")}.get(len(types), tuple(f"x{number}" for number in range(len(types))))
    sized = zip(types, letters, operands, strict=True)
    return [f"const {text} {letter}[{value.size}]" for text, letter, value in sized]


def _layer(design: _Design, node: Node) -> Fields:
    graph, name = design.graph, design.names[node.name]
    operands, result = graph.operands(node), graph.values[node.name]
    made = calls(node, operands, result, design.reuse)
    types = [f"{design.name}_types::{design.names[source]}" for source in node.inputs]
    parameters = [*_parameters(operands, types), f"{design.name}_types::{name} y[{result.size}]"]
    actuals = [parameter.split()[-1].split("[")[0] for parameter in parameters]
    return {
        "title": _title(node),
        "name": name,
        "header": made[0].header,
        "signature": f"void {name}({', '.join(parameters)})",
        "calls": [_call(design, node, one, actuals) for one in made],
        "constants": [_constant(name, held) for one in made for held in one.constants],
    }


def _call(design: _Design, node: Node, made: Call, actuals: list[str]) -> Fields:
    """One statement of a layer; `actuals` are the layer's own arguments, the result last."""
    constants = [f"{design.name}_weights::{design.names[node.name]}_{held.name}" for held in made.constants]
    read = actuals[:-1][made.first : made.first + len(made.inputs)]
    return {
        "function": made.function,
        "arguments": _arguments(design, node, made),
        "actuals": ", ".join([*read, *constants, actuals[-1]]),
    }


def _check(part: str, clock_ns: float, reuse: int) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", part):
        raise ExportError(f"A part is letters, digits and dashes, not {part!r}; give one like xczu3eg-sbva484-1-e.")
    if not clock_ns > 0:
        raise ExportError(f"A clock period is a positive number of nanoseconds, not {clock_ns!r}; give one like 5.0.")
    if reuse < 1:
        raise ExportError(f"A reuse factor is at least 1, not {reuse!r}; 1 gives every product its own multiplier.")


def _fields(design: _Design) -> Fields:
    graph = design.graph
    source = _port(design, graph.input, "s")
    sinks = [_port(design, graph[name], "m") for name in graph.outputs]
    computed = [node for node in graph if not isinstance(node, (Input, *WIRES))]
    wiring = wire(graph, design.name)
    return {
        "design": design.head,
        "values": [_value(design, node) for node in graph],
        "layers": [_layer(design, node) for node in computed],
        "source": source,
        "sinks": sinks,
        "ports": list({port["name"]: port for port in [source, *sinks]}.values()),
        "arrays": wiring.arrays,
        "calls": wiring.calls,
        "traced": wiring.traced,
    }


_SINGLE = ("layers.h", "top.h", "top.cpp", "testbench.cpp", "trace.cpp", "run_hls.tcl", "README.md")


def export_hls(
    graph: Graph,
    codes: NDArray[np.int64] | None = None,
    *,
    part: str = "xczu3eg-sbva484-1-e",
    clock_ns: float = 5.0,
    reuse: int = 1,
) -> Files:
    """A project for Vitis HLS and Vivado HLS that computes the bits of `flow.ir.trace`.

    Args:
        graph: with one input.
        codes: int64[N, *shape] input codes for the testbench; without them the project has no `vectors/`.
        part: FPGA, as the vendor writes it.
        clock_ns: clock period in nanoseconds.
        reuse: products that one multiplier makes for one sum of Dense and Conv2d.

    Raises:
        ExportError: the part, the clock or the reuse factor cannot be, or operands differ along too many
            axes.
    """
    _check(part, clock_ns, reuse)
    design = _Design(graph, identifier(graph.name), identifiers(graph), reuse)
    templates, fields = _templates(), {**_fields(design), "part": part, "clock_ns": clock_ns}
    files: Files = {name: templates.get_template(f"{name}.j2").render(fields) for name in _SINGLE}
    for layer in fields["layers"]:
        only = {"design": fields["design"], "layer": layer}
        files[f"layers/{layer['name']}.cpp"] = templates.get_template("layer.cpp.j2").render(only)
        if layer["constants"]:
            files[f"weights/{layer['name']}.h"] = templates.get_template("weights.h.j2").render(only)
    for header in sorted(folder("hls_templates").glob("*.h")):
        files[f"include/{header.name}"] = header.read_text(encoding="utf-8")
    if codes is not None:
        files.update({f"vectors/{name}": text for name, text in export_vectors(graph, codes).items()})
    return files
