"""The cost of what only moves codes: memories in which they wait, and counters that pick them."""

from __future__ import annotations

from flow.estimation.calibrate import luts
from flow.estimation.cost import Usage
from flow.estimation.memory import block_rams, distributed
from flow.estimation.sketch import Sketch
from flow.estimation.stream import Parts
from flow.ir import Concat, Slice, Transpose
from flow.synthesis import Family

__all__ = ["concat", "memory", "slice_axes", "transpose"]

_LUTRAM_LINES = 64
Found = tuple[Parts, Usage]


def memory(depth: int, width: int, family: Family) -> tuple[float, Usage]:
    """LUTs and the rest of a FIFO: in LUT memory up to 64 lines, in block RAM beyond."""
    control = sum(luts("flow_fifo", {"Depth": max(depth, 2), "Width": max(width, 1)}, family).values())
    held = Usage(ff=width + 2 * depth.bit_length())
    if depth <= _LUTRAM_LINES:
        return control + distributed(width, depth, family), held
    return control, held + Usage(bram=block_rams(width, depth, family))


def concat(plan: Sketch, node: Concat, family: Family) -> Found:
    """Every part but the first waits in a memory for its turn; a multiplexer takes a LUT a bit."""
    lanes, bits = plan.lanes[node.name], float(plan.lanes[node.name] * plan.graph.values[node.name].format.width)
    waiting = [memory(-(-part.size // lanes), lanes * part.format.width, family) for part in plan.graph.operands(node)]
    luts_each, usages = zip(*waiting, strict=True)
    return {"gates": bits, "fifo": sum(luts_each[1:])}, sum(usages[1:], Usage())


def slice_axes(plan: Sketch, node: Slice, family: Family) -> Found:
    """A counter of the places of each axis, whose comparison drops what is not taken."""
    bits = sum(size.bit_length() for size in plan.graph.values[node.inputs[0]].shape)
    return {"counters": float(2 * bits)}, Usage(ff=bits)


def transpose(plan: Sketch, node: Transpose, family: Family) -> Found:
    """Two samples in memory: one is written while the other is read in another order."""
    value, lanes = plan.graph.values[node.name], plan.lanes[node.name]
    found, usage = memory(-(-value.size // lanes), lanes * value.format.width, family)
    return {"memory": 2 * found}, usage + usage
