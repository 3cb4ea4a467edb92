"""The entry: from a graph and a board to a cost, without a tool."""

from __future__ import annotations

from collections.abc import Mapping

from flow.errors import ExportError
from flow.estimation.analytic import analytic_layers
from flow.estimation.boards import Board
from flow.estimation.clock import Stage, fmax_mhz, spatial_stage, stream_stage
from flow.estimation.cost import Cost, LayerCost, Usage
from flow.estimation.sketch import sketch
from flow.estimation.spatial import spatial_layers
from flow.estimation.stream import stream_layers
from flow.exporters.verilog import ARCHITECTURES, alive, check_options, has_rtl, timed_plan
from flow.exporters.verilog.products import Dsp
from flow.exporters.verilog.spatial import DEFAULT_DEPTH, Spatial, plan_spatial
from flow.ir import Graph

__all__ = ["estimate"]


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
    dsp: Dsp | int = False,
    depth: int = DEFAULT_DEPTH,
    adder: bool = False,
) -> Cost:
    """What a design takes on a board.

    Args:
        graph: with one input.
        board: from `load_board`.
        architecture: `stream` or `spatial`.
        folding: of `stream`: (PE, SIMD) of every Dense and Conv2d by name; chosen where None.
        dsp: of `stream`: whether products may become DSPs, for all nodes or by name, as in `export_verilog`; of
            `spatial`: DSPs at most, as in `export_spatial`.
        depth: of `spatial`: carry chains between two registers, as in `export_spatial`.
        adder: of `spatial`: whether DSPs were chosen for their additions too, as in `export_spatial`.

    Raises:
        ExportError: an architecture that does not exist, a folding that does not fit, an operator that the spatial
            architecture has not, or DSPs of a spatial design by name.
    """
    if architecture not in ARCHITECTURES:
        raise ExportError(f"There is no architecture {architecture!r}; choose among {', '.join(ARCHITECTURES)}.")
    live = alive(graph)
    if architecture == "spatial":
        count = dsp or 0
        check_options({"architecture": architecture, "depth": depth, "dsp": count})
        return _spatial(graph, board, plan_spatial(live, depth, count, adder))
    if not has_rtl(live):
        drawn = sketch(live, folding, dsp)
        layers = _complete(graph, analytic_layers(drawn, board.family))
        return Cost(graph.name, board, architecture, layers, drawn.latency_cycles, drawn.ii_cycles)
    plan, timing = timed_plan(graph, folding)
    layers = stream_layers(graph, plan, timing, board.family, dsp)
    cost = Cost(graph.name, board, architecture, layers, timing.latency_cycles, timing.ii_cycles)
    return _timed(cost, stream_stage(plan))


def _spatial(graph: Graph, board: Board, plan: Spatial) -> Cost:
    layers = spatial_layers(graph, plan, board.family)
    return _timed(Cost(graph.name, board, "spatial", layers, plan.latency_cycles, 1), spatial_stage(plan))


def _timed(cost: Cost, stage: Stage) -> Cost:
    return cost.at(fmax_mhz(stage), stage.where)
