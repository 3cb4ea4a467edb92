"""What is known before any input comes: chains of constants become one, and what changes nothing goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flow.ir import (
    AvgPool2d,
    Concat,
    Flatten,
    Graph,
    Node,
    Pad,
    Relu,
    Reshape,
    ScaleShift,
    Slice,
    Tensor,
    Transpose,
    Upsample,
)
from flow.ir.ops import keeps_order
from flow.lowering.passes.rewrite import View, sweep
from flow.lowering.passes.tensors import is_one, is_zero, shifted, times

__all__ = ["fold_constants"]


def _scale_shift(view: View, node: ScaleShift) -> Node | str | None:
    """Nothing where it multiplies by 1 and adds 0; one with the scale and shift, or the pooling, before it."""
    value = view.graph.operands(node)[0]
    moves = view.graph.values[node.name].format.frac != value.format.frac
    if is_one(node.scale) and is_zero(node.shift) and (not moves or node.name in view.free):
        return node.inputs[0]
    before = view.before(node)
    if view.only_reader(before.name) is not node:
        return None
    merged = _MERGED.get(type(before), lambda before, node: None)(before, node)
    return merged if merged is not None and view.keeps(node, merged) else None


def _chained(before: ScaleShift, node: ScaleShift) -> Node | None:
    scale = before.scale if is_one(node.scale) else times(before.scale, node.scale)
    shift = node.shift if is_zero(before.shift) else shifted(before.shift, node)
    if scale is None or shift is None:
        return None
    return replace(node, inputs=before.inputs, scale=scale, shift=shift, origin=before.origin or node.origin)


def _pooled(before: AvgPool2d, node: ScaleShift) -> Node | None:
    codes = node.scale.codes
    if not is_zero(node.shift) or codes.min() != codes.max() or codes.min() < 1:
        return None
    scale = times(before.scale, Tensor(codes[0], node.scale.format))
    return None if scale is None else replace(before, name=node.name, scale=scale)


_MERGED: dict[type[Node], Callable[..., Node | None]] = {ScaleShift: _chained, AvgPool2d: _pooled}


def _relu(view: View, node: Relu) -> Node | str | None:
    return node.inputs[0] if view.graph.operands(node)[0].low >= 0 else None


def _shape(view: View, node: Flatten | Reshape) -> Node | str | None:
    """Nothing where the shape stays; the last of several shapes counts."""
    if view.graph.operands(node)[0].shape == view.graph.values[node.name].shape:
        return node.inputs[0]
    before = view.before(node)
    return replace(node, inputs=before.inputs) if isinstance(before, Flatten | Reshape) else None


def _spread(view: View, node: Pad | Upsample) -> Node | str | None:
    """Nothing where no code moves: cropping takes no place that padding puts there at the same size."""
    moves = (*node.before, *node.after, *node.interior) if isinstance(node, Pad) else [n - 1 for n in node.factors]
    return None if any(moves) else node.inputs[0]


def _slice(view: View, node: Slice) -> Node | str | None:
    return node.inputs[0] if view.graph.operands(node)[0].shape == view.graph.values[node.name].shape else None


def _transpose(view: View, node: Transpose) -> Node | str | None:
    """A reshape where the codes stay where they are; one order where two follow each other."""
    (x,), shape, before = view.graph.operands(node), view.graph.values[node.name].shape, view.before(node)
    if keeps_order(x.shape, node.order):
        return Reshape(name=node.name, inputs=node.inputs, origin=node.origin, shape=shape)
    if not isinstance(before, Transpose):
        return None
    return replace(node, inputs=before.inputs, order=tuple(before.order[axis] for axis in node.order))


def _concat(view: View, node: Concat) -> Node | str | None:
    return node.inputs[0] if len(node.inputs) == 1 else None


_RULES: dict[type[Node], Callable[..., Node | str | None]] = {
    ScaleShift: _scale_shift,
    Relu: _relu,
    Flatten: _shape,
    Reshape: _shape,
    Pad: _spread,
    Upsample: _spread,
    Slice: _slice,
    Transpose: _transpose,
    Concat: _concat,
}


def fold_constants(graph: Graph) -> Graph:
    """One ScaleShift where several follow each other, and none of the nodes that change no code."""
    return sweep(graph, lambda view, node: _RULES.get(type(node), lambda view, node: None)(view, node))
