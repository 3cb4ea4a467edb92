"""What the templates of a layer's file, its constants and its types are filled with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flow.exporters.hls.call import Call, Constant
from flow.exporters.hls.calls import calls, result_type
from flow.exporters.hls.options import Options, Storage
from flow.exporters.hls.streaming import layout
from flow.exporters.hls.types import comment, fixed_type, initialiser
from flow.exporters.hls.wiring import WIRES
from flow.ir import Graph, Node

__all__ = ["Design", "Fields", "array_layer", "constants", "statement", "title", "value_type"]

Fields = dict[str, Any]

# As Vitis HLS and as Vivado HLS call a memory.
_ROMS = {Storage.BLOCK: ("bram", "ROM_1P_BRAM"), Storage.DISTRIBUTED: ("lutram", "ROM_1P_LUTRAM")}
_OPERANDS = {1: ("x",), 2: ("a", "b")}


@dataclass(frozen=True, slots=True)
class Design:
    """What every template is given.

    Attributes:
        graph: what is exported.
        name: its identifier.
        names: the identifier of every node.
        options: what the user chose.
    """

    graph: Graph
    name: str
    names: dict[str, str]
    options: Options

    @property
    def head(self) -> Fields:
        """The fields of every file's first line."""
        return {"name": self.name, "title": comment(self.graph.name), "form": self.options.form.value}

    def type_of(self, node: str) -> str:
        """The C++ type of a node's codes."""
        return f"{self.name}_types::{self.names[node]}"

    def operand_names(self, node: Node) -> list[str]:
        """The names of a layer's operands in C++."""
        return list(_OPERANDS.get(len(node.inputs), [f"x{i}" for i in range(len(node.inputs))]))


def title(node: Node) -> str:
    """A node in a comment: its name, its operator, and the module it comes from."""
    origin = f", module {comment(node.origin)} of the model" if node.origin else ""
    return f"{comment(node.name)} ({node.op}{origin})"


def value_type(design: Design, node: Node) -> Fields:
    """The type of a node's value."""
    value = design.graph.values[node.name]
    flat = isinstance(node, WIRES)  # the same codes under another name, so the same type
    return {
        "title": title(node),
        "text": str(value),
        "type": design.names[node.inputs[0]] if flat else result_type(node, value),
        "name": design.names[node.name],
        "lanes": layout(value).lanes,
    }


def _constant(layer: str, held: Constant) -> Fields:
    stored = held.stored or held.format
    return {
        "name": f"{layer}_{held.name}",
        "text": f"{held.name} {held.format}, {list(held.codes.shape)}: {held.axes}",
        "type": fixed_type(held.format),
        "width": stored.width,
        "signed": "true" if stored.signed else "false",
        "size": held.codes.size,
        "codes": initialiser(held.codes.ravel().tolist()),
    }


def _arguments(design: Design, node: Node, made: Call) -> list[tuple[str, str]]:
    """The template arguments of a call with the names of the parameters they fill."""
    name = design.names[node.name]
    letters = {"Y": design.type_of(node.name)}
    sources = zip(made.inputs, node.inputs[made.first :], strict=False)
    listed = [(letter, design.type_of(source)) for letter, source in sources]
    listed += [(held.letter, f"{design.name}_weights::{name}_{held.name}_t") for held in made.constants]
    letters.update(listed)
    listed += [(letter, letters.get(text, text)) for letter, text in made.inner.items()]
    listed += [("Y", letters["Y"]), *((word, str(size)) for word, size in made.sizes.items())]
    return [(argument, meaning) for meaning, argument in listed]


def statement(
    design: Design, node: Node, made: Call, operands: Sequence[str], result: str, places: Sequence[str | None] = ()
) -> Fields:
    """One statement of a layer.

    Args:
        design: that of the layer.
        node: what the layer computes.
        made: the template.
        operands: the arguments for the node's inputs.
        result: the argument for the result.
        places: for every constant the first element that is read, as C++; the whole array where None.
    """
    held = [f"{design.name}_weights::{design.names[node.name]}_{item.name}" for item in made.constants]
    for number, place in enumerate(places):
        held[number] += "" if place is None else f" + {place}"
    read = operands[made.first : made.first + len(made.inputs)]
    return {
        "function": made.function,
        "arguments": _arguments(design, node, made),
        "actuals": ", ".join([*read, *held, result]),
    }


def constants(design: Design, node: Node, made: Sequence[Call]) -> Fields:
    """The constants of a layer: where they are defined, how they are called, and which memory holds them."""
    name, storage = design.names[node.name], design.options.of(node).storage
    held = [item for one in made for item in one.constants]
    return {
        "constants": [_constant(name, item) for item in held],
        "roms": [f"{name}_{item.name}" for item in held] if storage in _ROMS else [],
        "rom": _ROMS.get(storage),
    }


def array_layer(design: Design, node: Node) -> Fields:
    """A layer that reads and writes arrays."""
    graph, name = design.graph, design.names[node.name]
    operands, result = graph.operands(node), graph.values[node.name]
    made = calls(node, operands, result, design.options.of(node))
    letters = design.operand_names(node)
    sized = zip(node.inputs, letters, operands, strict=True)
    parameters = [f"const {design.type_of(source)} {letter}[{value.size}]" for source, letter, value in sized]
    return {
        "title": title(node),
        "name": name,
        "header": made[0].header,
        "signature": f"void {name}({', '.join([*parameters, f'{design.type_of(node.name)} y[{result.size}]'])})",
        "calls": [statement(design, node, one, letters, "y") for one in made],
        **constants(design, node, made),
    }
