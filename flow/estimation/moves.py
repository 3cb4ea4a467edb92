"""The cells that move codes, join parts, and cast place by place: logic by their closed forms, registers counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow.estimation.calibrate import carries, luts
from flow.estimation.cost import Usage
from flow.estimation.forms_moves import move_registers
from flow.estimation.forms_parts import bits_of, ram_blocks, ram_luts
from flow.estimation.images import Found
from flow.estimation.moves_shapes import concat_shape, each_shape, move_shape
from flow.exporters.verilog import Plan
from flow.ir import Concat, RequantizeEach
from flow.synthesis import Family

__all__ = ["concat", "each", "minifloat", "move"]

_HANDSHAKE = 3  # valid, and two marks of the table of turns, as measured


def _found(form: str, part: str, shape: Mapping[str, Any], ff: int, family: Family) -> Found:
    """A cell whose LUTs go by one name."""
    return {part: sum(luts(form, shape, family).values())}, Usage(ff=ff, carry=carries(form, shape, family))


def move(plan: Plan, name: str, number: int, family: Family) -> Found:
    """A ring, its addresses, and the counters of its walk with their tables."""
    p = move_shape(plan, name, number)
    parts, usage = _found("move", "move", p, move_registers(p, family), family)
    blocks = ram_blocks(p["Width"], p["Depth"], family)
    return {"move": parts["move"] + ram_luts(p["Width"], p["Depth"], family)}, usage + Usage(bram=blocks)


def concat(plan: Plan, node: Concat, family: Family) -> Found:
    """A choice among the parts, and the counter of their turns."""
    p = concat_shape(plan, node)
    return _found("concat", "gates", p, p["Bits"] + _HANDSHAKE + bits_of(p["Turns"]), family)


def each(plan: Plan, node: RequantizeEach, family: Family) -> Found:
    """A cast a lane and format, and a ROM that says which is taken."""
    p = each_shape(plan, node)
    return _found("each", "casts", p, p["Held"] + _HANDSHAKE + bits_of(p["Lines"]), family)


def minifloat(p: Mapping[str, Any], family: Family) -> Found:
    """A cast to a minifloat and back a lane, before a register."""
    return _found("flow_minifloat_stream", "casts", p, p["Lanes"] * p["OutWidth"] + 1, family)
