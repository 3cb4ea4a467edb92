"""The least of a graph that still fails: fewer nodes, then one sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from flow.errors import FlowError
from flow.ir import Graph, Input, Node, trace
from flow.simulation.compare import Mismatch

First = Callable[[Graph, np.ndarray], Mismatch | None]


def _needed(graph: Graph, end: str, cut: str) -> list[Node] | None:
    """The nodes between the value `cut` and the node `end`; None where another path reaches the input."""
    wanted, kept = {end}, []
    for node in reversed(graph.nodes):
        if node.name in wanted and node.name != cut:
            if isinstance(node, Input):
                return None
            kept.append(node)
            wanted |= set(node.inputs)
    return kept[::-1]


def _parts(graph: Graph, codes: np.ndarray, end: str) -> Iterator[tuple[Graph, np.ndarray]]:
    """What leads to `end`, from any value that becomes the input; the shortest first."""
    values, found = trace(graph, codes), []
    for name, value in graph.values.items():
        nodes = _needed(graph, end, name)
        if nodes:
            found.append((len(nodes), Input(name=name, shape=value.shape, format=value.format), nodes))
    for _, source, nodes in sorted(found, key=lambda each: each[0]):
        try:
            yield Graph(graph.name, (source, *nodes), (end,)), values[source.name]
        except FlowError:  # a table, say, that does not serve every code of the format
            continue


def shrunk(graph: Graph, codes: np.ndarray, first: First) -> tuple[Graph, np.ndarray]:
    """The shortest part of `graph` up to the node at which `first` fails, on one sample where one is enough.

    Args:
        graph: one for which `first(graph, codes)` is a mismatch.
        codes: int64[N, *shape].
        first: the first mismatch, or None.
    """
    found = first(graph, codes)
    assert found is not None, "a graph that does not fail cannot be shrunk"
    least = next((part for part in _parts(graph, codes, found.node) if first(*part)), (graph, codes))
    found = first(*least)
    alone = least[1][found.index[0] :][:1]
    return (least[0], alone) if first(least[0], alone) else least
