"""How deep the buffers of a design are: as small as they may be without slowing its slowest stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flow.exporters.verilog.plan import Plan, draft_plan
from flow.exporters.verilog.timing import join_depths, predict
from flow.ir import Graph

__all__ = ["make_plan"]

# How much larger the rings of windows are tried.
_LEVELS = 5


def _with_joins(plan: Plan) -> Plan:
    return replace(plan, fifos={**plan.fifos, **join_depths(plan)})


def make_plan(graph: Graph, folding: Mapping[str, tuple[int, int]] | None = None) -> Plan:
    """Lay out the streams of a graph and size its buffers.

    Windows keep only what they must where that is enough for the slowest stage to work without a pause; else whole rows
    ahead. The FIFOs of joins are as deep as their branches differ, so no pattern of stalls can stop a design.

    Args:
        graph: with one input.
        folding: (PE, SIMD) of every Dense and Conv2d by name; the cheapest for the default target where None.

    Raises:
        ExportError: an operator without streaming RTL, or a folding that does not fit.
    """
    draft = draft_plan(graph, folding)
    best, interval = _with_joins(draft), 0
    for level in range(_LEVELS if draft.rings else 0):
        plan = best if level == 0 else _with_joins(draft.buffered(level))
        timing = predict(plan)
        if level == 0 or timing.ii_cycles < interval:
            best, interval = plan, timing.ii_cycles
        if interval <= max(timing.stages.values()):
            break
    return best
