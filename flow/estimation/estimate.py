"""The entry: from a graph and a board to a cost, in milliseconds and without a tool."""

from __future__ import annotations

from collections.abc import Mapping

from flow.errors import ExportError
from flow.estimation.analytic import analytic_layers
from flow.estimation.boards import Board
from flow.estimation.cost import Cost, LayerCost, Usage
from flow.estimation.sketch import sketch
from flow.estimation.stream import stream_layers
from flow.exporters.verilog import has_rtl, make_plan, predict
from flow.ir import Graph

__all__ = ["ARCHITECTURES", "estimate"]

ARCHITECTURES = ("stream",)


def _live(graph: Graph) -> Graph:
    """The nodes that an output depends on, and the input."""
    needed = {*graph.outputs, graph.input.name}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return Graph(graph.name, tuple(node for node in graph if node.name in needed), graph.outputs)


def _complete(graph: Graph, layers: tuple[LayerCost, ...]) -> tuple[LayerCost, ...]:
    """A row for every node: those that no output depends on cost nothing."""
    found = {layer.name: layer for layer in layers}
    return tuple(found.get(node.name, LayerCost(node.name, node.op, Usage(), 0)) for node in graph)


def estimate(
    graph: Graph,
    board: Board,
    *,
    architecture: str = "stream",
    folding: Mapping[str, tuple[int, int]] | None = None,
    dsp: bool = False,
) -> Cost:
    """What a design takes on a board.

    Args:
        graph: with one input.
        board: from `load_board`.
        architecture: `stream`.
        folding: (PE, SIMD) of every Dense and Conv2d by name; chosen where None.
        dsp: whether products may become DSPs, as in `export_verilog`.

    Raises:
        ExportError: an architecture that does not exist, or a folding that does not fit.
    """
    if architecture not in ARCHITECTURES:
        raise ExportError(f"There is no architecture {architecture!r}; choose among {', '.join(ARCHITECTURES)}.")
    live = _live(graph)
    if not has_rtl(live):
        drawn = sketch(live, folding, dsp)
        layers = _complete(graph, analytic_layers(drawn, board.family))
        return Cost(graph.name, board, architecture, layers, drawn.latency_cycles, drawn.ii_cycles)
    plan = make_plan(graph, folding)
    timing = predict(plan)
    layers = stream_layers(graph, plan, timing, board.family, dsp)
    return Cost(graph.name, board, architecture, layers, timing.latency_cycles, timing.ii_cycles)
