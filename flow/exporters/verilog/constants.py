"""The modules of operators with small constants: scale and shift by channel, and tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.layer import origin, pack, rom
from flow.exporters.verilog.plan import Plan
from flow.ir import ScaleShift, Table

__all__ = ["scale_shift_context", "table_context"]


def _in_order(plan: Plan, name: str, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Constants int64[C] of the first axis as int64[lines, lanes], as the codes of a node's operand arrive.

    A pixel's channels repeat, so where the stream goes pixel by pixel the lines are those of one pixel.
    """
    stream = plan.operand(name)
    channels = stream.order.indices() // (stream.value.size // len(codes))
    lines = codes[channels].reshape(-1, stream.lanes)
    period = math.gcd(len(codes), len(channels)) // stream.lanes
    repeats = period > 0 and np.array_equal(lines, np.tile(lines[:period], (len(lines) // period, 1)))
    return lines[:period] if repeats else lines


def scale_shift_context(plan: Plan, node: ScaleShift, dsp: bool) -> dict[str, Any]:
    """What the template of a scale and shift is filled with."""
    source, stream = plan.operand(node.name), plan.streams[node.name]
    x, out = source.value.format, stream.value.format
    scale, shift = (_in_order(plan, node.name, codes) for codes in (node.scale.codes, node.shift_codes(source.value)))
    lines = max(len(scale), len(shift))
    scale, shift = (np.tile(codes, (lines // len(codes), 1)) for codes in (scale, shift))
    return {
        "module": plan.layer_module(node.name),
        "origin": origin(node),
        "input_width": source.width,
        "output_width": stream.width,
        "scale": rom("scale", scale, node.scale.format.width),
        "shift": rom("shift", shift, out.width),
        "parameters": {
            "Lanes": stream.lanes,
            "Beats": lines,
            "XWidth": x.width,
            "XSigned": int(x.signed),
            "SWidth": node.scale.format.width,
            "SSigned": int(node.scale.format.signed),
            "OutWidth": out.width,
            "ProductShift": node.product_shift(source.value),
            "UseDsp": int(dsp),
        },
    }


def table_context(plan: Plan, node: Table) -> dict[str, Any]:
    """What the template of a table is filled with: the entries that the input reaches, by the bits of its code."""
    source, stream = plan.operand(node.name), plan.streams[node.name]
    width = stream.value.format.width
    reached = range(source.value.low, source.value.high + 1)
    return {
        "module": plan.layer_module(node.name),
        "rom_module": plan.rom_module(node.name),
        "origin": origin(node),
        "lanes": stream.lanes,
        "code_width": source.value.format.width,
        "entry_width": width,
        "entries": {
            pack([code], source.value.format.width): pack([int(node.entries.codes[code - node.first])], width)
            for code in reached
        },
    }
