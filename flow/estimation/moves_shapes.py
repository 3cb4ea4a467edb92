"""What the cost of modules that move, join and cast codes by place grows with, from what their templates are given."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from flow.estimation.forms import requantize_features
from flow.estimation.forms_parts import bits_of, odd, wraps
from flow.exporters.verilog import Plan
from flow.exporters.verilog.constants import concat_context, each_context, move_context
from flow.formats import Overflow, Rounding, trailing_zeros
from flow.ir import Concat, RequantizeEach

__all__ = ["Shape", "concat_shape", "each_shape", "move_shape"]

Shape = dict[str, int]

_MODES = {f"flow_pkg::ROUND_{mode.value}": index for index, mode in enumerate(Rounding)} | {
    f"flow_pkg::OVERFLOW_{mode.value}": index for index, mode in enumerate(Overflow)
}


def move_shape(plan: Plan, name: str, number: int) -> Shape:
    """Of the memory that moves the beats of an operand.

    `Counters`: bits of all counters of the walk, `Wraps` of those that do not wrap by themselves; `Adders`: bits of the
    additions that make a place of them; `Tables`: bits of offsets from a table; `Base` and `Freed`: bits of the ring's
    start and of what is released that are not always 0; `Zeros`: whether zeros come between.
    """
    context = move_context(plan, name, number)
    axes, place, beats = context["axes"], context["place_width"], context["beats"]
    counts = [axis["last"] + 1 for axis in axes]
    steps = [axis["step"] for axis in axes if axis["step"] is not None and axis["step"]]
    tables = sum(axis["step"] is None for axis in axes)
    joined = len(steps) + tables - 1 if tables or any(map(odd, steps)) else 0  # else they stand side by side
    return {
        "Width": context["width"], "Depth": context["depth"], "Beats": beats,
        "Counters": sum(map(bits_of, counts)), "Wraps": wraps(*counts), "Tables": place * tables,
        "Adders": place * (sum(step.bit_count() - 1 for step in steps) + joined),
        "Base": max(bits_of(context["depth"]) - trailing_zeros(beats), 0),
        "Freed": reduce(or_, context["freed"][:-1], 0).bit_count(),
        "Zeros": int(any(axis["zeros"] for axis in axes)),
    }  # fmt: skip


def _held(lane: list[dict[str, Any]], width: int) -> int:
    """Bits of a lane that are not always 0."""
    places: set[int] = set()
    for each in lane:
        cast, lift = each["cast"], each["lift"]
        places.update(range(lift, width if cast["OutSigned"] else lift + cast["OutWidth"]))
    return len(places)


def concat_shape(plan: Plan, node: Concat) -> Shape:
    """Of what joins streams: bits of a beat, streams, beats until their turns repeat."""
    context = concat_context(plan, node)
    return {"Bits": context["lanes"] * context["out_width"], "Ways": len(context["parts"]),
            "Turns": len(context["turns"].codes)}  # fmt: skip


def each_shape(plan: Plan, node: RequantizeEach) -> Shape:
    """Of a cast by place: bits of a beat, LUTs or so of all casts, bits of their results, the ROM that says which."""
    context = each_context(plan, node)
    kinds, width = context["kinds"], context["out_width"]
    casts = [each["cast"] for lane in context["lanes"] for each in lane]
    shapes = [{key: _MODES.get(value, value) for key, value in cast.items()} for cast in casts]
    return {
        "Bits": len(context["lanes"]) * width, "Held": sum(_held(lane, width) for lane in context["lanes"]),
        "Chosen": sum(cast["OutWidth"] for cast in casts),
        "Casts": round(sum(sum(requantize_features(shape).values()) for shape in shapes)),
        "Lines": len(kinds.codes), "Kinds": kinds.width,
    }  # fmt: skip
