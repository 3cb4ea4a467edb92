"""The modules that are generated whole: scale and shift by channel, tables, casts by place, joined parts, moves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.layer import Rom, origin, pack
from flow.exporters.verilog.network import turn_beats
from flow.exporters.verilog.plan import Plan
from flow.exporters.verilog.products import Dsp, dsp_of, dsp_parameters
from flow.exporters.verilog.routes import lines_of
from flow.exporters.verilog.walk import ZERO, Axis
from flow.formats import FixedPoint
from flow.ir import Concat, Lookup, RequantizeEach, ScaleShift, Softmax, Table

__all__ = [
    "concat_context",
    "each_context",
    "lookup_context",
    "move_context",
    "scale_shift_context",
    "softmax_context",
    "table_context",
]


def _in_order(plan: Plan, name: str, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Constants int64[C] of the first axis as int64[lines, lanes], as the codes of a node's operand arrive."""
    stream = plan.operand(name)
    whole = codes.repeat(stream.value.size // len(codes))
    return lines_of(stream.order, whole, stream.lanes)


def scale_shift_context(plan: Plan, node: ScaleShift, dsp: Dsp) -> dict[str, Any]:
    """What the template of a scale and shift is filled with."""
    source, stream = plan.operand(node.name), plan.streams[node.name]
    x, out = source.value.format, stream.value.format
    scale, shift = (_in_order(plan, node.name, codes) for codes in (node.scale.codes, node.shift_codes(source.value)))
    lines = math.lcm(len(scale), len(shift))
    scale, shift = (np.tile(codes, (lines // len(codes), 1)) for codes in (scale, shift))
    return {
        "module": plan.layer_module(node.name),
        "origin": origin(node),
        "input_width": source.width,
        "output_width": stream.width,
        "scale": Rom("scale", scale, node.scale.format.width),
        "shift": Rom("shift", shift, out.width),
        "parameters": {
            "Lanes": stream.lanes,
            "Beats": lines,
            "XWidth": x.width,
            "XSigned": int(x.signed),
            "SWidth": node.scale.format.width,
            "SSigned": int(node.scale.format.signed),
            "OutWidth": out.width,
            "ProductShift": node.product_shift(source.value),
            **dsp_parameters(dsp_of(dsp, node.name), packs=False),
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


def lookup_context(plan: Plan, node: Lookup) -> dict[str, Any]:
    """What the template of rows by number is filled with: their entries by the bits of number and place in the row."""
    source, stream = plan.operand(node.name), plan.streams[node.name]
    size, width = node.rows.shape[1], stream.value.format.width
    place_width = max(1, (size - 1).bit_length())
    reached = range(source.value.low, source.value.high + 1)
    return {
        "module": plan.layer_module(node.name),
        "rom_module": plan.rom_module(node.name),
        "origin": origin(node),
        "size": size,
        "place_width": place_width,
        "index_width": source.value.format.width,
        "code_width": source.value.format.width + place_width,
        "entry_width": width,
        "entries": {
            (index << place_width) | place: pack([code], width)
            for index in reached
            for place, code in enumerate(node.rows.codes[index].tolist())
        },
    }


def softmax_context(plan: Plan, node: Softmax, dsp: bool | str) -> dict[str, Any]:
    """What the template of a softmax is filled with: the powers of fractions, without the one in front."""
    x, held = plan.operand(node.name).value, node.arithmetic(plan.operand(node.name).value)
    return {
        "module": plan.layer_module(node.name),
        "rom_module": plan.rom_module(node.name),
        "origin": origin(node),
        "code_width": max(held.address, 1),
        "entry_width": node.mantissa,
        "entries": dict(enumerate((held.table() - (1 << node.mantissa)).tolist())),
        "parameters": {
            "Count": node.length(x),
            "Width": x.format.width,
            "Signed": int(x.format.signed),
            "Frac": x.format.frac,
            "Mantissa": node.mantissa,
            "ExpWidth": node.exponent(x).width,
            **dsp_parameters(dsp, packs=False),
        },
    }


def _cast(node: RequantizeEach, source: FixedPoint, form: FixedPoint) -> dict[str, Any]:
    """Parameters of flow_requantize for one format."""
    return {
        "InWidth": source.width,
        "InSigned": int(source.signed),
        "Shift": source.frac - form.frac,
        "OutWidth": form.width,
        "OutSigned": int(form.signed),
        "Rounding": f"flow_pkg::ROUND_{node.rounding.value}",
        "Overflow": f"flow_pkg::OVERFLOW_{node.overflow.value}",
    }


def each_context(plan: Plan, node: RequantizeEach) -> dict[str, Any]:
    """What the template of a cast by places is filled with: by lane the formats that occur, and which one when."""
    source, stream, forms = plan.operand(node.name), plan.streams[node.name], node.formats()
    kinds = np.zeros(node.fracs.shape, dtype=np.int64)  # 0 where no bits are left
    for number, form in enumerate(forms, start=1):
        kinds[node.places(form)] = number
    lines = lines_of(stream.order, np.broadcast_to(kinds, stream.value.shape), stream.lanes)
    lanes = [
        [
            {
                "kind": kind,
                "lift": node.frac - forms[kind - 1].frac,
                "cast": _cast(node, source.value.format, forms[kind - 1]),
            }
            for kind in sorted(set(column.tolist()) - {0})
        ]
        for column in lines.T
    ]
    return {
        "module": plan.layer_module(node.name),
        "origin": origin(node),
        "lanes": lanes,
        "in_width": source.value.format.width,
        "out_width": stream.value.format.width,
        "signed": node.signed,
        "kinds": Rom("kind", lines, len(forms).bit_length() or 1),
        "kind_width": len(forms).bit_length() or 1,
    }


def concat_context(plan: Plan, node: Concat) -> dict[str, Any]:
    """What the template of joined parts is filled with: binary points, and whose turn it is at which beat."""
    stream, turns = plan.streams[node.name], turn_beats(plan, node.name)
    parts = []
    for number in range(len(node.inputs)):
        form, width = plan.operand(node.name, number).value.format, plan.operand(node.name, number).width
        lift = stream.value.format.frac - form.frac
        parts.append({"width": width, "code": form.width, "signed": form.signed, "lift": lift})
    return {
        "module": plan.layer_module(node.name),
        "origin": origin(node),
        "lanes": stream.lanes,
        "out_width": stream.value.format.width,
        "parts": parts,
        "turns": Rom("turn", np.array([[1 << turn] for turn in turns]), len(parts)),
    }


def _counter(axis: Axis) -> dict[str, Any]:
    """A counter of a walk as its template has it."""
    size = len(axis.offsets)
    return {
        "width": max(1, (size - 1).bit_length()),
        "last": size - 1,
        "step": axis.step,
        "offsets": [max(offset, 0) for offset in axis.offsets],
        "zeros": [place for place, offset in enumerate(axis.offsets) if offset == ZERO],
    }


def move_context(plan: Plan, name: str, number: int) -> dict[str, Any]:
    """What the template of a memory that moves beats is filled with."""
    move, source = plan.moves[name, number], plan.operand(name, number)
    return {
        "module": plan.move_module(name, number),
        "origin": origin(plan.graph[name]),
        "operand": plan.graph[name].inputs[number],
        "beats": move.walk.beats,
        "beats_out": move.beats,
        "width": source.width,
        "depth": move.depth,
        "place_width": max(1, (move.walk.beats - 1).bit_length()),
        "freed_width": move.walk.beats.bit_length(),
        "freed": move.walk.freed,
        "axes": [_counter(axis) for axis in move.walk.axes],
    }
