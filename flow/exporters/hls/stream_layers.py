"""What the templates of a layer's file are filled with in the streaming form."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, repeat

from flow.exporters.hls.layers import Design, Fields, constants, statement, title
from flow.exporters.hls.stream_wiring import same_beats, wire_streams
from flow.exporters.hls.streaming import Kind, StreamCall, layout, stream_call
from flow.exporters.hls.wiring import WIRES
from flow.ir import Input, Node

__all__ = ["stream_fields"]


def _operand(design: Design, source: str, letter: str, held: bool = False) -> Fields:
    value = design.graph.values[source]
    shape = layout(value)
    return {
        "letter": letter,
        "type": design.type_of(source),
        "beat": f"{design.name}_streams::{design.names[source]}",
        "lanes": shape.lanes,
        "beats": shape.beats,
        "size": value.size,
        "held": held,
    }


def _common(design: Design, node: Node, held: tuple[bool, ...]) -> Fields:
    letters = design.operand_names(node)
    marks = held or (False,) * len(letters)
    operands = [_operand(design, *one) for one in zip(node.inputs, letters, marks, strict=True)]
    result = _operand(design, node.name, "y")
    ports = [f"hls::stream<{port['beat']}> &{port['letter']}" for port in (*operands, result)]
    name = design.names[node.name]
    return {
        "title": title(node),
        "name": name,
        "signature": f"void {name}({', '.join(ports)})",
        "operands": operands,
        "result": result,
    }


def _stream_layer(design: Design, node: Node, made: StreamCall) -> Fields:
    """A layer that computes."""
    common = _common(design, node, made.held)
    suffix = {Kind.STREAM: "", Kind.BEATS: "_beat.code", Kind.BUFFER: "_codes"}[made.kind]
    operands = [f"{operand['letter']}{suffix}" for operand in common["operands"]]
    return {
        **common,
        "kind": made.kind.value,
        "header": made.calls[0].header,
        "calls": [statement(design, node, one, operands, f"y{suffix}", made.places) for one in made.calls],
        **constants(design, node, made.calls),
    }


def _moving_layer(design: Design, node: Node) -> Fields:
    """A layer that puts the codes of a value into beats of another shape."""
    common = _common(design, node, ())
    return {**common, "kind": "moving", "header": None, "constants": [], "roms": [], "rom": None}


def _moving_schedule(design: Design, node: Node) -> Iterable[int]:
    """All beats in, then all beats out."""
    values = design.graph.values
    return chain(repeat(0, layout(values[node.inputs[0]]).beats), repeat(-1, layout(values[node.name]).beats))


def stream_fields(design: Design) -> Fields:
    """Layers, FIFOs and calls of the top."""
    graph, wires = design.graph, same_beats(design.graph)
    computed = [node for node in graph if not isinstance(node, (Input, *WIRES))]
    moving = [node for node in graph if isinstance(node, WIRES) and node.name not in wires]
    made = {node.name: stream_call(graph, node, design.options.of(node)) for node in computed}
    layers = {node.name: _stream_layer(design, node, made[node.name]) for node in computed}
    layers.update({node.name: _moving_layer(design, node) for node in moving})
    schedules = {node.name: _moving_schedule(design, node) for node in moving}
    schedules.update({name: call.schedule for name, call in made.items()})
    wiring = wire_streams(design, schedules)
    traced = [{"name": name, **_operand(design, source, "y")} for name, source in wiring.traced]
    return {
        "layers": [layers[node.name] for node in graph if node.name in layers],
        "streams": wiring.streams,
        "calls": wiring.calls,
        "traced": traced,
    }
