"""The cells that move codes, join parts, and cast place by place: registers counted from their text, logic by width.

Their logic is not calibrated against synthesis yet; a LUT a bit of every adder, comparator, choice and counter is
assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow.estimation.calibrate import luts
from flow.estimation.cost import Usage
from flow.estimation.forms_parts import ram_blocks, ram_luts
from flow.estimation.images import Found
from flow.estimation.memory import Place, place_of_ram
from flow.estimation.rom import rom_shape
from flow.exporters.verilog import Plan
from flow.exporters.verilog.constants import concat_context, each_context, move_context
from flow.formats import Overflow, Rounding
from flow.ir import Concat, RequantizeEach
from flow.synthesis import Family

__all__ = ["concat", "each", "minifloat", "move"]

_MODES = {f"flow_pkg::ROUND_{mode.value}": index for index, mode in enumerate(Rounding)} | {
    f"flow_pkg::OVERFLOW_{mode.value}": index for index, mode in enumerate(Overflow)
}
_LINES_PER_LUT = 64


def _bits(count: int) -> int:
    return (count - 1).bit_length()


def _ring(width: int, depth: int, family: Family) -> tuple[float, Usage]:
    """The memory itself, read through a register."""
    if place_of_ram(width, depth, family) is Place.REGISTERS:
        return width * depth / 2, Usage(ff=width * depth)
    return ram_luts(width, depth, family), Usage(bram=ram_blocks(width, depth, family))


def move(plan: Plan, name: str, number: int, family: Family) -> Found:
    """A ring, its addresses, and the counters of its walk with their tables."""
    context = move_context(plan, name, number)
    width, depth, beats = context["width"], context["depth"], context["beats"]
    memory, held = _ring(width, depth, family)
    counters = sum(_bits(axis["last"] + 1) for axis in context["axes"])
    tables = sum(axis["last"] + 1 for axis in context["axes"] if axis["step"] is None) * context["place_width"]
    zeros = any(axis["zeros"] for axis in context["axes"])
    address, avail = _bits(depth), (depth + beats).bit_length() + 1
    control = 2 * counters + 3 * address + 3 * avail + tables / _LINES_PER_LUT + width * zeros
    registers = counters + 2 * address + avail + beats.bit_length() + width * (held.bram == 0) + 1 + zeros
    return {"move": memory + control}, held + Usage(ff=registers)


def concat(plan: Plan, node: Concat, family: Family) -> Found:
    """A choice among the parts, a bit each, and the counter of turns."""
    context = concat_context(plan, node)
    bits, beats = context["lanes"] * context["out_width"], len(context["turns"].codes)
    choice = float(bits * -(-len(context["parts"]) // 2))
    return {"gates": choice, "control": 2.0 + 2 * _bits(beats)}, Usage(ff=bits + 1 + _bits(beats))


def each(plan: Plan, node: RequantizeEach, family: Family) -> Found:
    """A cast a lane and format, and a ROM that says which is taken."""
    context = each_context(plan, node)
    bits, beats = len(context["lanes"]) * context["out_width"], len(context["kinds"].codes)
    found = 0.0
    for lane in context["lanes"]:
        shapes = [{key: _MODES.get(value, value) for key, value in one["cast"].items()} for one in lane]
        found += sum(sum(luts("flow_requantize", {"Lanes": 1, **shape}, family).values()) for shape in shapes)
        found += context["out_width"] * max(len(lane) - 1, 0) / 2
    rom = rom_shape(context["kinds"].codes, context["kinds"].code_width)
    roms = sum(luts("rom", {"Depth": rom.depth, "Columns": rom.columns}, family).values())
    return {"casts": found, "roms": roms, "control": 1.0 + _bits(beats)}, Usage(ff=bits + 1 + _bits(beats))


def minifloat(parameters: Mapping[str, Any], family: Family) -> Found:
    """A lane searches the leading one, shifts down to the mantissa and back; a LUT6 shifts a bit by one of four."""
    stages = 1 + -(-parameters["Exponent"] // 2)
    bits = (parameters["InWidth"] + parameters["OutWidth"]) * stages
    lanes = parameters["Lanes"]
    return {"casts": float(lanes * bits)}, Usage(ff=lanes * parameters["OutWidth"] + 1)
