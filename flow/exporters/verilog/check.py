"""What the streaming architecture cannot do, said before any file is written."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flow.errors import ExportError
from flow.exporters.verilog.order import Order, stream_orders
from flow.exporters.verilog.windows import windows_of
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    MaxPool2d,
    Mul,
    Node,
    Relu,
    Requantize,
    Reshape,
    ScaleShift,
    Sub,
    Table,
)

__all__ = ["SUPPORTED", "check_graph", "check_orders", "has_rtl"]

SUPPORTED = (
    Input, Dense, Conv2d, ScaleShift, Relu, Requantize, Table, Add, Sub, Mul, MaxPool2d, AvgPool2d, Flatten, Reshape,
    ArgMax,
)  # fmt: skip
_HIGHEST_SCALE = 2**31 - 1  # a parameter of a cell is an int


def _place(node: Node) -> str:
    return f"Node {node.name!r}" + (f" (from {node.origin!r})" if node.origin else "")


def _fault(graph: Graph, node: Node) -> str | None:
    """Why a supported operator cannot be had as it stands here, with the way out; None where it can."""
    windows = windows_of(graph, node)
    if windows and any(p >= k for p, k in zip(windows.pad, windows.kernel, strict=True)):
        return f"pads its image by {windows.pad}, as far as its kernel {windows.kernel}; pad by less than the kernel"
    if isinstance(node, AvgPool2d) and int(node.scale.codes) > _HIGHEST_SCALE:
        return f"scales by {int(node.scale.codes)}, which is above {_HIGHEST_SCALE}; give the factor fewer bits"
    if isinstance(node, Sub | Mul) and len({value.shape for value in graph.operands(node)}) > 1:
        shapes = " and ".join(str(value.shape) for value in graph.operands(node))
        return f"broadcasts {shapes}, which a stream cannot repeat; export this design with --to hls"
    return None


def check_graph(graph: Graph) -> None:
    """Refuse operators without streaming RTL.

    Raises:
        ExportError: one of them, or a use of one that the cells do not have.
    """
    for node in graph:
        if not isinstance(node, SUPPORTED):
            raise ExportError(
                f"{_place(node)} is a {node.op}, whose streaming RTL is not there yet; "
                "export this design with --to hls, or take the operator out."
            )
        fault = _fault(graph, node)
        if fault:
            raise ExportError(f"{_place(node)} {fault}.")


def check_orders(graph: Graph, orders: Mapping[str, Order]) -> None:
    """Refuse operators whose codes would arrive in an order that they cannot use.

    Raises:
        ExportError: windows over codes that are not pixel by pixel, classes out of order, or two orders joined.
    """
    for node in graph:
        read = [orders[name] for name in node.inputs]
        shapes = [value.shape for value in graph.operands(node)]
        wanted = read
        if windows_of(graph, node):
            wanted = [Order.channel_last(shapes[0])]
        elif isinstance(node, ArgMax):
            wanted = [Order.row_major(shapes[0])]
        elif len(read) > 1:
            wanted = [read[0]] * len(read)
        for number, (found, right) in enumerate(zip(read, wanted, strict=True)):
            if not found.agrees(right):
                place = int(np.flatnonzero(found.indices() != right.indices())[0])
                raise ExportError(
                    f"{_place(node)} reads {node.inputs[number]!r} in another order than it needs: code {place} of the "
                    f"stream is {found.indices()[place]}, not {right.indices()[place]}; export this design with "
                    "--to hls, or leave out the reshape before it."
                )


def has_rtl(graph: Graph) -> bool:
    """Whether every operator of a graph can be had as streaming RTL as it stands there."""
    try:
        check_graph(graph)
        check_orders(graph, stream_orders(graph))
    except ExportError:
        return False
    return True
