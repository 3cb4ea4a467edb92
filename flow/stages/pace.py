"""How far a streaming design is folded, from a pace or a board, and whether a design fits one: by the cost model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow.errors import ExportError
from flow.estimation import Board, check_fits, estimate, fastest_folding, folding_for_pace, load_board
from flow.exporters.verilog import PACE_OPTIONS, check_options
from flow.ir import Graph
from flow.synthesis import Family

__all__ = ["with_folding"]


def with_folding(graph: Graph, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `export_architecture` in which a folding stands for a pace or a board to be filled.

    Args:
        graph: the design.
        options: `target_fps`, samples a second at the clock of `board`, or `fit`, as fast as fits `board`, or `board`
            alone, which the design must fit as it is, and others.

    Raises:
        ExportError: as `check_options`; no board; a pace or a board that no folding meets; a design that is larger
            than its board, with the folding that fits; more DSPs for a spatial design than its board has.
        BoardError: no such board.
    """
    check_options(options)
    left = {key: value for key, value in options.items() if key not in PACE_OPTIONS}
    pace, fit, name = (options.get(key) for key in PACE_OPTIONS)
    if pace is None and not fit:
        if name is not None:
            left |= _dsps(left, load_board(name))
            check_fits(estimate(graph, load_board(name), **left), graph, dsp=bool(options.get("dsp", False)))
        return left
    if name is None:
        raise ExportError("A pace, or the fastest design that fits, needs a board; name one of those in `flow boards`.")
    board, dsp = load_board(name), bool(options.get("dsp", False))
    folding = fastest_folding(graph, board, dsp=dsp) if fit else folding_for_pace(graph, board, float(pace), dsp=dsp)
    return {**left, "folding": folding}


def _dsps(options: Mapping[str, Any], board: Board) -> dict[str, bool]:
    """Of a spatial design with DSPs, whether those of its board add as well."""
    if options.get("architecture") != "spatial" or not options.get("dsp"):
        return {}
    if board.family not in (Family.XC7, Family.XCUP):
        raise ExportError(f"The DSPs of a spatial design are DSP48; {board.name} has none. Leave out --dsp.")
    if options["dsp"] > board.resources.dsp:
        raise ExportError(f"{board.name} has {board.resources.dsp:,} DSPs, not {options['dsp']:,}; ask for fewer.")
    return {"adder": board.family is Family.XC7}
