"""How far a streaming design is folded, from a pace or a board, and whether a design fits one: by the cost model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow.errors import ExportError
from flow.estimation import check_fits, estimate, fastest_folding, folding_for_pace, load_board
from flow.exporters.verilog import PACE_OPTIONS, check_options
from flow.ir import Graph

__all__ = ["with_folding"]


def with_folding(graph: Graph, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `export_architecture` in which a folding stands for a pace or a board to be filled.

    Args:
        graph: the design.
        options: `target_fps`, samples a second at the clock of `board`, or `fit`, as fast as fits `board`, or `board`
            alone, which the design must fit as it is, and others.

    Raises:
        ExportError: as `check_options`; no board; a pace or a board that no folding meets; a design that is larger
            than its board, with the folding that fits.
        BoardError: no such board.
    """
    check_options(options)
    left = {key: value for key, value in options.items() if key not in PACE_OPTIONS}
    pace, fit, name = (options.get(key) for key in PACE_OPTIONS)
    if pace is None and not fit:
        if name is not None:
            check_fits(estimate(graph, load_board(name), **left), graph, dsp=bool(options.get("dsp", False)))
        return left
    if name is None:
        raise ExportError("A pace, or the fastest design that fits, needs a board; name one of those in `flow boards`.")
    board, dsp = load_board(name), bool(options.get("dsp", False))
    folding = fastest_folding(graph, board, dsp=dsp) if fit else folding_for_pace(graph, board, float(pace), dsp=dsp)
    return {**left, "folding": folding}
