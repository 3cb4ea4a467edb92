"""Which code of an operand stands where in what a node reads, and in which order every stream travels.

Whatever only moves codes (transpositions, cuts, padding, repetition, operands that are narrow along an axis) is a list
of places here, as is the way from one order to another where a node needs its own. Where the list is not "as they come"
a memory stands in front of the node, which a `Walk` reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.order import Order
from flow.exporters.verilog.walk import ZERO
from flow.exporters.verilog.windows import SLIDING, outer_padding, windows_of
from flow.ir import (
    Add,
    ArgMax,
    Concat,
    Dense,
    Flatten,
    Graph,
    Input,
    Linear,
    Lookup,
    MatMul,
    Mul,
    Node,
    Pad,
    ReduceMax,
    ReduceSum,
    Reshape,
    Slice,
    Softmax,
    Sub,
    Transpose,
    Upsample,
)

__all__ = [
    "MOVING",
    "REDUCTIONS",
    "SERIAL",
    "Layout",
    "Route",
    "has_images",
    "layout_of",
    "lines_of",
    "period_of",
    "turns_of",
]

Places = NDArray[np.int64]

REDUCTIONS = (ReduceMax, ReduceSum)
# Operators that take one code after the other.
SERIAL = (*REDUCTIONS, Softmax, MatMul, Lookup)
# Operators that are nothing but a way to read their operand.
MOVING = (Transpose, Slice, Pad, Upsample)
_JOINS = (Add, Sub, Mul)


def has_images(graph: Graph) -> bool:
    """Whether any operator slides a window."""
    return any(isinstance(node, SLIDING) for node in graph)


@dataclass(frozen=True, slots=True)
class Route:
    """What a node reads of an operand.

    Attributes:
        size: codes of the operand.
        places: int64[M], for every code that the node reads the code of the operand's stream, or `ZERO`.
    """

    size: int
    places: Places

    def beats(self, lanes: int) -> Places | None:
        """The same beat by beat, int64[M / lanes]; None where a beat out is not a whole beat in, or of zeros."""
        if self.size % lanes or len(self.places) % lanes:
            return None
        rows = self.places.reshape(-1, lanes)
        first = rows[:, 0]
        whole = np.where(first[:, None] == ZERO, ZERO, first[:, None] + np.arange(lanes))
        if (first[first != ZERO] % lanes).any() or not np.array_equal(rows, whole):
            return None
        found: Places = np.where(first == ZERO, ZERO, first // lanes)
        return found

    def fits(self, lanes: int) -> bool:
        """Whether so many lanes can be had."""
        return self.beats(lanes) is not None


@dataclass(slots=True)
class Layout:
    """How the codes of a graph travel.

    Attributes:
        orders: of every node's stream.
        routes: by node and number of an operand, where the node does not read the operand's codes as they come.
    """

    orders: dict[str, Order] = field(default_factory=dict)
    routes: dict[tuple[str, int], Route] = field(default_factory=dict)


def _own(graph: Graph, shape: tuple[int, ...]) -> Order:
    """The order of a value that no other one sets."""
    return Order.channel_last(shape) if has_images(graph) else Order.row_major(shape)


def _kept(graph: Graph, order: Order, before: tuple[int, ...], shape: tuple[int, ...]) -> Order:
    """The order of a value whose axes are those of its operand, in other sizes."""
    if order.shape == before:
        return Order(shape, order.axes)
    return _own(graph, shape)


def _upsampled(node: Upsample, codes: Places) -> Places:
    for axis, factor in enumerate(node.factors):
        codes = codes.repeat(factor, axis=axis)
    return codes


def _padded(node: Pad, codes: Places) -> Places:
    kept, placed = node.places(codes.shape)
    sizes = zip(codes.shape, node.before, node.after, node.interior, strict=True)
    found = np.full([before + (n - 1) * (more + 1) + 1 + after for n, before, after, more in sizes], ZERO)
    found[placed] = codes[kept]
    return found


_PICKED: dict[type[Node], Callable[[Any, Places], Places]] = {
    Transpose: lambda node, codes: codes.transpose(node.order),
    Slice: lambda node, codes: codes[tuple(map(slice, node.starts, node.stops, node.steps))],
    Pad: _padded,
    Upsample: _upsampled,
}


def _factor(codes: Places, shape: tuple[int, ...], number: int) -> Places:
    """A factor of a product of matrices as [.., M, N, K], the terms of every result together."""
    terms = codes[..., :, None, :] if number == 0 else codes.swapaxes(-1, -2)[..., None, :, :]
    return np.broadcast_to(terms, (*shape, terms.shape[-1]))


def _picked(graph: Graph, node: Node, number: int) -> Places:
    """What a node reads of an operand, as indices into it, in the shape in which it reads it."""
    shape = graph.operands(node)[number].shape
    codes = np.arange(graph.operands(node)[number].size, dtype=np.int64).reshape(shape)
    if type(node) in _PICKED:
        return _PICKED[type(node)](node, codes)
    made = graph.values[node.name].shape
    if isinstance(node, MatMul):
        return _factor(codes, made, number)
    if isinstance(node, (*_JOINS, Lookup)):
        return np.broadcast_to(codes[..., None] if isinstance(node, Lookup) else codes, made)
    rows, columns = outer_padding(node)
    return np.pad(codes, ((0, 0), (rows, rows), (columns, columns)), constant_values=ZERO) if rows + columns else codes


def _joined(graph: Graph, node: Node, orders: dict[str, Order]) -> Order:
    """Of two operands the order of the one that is as long as the result; of parts that of the first."""
    shape, first = graph.values[node.name].shape, node.inputs[0]
    if isinstance(node, Concat):
        return _kept(graph, orders[first], graph.values[first].shape, shape)
    whole = [name for name in node.inputs if graph.values[name].shape == shape]
    return orders[whole[0]] if whole else _own(graph, shape)


def _rows(node: ReduceMax | ReduceSum | Softmax, order: Order, before: tuple[int, ...]) -> Order:
    """The axes as they come, and the node's own last."""
    axes = order.axes if order.shape == before else range(len(before))
    return Order(before, (*(axis for axis in axes if axis != node.axis), node.axis))


def _made(graph: Graph, node: Node, orders: dict[str, Order]) -> Order:
    """The order of a node's stream."""
    shape = graph.values[node.name].shape
    if isinstance(node, Input):
        return _wanted_by_first(graph, node) or _own(graph, shape)
    source = graph.operands(node)[0].shape
    if isinstance(node, (Linear, ArgMax, *SLIDING)):
        return Order.row_major(shape) if isinstance(node, Dense | ArgMax) else Order.channel_last(shape)
    if isinstance(node, (*_JOINS, Concat)):
        return _joined(graph, node, orders)
    if isinstance(node, MatMul):
        return _own(graph, shape)
    order = orders[node.inputs[0]]
    if isinstance(node, (*REDUCTIONS, Softmax)):
        return Order(shape, _rows(node, order, source).axes)
    if isinstance(node, Lookup):
        return Order(shape, (*order.axes, len(source))) if order.shape == source else Order.row_major(shape)
    if isinstance(node, Transpose) and order.shape == source:
        return order.turned(node.order)
    return _kept(graph, order, source, shape) if isinstance(node, MOVING) else order


def _wanted(graph: Graph, node: Node, number: int, orders: dict[str, Order]) -> Order | None:
    """The order in which a node reads an operand; None where it takes the codes as they come."""
    order, shape = orders[node.inputs[number]], graph.operands(node)[number].shape
    windows = windows_of(graph, node)
    if windows:
        return Order.channel_last((shape[0], *windows.size))
    if isinstance(node, ArgMax):
        return Order.row_major(shape)
    if isinstance(node, MatMul):
        made, terms = orders[node.name], graph.operands(node)[0].shape[-1]
        return Order((*made.shape, terms), (*made.axes, len(made.axes)))
    if isinstance(node, (*_JOINS, Lookup)) or (isinstance(node, MOVING) and not _turns(node, order, shape)):
        return orders[node.name]
    if isinstance(node, Concat):
        return Order(shape, orders[node.name].axes)
    return _rows(node, order, shape) if isinstance(node, (*REDUCTIONS, Softmax)) else None


def _turns(node: Node, order: Order, shape: tuple[int, ...]) -> bool:
    """Whether a transposition leaves its stream as it is."""
    return isinstance(node, Transpose) and order.shape == shape


def _wanted_by_first(graph: Graph, source: Input) -> Order | None:
    """The order in which the first reader of the input wants it, if nothing but names of axes lie between."""
    reached, node = {source.name}, None
    for node in graph:
        if not reached.isdisjoint(node.inputs):
            if not isinstance(node, Flatten | Reshape):
                break
            reached.add(node.name)
    if node is None or not windows_of(graph, node) or any(outer_padding(node)):
        return None
    return Order.channel_last(graph.operands(node)[0].shape)


def layout_of(graph: Graph) -> Layout:
    """Orders and routes of every node, all of which have streaming RTL."""
    found = Layout()
    for node in graph:
        found.orders[node.name] = _made(graph, node, found.orders)
        for number, name in enumerate(node.inputs):
            wanted = _wanted(graph, node, number, found.orders)
            if wanted is not None:
                places = _places(_picked(graph, node, number), found.orders[name], wanted)
                if not np.array_equal(places, np.arange(graph.values[name].size)):
                    found.routes[node.name, number] = Route(graph.values[name].size, places)
    return found


def _places(picked: Places, order: Order, wanted: Order) -> Places:
    """Indices in the shape in which a node reads them as places of a stream, in the order that it wants."""
    inverse = np.argsort(order.indices())
    read = picked.reshape(-1)[wanted.indices()]
    found: Places = np.where(read == ZERO, ZERO, inverse[read])
    return found


def turns_of(graph: Graph, node: Concat, order: Order) -> Places:
    """int64[size]: for every code of a joined stream the number of the part that it comes from."""
    parts = [np.full(value.shape, number) for number, value in enumerate(graph.operands(node))]
    found: Places = np.concatenate(parts, axis=node.axis).reshape(-1)[order.indices()]
    return found


def period_of(lines: Places) -> Places:
    """The least part of int64[lines, ...] that, repeated, gives all of it."""
    for period in [n for n in range(1, len(lines)) if len(lines) % n == 0]:
        if (lines.reshape(-1, period, *lines.shape[1:]) == lines[:period]).all():
            return lines[:period]
    return lines


def lines_of(order: Order, codes: Places, lanes: int) -> Places:
    """Constants of a value, broadcast to its shape, as int64[lines, lanes] in the order of its stream.

    Lines that repeat, such as those of a pixel's channels, are given once.
    """
    return period_of(codes.reshape(-1)[order.indices()].reshape(-1, lanes))
