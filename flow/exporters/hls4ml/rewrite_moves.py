"""What moves codes, in the form in which hls4ml has layers for it."""

from __future__ import annotations

import math
from dataclasses import replace

from flow.exporters.hls4ml.entries import Nodes
from flow.exporters.names import part_name
from flow.ir import Concat, Node, Reshape, Slice, Transpose, Value
from flow.ir.ops import keeps_order

__all__ = ["concat", "slice_axes", "transpose"]

_JOINED_AXES = 3


def concat(node: Concat, types: tuple[Value, ...]) -> Nodes:
    """hls4ml joins two values of at most three axes: pairs, and more axes as two."""
    shape, (first, *rest) = types[0].shape, node.inputs
    if not rest:
        return [Reshape(name=node.name, inputs=node.inputs, origin=node.origin, shape=shape)]
    if len(shape) > _JOINED_AXES:
        return _flatter(node, types)
    names = [*(part_name(node, f"join{number}") for number in range(1, len(rest))), node.name]
    pairs = zip([first, *names], rest, names, strict=False)
    return [replace(node, name=name, inputs=(left, right)) for left, right, name in pairs]


def _flatter(node: Concat, types: tuple[Value, ...]) -> Nodes:
    outer, nodes = math.prod(types[0].shape[: node.axis]), list[Node]()
    for number, (name, value) in enumerate(zip(node.inputs, types, strict=True)):
        flat = {"name": part_name(node, f"rows{number}"), "shape": (outer, value.size // outer)}
        nodes.append(Reshape(inputs=(name,), origin=node.origin, **flat))
    joined = replace(node, name=part_name(node, "joined"), inputs=tuple(row.name for row in nodes), axis=1)
    shape = node.infer(*types).shape
    return [*nodes, joined, Reshape(name=node.name, inputs=(joined.name,), origin=node.origin, shape=shape)]


def slice_axes(node: Slice, types: tuple[Value, ...]) -> Nodes:
    """One axis at a time, since a crop has one."""
    (x,) = types
    cut = [axis for axis, places in enumerate(node.places()) if len(places) < x.shape[axis]]
    if not cut:
        return [Reshape(name=node.name, inputs=node.inputs, origin=node.origin, shape=x.shape)]
    nodes, shape, source = list[Node](), list(x.shape), node.inputs[0]
    for axis in cut:
        name = node.name if axis == cut[-1] else part_name(node, f"axis{axis}")
        starts, stops, steps = [0] * len(shape), list(shape), [1] * len(shape)
        starts[axis], stops[axis], steps[axis] = node.starts[axis], node.stops[axis], node.steps[axis]
        picks = {"starts": tuple(starts), "stops": tuple(stops), "steps": tuple(steps)}
        nodes.append(Slice(name=name, inputs=(source,), origin=node.origin, **picks))
        shape[axis], source = len(node.places()[axis]), name
    return nodes


def transpose(node: Transpose, types: tuple[Value, ...]) -> Nodes:
    """A reshape where the codes stay where they are."""
    (x,) = types
    if not keeps_order(x.shape, node.order):
        return [node]
    return [Reshape(name=node.name, inputs=node.inputs, origin=node.origin, shape=node.infer(x).shape)]
