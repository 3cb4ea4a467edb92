"""Values without codes, which no hardware holds: refused before anything is made of them."""

from __future__ import annotations

from flow.errors import ExportError
from flow.ir import Graph

__all__ = ["check_sizes"]


def check_sizes(graph: Graph) -> None:
    """Refuse a graph one of whose values has no code.

    Raises:
        ExportError: an axis of length 0.
    """
    for node in graph:
        if not graph.values[node.name].size:
            place = f" (from {node.origin!r})" if node.origin else ""
            raise ExportError(
                f"Node {node.name!r}{place} has the shape {graph.values[node.name].shape} and so no codes, which no "
                "hardware holds; leave it out."
            )
