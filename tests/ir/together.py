"""Many graphs as one, so that a rung builds once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import Graph, Input, Node, Requantize, Reshape, Slice

__all__ = ["together"]


def together(name: str, graphs: Sequence[Graph]) -> Graph:
    """Side by side, each reading its own part of one long input; nodes are called `graph.node`.

    The input is fine and wide enough that every code of every part's own input occurs equally often.
    """
    forms = [graph.input.format for graph in graphs]
    frac = max(form.frac for form in forms)
    width = max(form.width + frac - form.frac for form in forms)
    sizes = [prod(graph.input.shape) for graph in graphs]
    nodes: list[Node] = [Input(name="all", shape=(sum(sizes),), format=FixedPoint(width, frac))]
    outputs: list[str] = []
    start = 0
    for graph, size in zip(graphs, sizes, strict=True):
        nodes += _part(graph, start, start + size)
        outputs += [f"{graph.name}.{output}" for output in graph.outputs]
        start += size
    return Graph(name, tuple(nodes), tuple(outputs))


def _part(graph: Graph, start: int, stop: int) -> list[Node]:
    own, prefix = graph.input, f"{graph.name}."
    found: list[Node] = [
        Slice(name=f"{prefix}slice", inputs=("all",), starts=(start,), stops=(stop,), steps=(1,)),
        Reshape(name=f"{prefix}shaped", inputs=(f"{prefix}slice",), shape=own.shape),
        Requantize(
            name=prefix + own.name, inputs=(f"{prefix}shaped",), format=own.format, rounding=Rounding.TRN,
            overflow=Overflow.WRAP,
        ),
    ]  # fmt: skip
    for node in graph:
        if node is not own:
            inputs = tuple(prefix + name for name in node.inputs)
            found.append(replace(node, name=prefix + node.name, inputs=inputs))
    return found
