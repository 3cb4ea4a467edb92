"""Sums of truth tables in other operators, for back ends that take one code after the other.

Every input's address, counted on behind those of the inputs before it, is the number of a row of one long table with an
entry for each output; the rows of all inputs are then summed. The cast at the end drops bits that no sum has.
"""

from __future__ import annotations

import numpy as np

from flow.exporters.names import part_name
from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import (
    Graph,
    Lookup,
    LutDense,
    Node,
    ReduceSum,
    Requantize,
    RequantizeEach,
    Reshape,
    ScaleShift,
    Tensor,
    Transpose,
)
from flow.ir.value import Value

__all__ = ["lut_rows", "with_rows"]


def lut_rows(node: LutDense, types: tuple[Value, ...]) -> list[Node]:
    """What computes the same, the last node under the name of `node`."""
    (x,), (outputs, inputs, size), origin = types, node.tables.shape, node.origin
    bits, numbered, index, rows, sums, joined = (
        part_name(node, part) for part in ("bits", "number", "index", "rows", "sum", "joined")
    )
    made: list[Node] = []
    source = node.inputs
    if len(x.shape) > 1:
        last, turned = len(x.shape) - 1, part_name(node, "turned")
        made.append(Transpose(name=turned, inputs=source, origin=origin, order=(last, *range(last))))
        source = (turned,)
    words = FixedPoint((inputs * size - 1).bit_length(), 0, signed=False)
    table = np.zeros((1 << words.width, outputs), dtype=np.int64)
    table[: inputs * size] = node.tables.codes.transpose(1, 2, 0).reshape(-1, outputs)
    return [
        *made,
        _addresses(node, x, bits, source),
        _numbers(node, x, numbered, bits),
        Requantize(
            name=index, inputs=(numbered,), origin=origin, format=words, rounding=Rounding.TRN, overflow=Overflow.WRAP
        ),
        Lookup(name=rows, inputs=(index,), origin=origin, rows=Tensor(table, node.tables.format)),
        ReduceSum(name=sums, inputs=(rows,), origin=origin, axis=0),
        Reshape(name=joined, inputs=(sums,), origin=origin, shape=(*x.shape[:-1], outputs)),
        Requantize(
            name=node.name, inputs=(joined,), origin=origin, format=node.infer(x).format, rounding=Rounding.TRN,
            overflow=Overflow.WRAP,
        ),
    ]  # fmt: skip


def _fracs(node: LutDense, x: Value) -> list[int]:
    """The binary point of every address as a part of its code."""
    return [x.format.frac - shift for shift in node.shifts.codes.tolist()]


def _addresses(node: LutDense, x: Value, name: str, source: tuple[str, ...]) -> Node:
    """The bits of every code that are its address."""
    fracs = np.array(_fracs(node, x)).reshape(-1, *[1] * (len(x.shape) - 1))
    places = Tensor(fracs, FixedPoint.holding(int(fracs.min()), int(fracs.max()), 0))
    widths = Tensor(np.full(fracs.shape, node.address), FixedPoint.holding(0, node.address, 0))
    return RequantizeEach(
        name=name, inputs=source, origin=node.origin, fracs=places, widths=widths, signed=False,
        rounding=Rounding.TRN, overflow=Overflow.WRAP,
    )  # fmt: skip


def _numbers(node: LutDense, x: Value, name: str, source: str) -> Node:
    """Addresses as integers, those of each input behind those of the inputs before."""
    fracs, size = _fracs(node, x), node.tables.shape[2]
    least = min(fracs)
    scale = np.array([1 << (frac - least) for frac in fracs])
    first = np.arange(len(fracs)) * size
    return ScaleShift(
        name=name, inputs=(source,), origin=node.origin,
        scale=Tensor(scale, FixedPoint.holding(0, int(scale.max()), -least)),
        shift=Tensor(first, FixedPoint.holding(0, int(first.max()), 0)),
    )  # fmt: skip


def with_rows(graph: Graph) -> Graph:
    """The same design without sums of truth tables: every node of `graph` is there under its name, with its codes."""
    nodes: list[Node] = []
    for node in graph:
        nodes += lut_rows(node, graph.operands(node)) if isinstance(node, LutDense) else [node]
    proved = {node.name: graph.values[node.name] for node in graph if isinstance(node, LutDense)}
    return Graph(graph.name, tuple(nodes), graph.outputs, {**graph.proved, **proved})
