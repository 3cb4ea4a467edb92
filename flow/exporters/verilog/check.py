"""What the streaming architecture cannot do, said before any file is written."""

from __future__ import annotations

from flow.errors import ExportError
from flow.ir import AvgPool2d, Graph, Node, RequantizeMinifloat

__all__ = ["check_graph", "has_rtl"]

_HIGHEST_SCALE = 2**31 - 1  # a parameter of a cell is an int
_MOST_EXPONENT = 5  # of the cells for minifloats: a number of six exponent bits has more bits than any code here


def _place(node: Node) -> str:
    return f"Node {node.name!r}" + (f" (from {node.origin!r})" if node.origin else "")


def _fault(graph: Graph, node: Node) -> str | None:
    """Why an operator cannot be had as it stands here, with the way out; None where it can."""
    value = graph.values[node.name]
    if not value.size:
        return f"has the shape {value.shape} and so no codes, which no stream can carry; leave it out"
    if isinstance(node, AvgPool2d) and int(node.scale.codes) > _HIGHEST_SCALE:
        return f"scales by {int(node.scale.codes)}, which is above {_HIGHEST_SCALE}; give the factor fewer bits"
    if isinstance(node, RequantizeMinifloat) and node.minifloat.exponent > _MOST_EXPONENT:
        form = node.minifloat
        return (
            f"casts to {form}, whose {form.exponent} exponent bits are more than the {_MOST_EXPONENT} that the cells "
            "have; give it fewer, or export this design with --to hls"
        )
    return None


def check_graph(graph: Graph) -> None:
    """Refuse what no cell has.

    Raises:
        ExportError: a value without codes, or parameters that the cells do not have.
    """
    for node in graph:
        fault = _fault(graph, node)
        if fault:
            raise ExportError(f"{_place(node)} {fault}.")


def has_rtl(graph: Graph) -> bool:
    """Whether every operator of a graph can be had as streaming RTL as it stands there."""
    try:
        check_graph(graph)
    except ExportError:
        return False
    return True
