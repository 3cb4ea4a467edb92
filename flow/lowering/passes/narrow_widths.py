"""Widths from exact ranges: casts and constants as narrow, and modes as cheap, as every code in range allows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flow.ir import Graph, Linear, MaxPool2d, Node, Relu, Requantize, ScaleShift, Tensor
from flow.lowering.passes.casts import narrowed, relaxed
from flow.lowering.passes.rewrite import View, sweep
from flow.lowering.passes.tensors import is_zero, narrowest

__all__ = ["narrow_widths"]


def _rule(view: View, node: Node) -> Node | None:
    changed = _cast(view, node) if isinstance(node, Requantize) else _constants(view, node)
    return changed if changed != node else None


def _cast(view: View, node: Requantize) -> Requantize:
    value = view.graph.operands(node)[0]
    inner = node if node.name in view.graph.outputs else narrowed(node, value)
    return relaxed(inner, value)


def _constants(view: View, node: Node) -> Node:
    changed = _short_summand(view, node)
    for name, tensor in changed.tensors().items():
        if name in ("fracs", "widths", "shifts"):  # numbers of bits, without a binary point
            continue
        for moved in (True, False):
            tried = _with(changed, name, narrowest(tensor, moved))
            if view.keeps(node, tried):
                changed = tried
                break
    return changed


def _with(node: Node, name: str, tensor: Tensor) -> Node:
    """The node with another constant; a bias of zeros is none."""
    bias: Any = None if name == "bias" and is_zero(tensor) else tensor
    return replace(node, **{name: bias})


def _summand(node: Node) -> tuple[str, Tensor] | None:
    if isinstance(node, Linear) and node.bias is not None:
        return "bias", node.bias
    return ("shift", node.shift) if isinstance(node, ScaleShift) else None


def _short_summand(view: View, node: Node) -> Node:
    """A summand cut to what the cast behind it can see: one bit beyond its last place, set if anything was cut off.

    Products lie on the grid 2**-P and a cast compares only with multiples of 2**-Q, Q one more than its fractional
    bits. On the finer of both grids, `sum + b` compares as `sum + floor(b)`, unless they are equal: that one bit.
    """
    found, target = _summand(node), _cast_behind(view, node)
    if found is None or target is None:
        return node
    name, tensor = found
    (value,) = view.graph.operands(node)
    factor: Tensor = node.weight if isinstance(node, Linear) else node.tensors()["scale"]
    grid = max(value.format.frac + factor.format.frac, target.format.frac + 1)
    cut = tensor.format.frac - grid - 1
    if cut < 1:
        return node
    floor = tensor.codes >> (cut + 1)
    codes = (floor << 1) | ((floor << (cut + 1)) != tensor.codes)
    return replace(node, **{name: narrowest(Tensor(codes, replace(tensor.format, frac=grid + 1)))})


def _cast_behind(view: View, node: Node) -> Requantize | None:
    """The one cast that reads the node, through what only picks or zeroes values."""
    reader = view.only_reader(node.name)
    while isinstance(reader, Relu | MaxPool2d):
        reader = view.only_reader(reader.name)
    return reader if isinstance(reader, Requantize) else None


def narrow_widths(graph: Graph) -> Graph:
    """The same codes at the outputs from narrower words; the formats of input and outputs stay."""
    return sweep(graph, _rule)
