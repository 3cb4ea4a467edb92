"""Designs that keep to a number of DSPs or of cycles: chosen by the cost model, whose DSPs and cycles are exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flow.errors import ExportError
from flow.estimation.boards import Board
from flow.estimation.cost import board_share
from flow.estimation.estimate import estimate
from flow.estimation.fitting import Chosen, Search
from flow.exporters.verilog import alive
from flow.exporters.verilog.products import Dsp
from flow.exporters.verilog.spatial import plan_spatial
from flow.ir import Graph

__all__ = ["depth_within", "dsps_within", "folding_within"]


def dsps_within(
    graph: Graph, board: Board, limit: int, folding: Mapping[str, tuple[int, int]] | None = None
) -> tuple[dict[str, bool], int]:
    """Which layers of a streaming design multiply in DSPs, so that a limit is kept and most LUTs are saved.

    A layer's products are all in DSPs or all in logic, so this is a knapsack: solved exactly, by dynamic programming.

    Args:
        graph: with one input.
        board: whose family counts.
        limit: DSPs, from 0.
        folding: as in `export_verilog`.

    Returns:
        True for every node whose products are in DSPs, by name, and how many DSPs that takes.
    """
    with_dsps, without = (estimate(graph, board, folding=folding, dsp=dsp).layers for dsp in (True, False))
    worth = [
        (a.name, a.usage.dsp, b.usage.lut - a.usage.lut)
        for a, b in zip(with_dsps, without, strict=True)
        if 0 < a.usage.dsp <= limit
    ]
    names = _best(worth, limit)
    return dict.fromkeys(names, True), sum(dsp for name, dsp, _ in worth if name in names)


def _best(worth: Sequence[tuple[str, int, float]], limit: int) -> tuple[str, ...]:
    """The names of most value whose weights stay within a limit, from (name, weight, value)."""
    best: dict[int, tuple[float, tuple[str, ...]]] = {0: (0.0, ())}  # by weight
    for name, weight, value in worth:
        for used, (saved, names) in sorted(best.items(), reverse=True):
            total = used + weight
            if total <= limit and saved + value > best.get(total, (0.0, ()))[0]:
                best[total] = saved + value, (*names, name)
    return max(best.values(), key=lambda entry: entry[0])[1]


def folding_within(graph: Graph, board: Board, limit: int, dsp: Dsp = False) -> tuple[Chosen, int]:
    """The smallest folding of a streaming design whose first result is out within so many cycles, and its cycles.

    It is one of those that take the least of the board at some pace.

    Args:
        graph: with one input.
        board: of the estimates.
        limit: cycles from the first beat in to the last out of a sample.
        dsp: as in `export_verilog`.

    Raises:
        ExportError: all of them take longer.
    """
    search = Search(graph, board, dsp)
    found = [search.at(target) for target in search.paces()]
    fitting = [entry for entry in found if entry[1].latency_cycles <= limit]
    if not fitting:
        least = min(cost.latency_cycles for _, cost in found)
        raise ExportError(_too_slow(graph, least, "in its fastest folding", limit))
    folding, cost = min(fitting, key=lambda entry: board_share(entry[1].total, board))
    return folding, cost.latency_cycles


def depth_within(graph: Graph, limit: int, dsp: int = 0, adder: bool = False) -> tuple[int, int]:
    """The fewest additions between two registers with which a spatial design answers in so many cycles; its cycles.

    Fewer additions between registers allow a faster clock; 0 stands for no registers inside.

    Args:
        graph: with one input.
        limit: cycles.
        dsp: DSPs that the design may have, as in `export_spatial`.
        adder: as there.

    Raises:
        ExportError: without registers it takes longer.
    """
    live = alive(graph)
    least = plan_spatial(live, 0, dsp, adder).latency_cycles
    if least > limit:
        raise ExportError(_too_slow(graph, least, "without registers inside", limit))
    depth = 1
    while (cycles := plan_spatial(live, depth, dsp, adder).latency_cycles) > limit:
        if cycles == least:
            return 0, least
        depth += 1
    return depth, cycles


def _too_slow(graph: Graph, least: int, how: str, limit: int) -> str:
    return f"Design {graph.name!r} answers after {least} cycles {how}, not within {limit}; allow {least} or more."
