"""How deep the buffers of a design are: as small as they may be without slowing its slowest stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flow.exporters.verilog.plan import Plan, draft_plan
from flow.exporters.verilog.timing import Timing, balanced
from flow.ir import Graph

__all__ = ["make_plan", "timed_plan"]

# How much larger memories are tried: those that move beats, and the rings of windows.
_MOVES, _LEVELS = 3, 5


def make_plan(graph: Graph, folding: Mapping[str, tuple[int, int]] | None = None) -> Plan:
    """The plan of `timed_plan` alone."""
    return timed_plan(graph, folding)[0]


def timed_plan(graph: Graph, folding: Mapping[str, tuple[int, int]] | None = None) -> tuple[Plan, Timing]:
    """Lay out the streams of a graph, size its buffers, and predict its timing.

    Windows keep only what they must where that is enough for the slowest stage to work without a pause; else whole rows
    ahead. The FIFOs of joins are as deep as their branches differ, so that no pattern of pauses, of the host or of who
    takes the results, can stop the design.

    Args:
        graph: with one input.
        folding: (PE, SIMD) of every Dense and Conv2d by name; the cheapest for the default target where None.

    Raises:
        ExportError: an operator without streaming RTL, or a folding that does not fit.
    """
    plan, timing = balanced(draft_plan(graph, folding))
    if plan.moves:
        plan, timing = _grown(plan, timing, Plan.moved, _MOVES)
    if plan.rings:
        plan, timing = _grown(plan, timing, Plan.buffered, _LEVELS)
    return plan, timing


def _grown(best: Plan, timing: Timing, grow: Callable[[Plan, int], Plan], levels: int) -> tuple[Plan, Timing]:
    """The plan with the smallest of some memories that brings its interval down furthest, to its slowest stage's."""
    draft = best
    for level in range(1, levels):
        if timing.ii_cycles <= max(timing.stages.values()):
            break
        plan, found = balanced(grow(draft, level))
        if found.ii_cycles < timing.ii_cycles:
            best, timing = plan, found
    return best, timing
