"""What every node of a streaming design takes of a board, by how it is folded: what a folding is chosen by.

A node's hardware depends on the lanes that it reads and those that it makes. So a few plans of the whole graph, in each
of which every group of streams has the next of its lanes, hold the price of every node at all lanes that it can have,
and `flow.exporters.verilog.choose_folding` finds the cheapest sum exactly. The FIFOs where branches meet are left out:
their depth depends on the whole design.
"""

from __future__ import annotations

from collections.abc import Mapping

from flow.estimation.boards import Board
from flow.estimation.cost import board_share
from flow.estimation.stream import node_usages
from flow.exporters.verilog import Price, Space, draft_plan
from flow.exporters.verilog.products import Dsp
from flow.ir import Graph

__all__ = ["folding_price"]


def folding_price(graph: Graph, board: Board, dsp: Dsp = False) -> Price:
    """The share of a board that each node takes, LUTs, DSPs and block RAM added up, by its name and lanes.

    Args:
        graph: of operators with streaming RTL, without dead nodes.
        board: whose resources count.
        dsp: as in `export_verilog`.
    """
    space, found = Space.of(graph), dict[tuple[str, tuple[int, ...]], float]()
    wanted = {(factor.name, lanes): factor.groups for factor, lanes in space.choices()}
    groups = {factor.name: factor.groups for factor in space.factors}
    while wanted:
        lanes = _next(wanted, space.domains)
        folding = {name: (fold.pe, fold.simd) for name, fold in space.folding(lanes).items()}
        usages = node_usages(graph, draft_plan(graph, folding), board.family, dsp)
        for name, read in groups.items():
            place = name, tuple(lanes[group] for group in read)
            found[place] = board_share(usages[name], board)
            wanted.pop(place, None)
    return lambda name, lanes: found[name, lanes]


def _next(
    wanted: Mapping[tuple[str, tuple[int, ...]], tuple[str, ...]], domains: Mapping[str, tuple[int, ...]]
) -> dict[str, int]:
    """Lanes of all groups at which many prices are found that are still wanted, the first of them for sure."""
    lanes: dict[str, int] = {}
    for (_, given), groups in wanted.items():
        asked = dict(zip(groups, given, strict=True))
        if all(lanes.get(group, number) == number for group, number in asked.items()):
            lanes |= asked
    return {group: lanes.get(group, domain[0]) for group, domain in domains.items()}
