"""Foldings for a board: the smallest that keeps a pace, and the fastest whose estimate stays below every ceiling."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from flow.errors import ExportError
from flow.estimation.boards import Board
from flow.estimation.cost import Cost
from flow.estimation.estimate import estimate
from flow.estimation.prices import folding_price
from flow.exporters.verilog import Price, Space, alive, choose_folding, folding_range, has_rtl
from flow.exporters.verilog.products import Dsp
from flow.ir import Graph

__all__ = ["Chosen", "Search", "check_fits", "fastest_folding", "folding_for_pace"]

Chosen = dict[str, tuple[int, int]]


@dataclass(slots=True)
class Search:
    """The cheapest foldings of a graph by target, each with its estimate, found once."""

    graph: Graph
    board: Board
    dsp: Dsp
    found: dict[int, tuple[Chosen, Cost]] = field(default_factory=dict)
    price: Price | None = None

    def at(self, target: int) -> tuple[Chosen, Cost]:
        """The folding that takes the least of the board and at most `target` cycles, and its cost.

        Multipliers and accumulators are counted where the graph has operators without RTL.
        """
        if target not in self.found:
            live = alive(self.graph)
            if self.price is None and has_rtl(live):
                self.price = folding_price(live, self.board, self.dsp)
            chosen = choose_folding(live, target, self.price)
            folding = {name: (fold.pe, fold.simd) for name, fold in chosen.items()}
            self.found[target] = folding, estimate(self.graph, self.board, folding=folding, dsp=self.dsp)
        return self.found[target]

    def paces(self) -> list[int]:
        """All targets that may differ in what is found, from the fastest on."""
        return Space.of(alive(self.graph)).paces()

    def fastest(self) -> tuple[Chosen, Cost] | None:
        """The fastest that fits, by halving: a slower design is a smaller one; None where not even the slowest does."""
        low, high = folding_range(alive(self.graph))
        if self.at(high)[1].over:
            return None
        while low < high:
            middle = (low + high) // 2
            cost = self.at(middle)[1]
            low, high = (middle + 1, high) if cost.over else (low, min(middle, cost.ii_cycles))
        return self.at(high)


def _pace(board: Board, cycles: int) -> float:
    return 1e6 * board.clock_mhz / cycles


def _cycles(count: int) -> str:
    return f"{count} cycle{'s' if count > 1 else ''} each"


def _excess(cost: Cost) -> str:
    """By how much a design is larger than its board, in words."""
    parts = []
    for key in cost.over:
        used, limit = getattr(cost.total, key), cost.capacity[key] * cost.ceilings[key] / 100
        times = f"{used / limit:.2f} times" if limit else "more than"
        parts.append(f"{used:,.0f} {key.upper()}, {times} the {limit:,.0f} that {cost.board.name} should fill at most")
    return "; ".join(parts)


def folding_for_pace(graph: Graph, board: Board, samples_per_second: float, *, dsp: Dsp = False) -> Chosen:
    """(PE, SIMD) of every layer: what takes the least of a board whose clock gives the pace.

    Args:
        graph: with one input.
        board: whose `clock_mhz` counts, and whose ceilings the estimate may not pass.
        samples_per_second: at least; more than 0.
        dsp: as in `export_verilog`.

    Raises:
        ExportError: a pace that no folding has, or one that does not fit the board; says what would.
    """
    target, (least, most) = math.floor(1e6 * board.clock_mhz / samples_per_second), folding_range(alive(graph))
    if target < least:
        raise ExportError(
            f"Design {graph.name!r} makes at most {_pace(board, least):,.0f} samples a second at the "
            f"{board.clock_mhz:g} MHz of {board.name}, {_cycles(least)}, not {samples_per_second:,.0f}; ask for "
            "fewer, or take a board with a faster clock."
        )
    search = Search(graph, board, dsp)
    folding, cost = search.at(min(target, most))
    if cost.over:
        raise ExportError(
            f"Design {graph.name!r} at {samples_per_second:,.0f} samples a second takes {_excess(cost)}; "
            f"{_nearest(search)}."
        )
    return folding


def _nearest(search: Search) -> str:
    found = search.fastest()
    if found is None:
        return "no folding fits; take a larger board or fewer bits"
    cycles = found[1].ii_cycles
    return f"the fastest folding that fits makes {math.floor(_pace(search.board, cycles)):,} ({_cycles(cycles)})"


def check_fits(cost: Cost, graph: Graph, *, dsp: Dsp = False) -> None:
    """Refuse a design that is larger than its board.

    Args:
        cost: of the design, on the board.
        graph: with one input.
        dsp: whether products of the folding that is proposed instead may become DSPs.

    Raises:
        ExportError: a resource is above its ceiling; says by how much, and which folding fits.
    """
    if not cost.over:
        return
    found = Search(graph, cost.board, dsp).fastest()
    if found is None:
        raise ExportError(
            f"The {cost.architecture} design of {cost.design!r} takes {_excess(cost)}; no folding of the stream "
            "architecture fits either; take a larger board or fewer bits."
        )
    folding, fitting = found
    layers = ", ".join(f"{name} {pe} x {simd}" for name, (pe, simd) in folding.items())
    raise ExportError(
        f"The {cost.architecture} design of {cost.design!r} takes {_excess(cost)}; the fastest that fits is of the "
        f"stream architecture, {round(fitting.total.lut):,} LUT and {fitting.ii_cycles:,} cycles a sample with PE x "
        f"SIMD of {layers}: ask for --architecture stream --fit, or take a larger board."
    )


def fastest_folding(graph: Graph, board: Board, *, dsp: Dsp = False) -> Chosen:
    """(PE, SIMD) of every layer: the fastest folding whose estimate stays below every ceiling of a board.

    Args:
        graph: with one input.
        board: whose ceilings count.
        dsp: as in `export_verilog`.

    Raises:
        ExportError: not even the slowest folding fits; says by how much it does not.
    """
    search = Search(graph, board, dsp)
    found = search.fastest()
    if found is None:
        raise ExportError(
            f"Design {graph.name!r} does not fit {board.name}: in its smallest folding it takes "
            f"{_excess(search.at(folding_range(alive(graph))[1])[1])}; take a larger board or fewer bits."
        )
    return found[0]
