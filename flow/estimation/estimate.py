"""The entry: from a graph and a board to a cost, in milliseconds and without a tool."""

from __future__ import annotations

from collections.abc import Mapping

from flow.errors import ExportError
from flow.estimation.boards import Board
from flow.estimation.cost import Cost
from flow.estimation.stream import stream_layers
from flow.exporters.verilog import make_plan, predict
from flow.ir import ArgMax, Dense, Flatten, Graph, Input, Relu, Requantize

__all__ = ["ARCHITECTURES", "estimate"]

ARCHITECTURES = ("stream",)
_WITH_RTL = (Input, Dense, Relu, Requantize, Flatten, ArgMax)


def estimate(
    graph: Graph, board: Board, *, architecture: str = "stream", folding: Mapping[str, tuple[int, int]] | None = None
) -> Cost:
    """What a design takes on a board.

    Args:
        graph: with one input.
        board: from `load_board`.
        architecture: `stream`.
        folding: (PE, SIMD) of every Dense and Conv2d by name; chosen where None.

    Raises:
        ExportError: an architecture that does not exist, or a folding that does not fit.
    """
    if architecture not in ARCHITECTURES:
        raise ExportError(f"There is no architecture {architecture!r}; choose among {', '.join(ARCHITECTURES)}.")
    plan = make_plan(graph, folding)
    timing = predict(plan)
    layers = stream_layers(graph, plan, board.family)
    return Cost(graph.name, board, architecture, layers, timing.latency_cycles, timing.ii_cycles)
