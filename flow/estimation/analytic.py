"""The cost of graphs whose streaming RTL does not exist yet: the same forms, put together as a streaming design would.

A convolution is a matrix-vector product per output position behind a sliding window (FINN's MVAU and window unit), a
pooling is a window with comparators or adders behind it, a join holds the shorter branch in a FIFO.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.estimation import analytic_moves, registers
from flow.estimation.calibrate import luts
from flow.estimation.cost import Basis, LayerCost, Usage
from flow.estimation.forms import form_for_dot, memory_luts
from flow.estimation.rom import RomShape
from flow.estimation.sketch import Sketch, matrix_shape
from flow.estimation.softmax import softmax
from flow.estimation.stream import Parts, dense_parts, rom_luts
from flow.exporters.verilog import Folding
from flow.exporters.verilog.products import dsp_of
from flow.formats import Overflow, Rounding
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Input,
    Linear,
    Lookup,
    LutDense,
    MatMul,
    MaxPool2d,
    Mul,
    Node,
    Pad,
    ReduceMax,
    ReduceSum,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    Reshape,
    ScaleShift,
    Slice,
    Softmax,
    Sub,
    Table,
    Transpose,
    Upsample,
)
from flow.ir.value import Value
from flow.synthesis import Family

__all__ = ["analytic_layers"]

_ROUNDINGS, _OVERFLOWS = list(Rounding), list(Overflow)
Found = tuple[Parts, Usage]


def _window(value: Value, kernel: tuple[int, int], lanes: int, family: Family) -> Found:
    """The rows that a window waits for, as memories, and their addresses."""
    depth = max(value.shape[2] * value.shape[0] // lanes, 1)
    width = lanes * value.format.width * max(kernel[0] - 1, 0)
    if not width:
        return {"window": 0.0}, Usage()
    found, usage = analytic_moves.memory(depth, width, family)
    return {"window": found}, usage


def _rom(codes: NDArray[np.int64], depth: int, width: int) -> RomShape:
    """A ROM whose every bit may change: of what is trained, hardly a column is constant."""
    bits = codes.size // depth * width
    return RomShape(depth, bits, bits if depth > 1 else 0)


def _linear(plan: Sketch, node: Linear, family: Family) -> Found:
    source, value, fold = plan.graph.values[node.inputs[0]], plan.graph.values[node.name], plan.folding[node.name]
    outputs, inputs = matrix_shape(node)
    shape = {
        "Inputs": inputs, "Outputs": outputs, "Pe": fold.pe, "Simd": fold.simd, "XWidth": source.format.width,
        "XSigned": int(source.format.signed), "WWidth": node.weight.format.width,
        "WSigned": int(node.weight.format.signed), "AccWidth": value.format.width,
        "UseDsp": int(bool(dsp_of(plan.dsp, node.name))),
    }  # fmt: skip
    lines = outputs // fold.pe
    bias_bits = 0 if node.bias is None else node.bias.format.width
    biases = RomShape(lines, fold.pe * bias_bits, fold.pe * bias_bits if lines > 1 else 0)
    weights = _rom(node.weight.codes, lines * (inputs // fold.simd), node.weight.format.width)
    parts, usage = dense_parts(shape, (weights, biases), family)
    if not isinstance(node, Conv2d):
        return parts, usage
    found, more = _window(source, node.kernel, plan.lanes[node.inputs[0]], family)
    return {**parts, **found}, usage + more


def _scale_shift(plan: Sketch, node: ScaleShift, family: Family) -> Found:
    """A product and an addition a lane, with both constants of a channel from ROMs."""
    source, value, lanes = plan.graph.values[node.inputs[0]], plan.graph.values[node.name], plan.lanes[node.name]
    shape = {"Simd": 1, "XWidth": source.format.width, "XSigned": int(source.format.signed),
             "WWidth": node.scale.format.width}  # fmt: skip
    product = sum(luts(form_for_dot(shape), shape, family).values())
    bits = node.scale.format.width + node.shift.format.width
    depth = -(-node.scale.shape[0] // lanes)
    columns = lanes * bits if depth > 1 else 0
    rom = rom_luts(RomShape(depth, lanes * bits, columns), family)
    width = value.format.width
    return {"products": lanes * product, "adders": float(lanes * width), "roms": rom}, Usage(ff=lanes * width + columns)


def _gates(plan: Sketch, node: Node, family: Family) -> Found:
    """A ReLU in front of a cast disappears in it; elsewhere it takes a LUT a bit."""
    readers = plan.graph.consumers(node.name)
    free = len(readers) == 1 and isinstance(readers[0], Requantize)
    bits = plan.lanes[node.name] * plan.graph.values[node.name].format.width
    return {"gates": 0.0 if free else float(bits)}, Usage()


def _pad(plan: Sketch, node: Pad, family: Family) -> Found:
    """A LUT a bit chooses between a code and a zero, and a counter for every axis says which."""
    value, lanes = plan.graph.values[node.name], plan.lanes[node.name]
    counters = sum(size.bit_length() for size in value.shape)
    return {"gates": float(lanes * value.format.width), "control": 2.0 * counters}, Usage(ff=counters)


def _upsample(plan: Sketch, node: Upsample, family: Family) -> Found:
    """A row waits in a memory while it is repeated; codes of a row are held where they stand."""
    value, lanes = plan.graph.values[node.inputs[0]], plan.lanes[node.name]
    counters = sum(factor.bit_length() for factor in node.factors)
    found: Found = {"control": 2.0 * counters}, Usage(ff=counters + lanes * value.format.width)
    if max(node.factors[:-1], default=1) == 1:
        return found
    parts, usage = _window(_as_rows(value), (2, 1), lanes, family)
    return {**found[0], **parts}, found[1] + usage


def _as_rows(value: Value) -> Value:
    """Any value as an image of one channel, with its last axis as its rows."""
    return replace(value, shape=(1, value.size // value.shape[-1], value.shape[-1]))


def _add(plan: Sketch, node: Add | Sub, family: Family) -> Found:
    """An adder a lane, and a FIFO for the branch that arrives first."""
    width, (fifo, held) = plan.lanes[node.name] * plan.graph.values[node.name].format.width, _join(plan, node, family)
    return {"adders": float(width), "fifo": fifo}, Usage(ff=held + width)


def _join(plan: Sketch, node: Node, family: Family) -> tuple[float, int]:
    """LUTs and flip-flops of the FIFO of the branch that arrives first, as deep as the windows of the other fill."""
    value, lanes = plan.graph.values[node.name], plan.lanes[node.name]
    waits = max((value.shape or (1,))[-1] * 2, 2)
    queue = {"Width": lanes * min(v.format.width for v in plan.graph.operands(node)), "Depth": waits}
    fifo = sum(luts("flow_fifo", queue, family).values()) + memory_luts("flow_fifo", queue, family)
    return fifo, registers.fifo(queue, family)


def _mul(plan: Sketch, node: Mul, family: Family) -> Found:
    """A product a lane, and the FIFO of a join."""
    (a, b), value, lanes = plan.graph.operands(node), plan.graph.values[node.name], plan.lanes[node.name]
    shape = {"Simd": 1, "XWidth": a.format.width, "XSigned": int(a.format.signed), "WWidth": b.format.width}
    product = sum(luts(form_for_dot(shape), shape, family).values())
    fifo, held = _join(plan, node, family)
    return {"products": lanes * product, "fifo": fifo}, Usage(ff=held + lanes * value.format.width)


def _table(plan: Sketch, node: Table, family: Family) -> Found:
    """A ROM a lane with the entries that the input can reach."""
    source, lanes, width = plan.graph.values[node.inputs[0]], plan.lanes[node.name], node.entries.format.width
    depth = source.high - source.low + 1
    rom = rom_luts(RomShape(depth, width, width if depth > 1 else 0), family)
    return {"roms": lanes * rom}, Usage(ff=lanes * width)


def _lookup(plan: Sketch, node: Lookup, family: Family) -> Found:
    """One ROM with the rows that the input can reach, read a lane's entries at a time."""
    source, lanes, width = plan.graph.values[node.inputs[0]], plan.lanes[node.name], node.rows.format.width
    depth = (source.high + 1) * -(-node.rows.shape[1] // lanes)
    rom = rom_luts(RomShape(depth, lanes * width, lanes * width if depth > 1 else 0), family)
    return {"roms": rom}, Usage(ff=lanes * width)


def _lut_dense(plan: Sketch, node: LutDense, family: Family) -> Found:
    """One ROM of all tables, read an entry at a time, and a sum in the making for every output."""
    value, width = plan.graph.values[node.name], node.tables.format.width
    rom = rom_luts(_rom(node.tables.codes, node.tables.codes.size, width), family)
    kept, held = analytic_moves.memory(node.tables.shape[0], value.format.width, family)
    return {"roms": rom, "adders": float(value.format.width), "memory": kept}, held


def _matmul(plan: Sketch, node: MatMul, family: Family) -> Found:
    """A product and an accumulator a lane; the second factor waits whole in a memory, of the first a row."""
    (a, b), value, lanes = plan.graph.operands(node), plan.graph.values[node.name], plan.lanes[node.name]
    shape = {"Simd": 1, "XWidth": a.format.width, "XSigned": int(a.format.signed), "WWidth": b.format.width}
    product = sum(luts(form_for_dot(shape), shape, family).values())
    row, first = analytic_moves.memory(a.shape[-1], a.format.width, family)
    whole, second = analytic_moves.memory(b.size // lanes, lanes * b.format.width, family)
    width = float(lanes * value.format.width)
    return {"products": lanes * product, "adders": width, "memory": row + whole}, first + second + Usage(ff=int(width))


def _reduction(plan: Sketch, node: ReduceMax | ReduceSum, family: Family) -> Found:
    """A comparator or an adder a lane, and a result in the making for every place behind the axis."""
    source, value, lanes = plan.graph.values[node.inputs[0]], plan.graph.values[node.name], plan.lanes[node.name]
    kept = math.prod(value.shape[node.axis + 1 :]) * value.format.width
    if isinstance(node, ReduceSum):
        return {"adders": float(lanes * value.format.width)}, Usage(ff=kept)
    shape = {"Lanes": lanes, "Width": source.format.width, "IndexWidth": 0}
    return {"comparators": luts("flow_argmax", shape, family)["comparators"]}, Usage(ff=kept)


def _max_pool(plan: Sketch, node: MaxPool2d, family: Family) -> Found:
    """A comparator a lane for every further code of the window, as in flow_argmax without the index."""
    value, lanes = plan.graph.values[node.inputs[0]], plan.lanes[node.name]
    terms = node.kernel[0] * node.kernel[1] - 1
    shape = {"Lanes": lanes * terms, "Width": value.format.width, "IndexWidth": 0}
    parts, usage = _window(value, node.kernel, lanes, family)
    compare = luts("flow_argmax", shape, family)["comparators"]
    return {**parts, "comparators": compare}, usage + Usage(ff=lanes * value.format.width)


def _avg_pool(plan: Sketch, node: AvgPool2d, family: Family) -> Found:
    """An accumulator a lane, and shifts and additions for the constant factor."""
    source, value, lanes = plan.graph.values[node.inputs[0]], plan.graph.values[node.name], plan.lanes[node.name]
    terms = bin(int(node.scale.codes)).count("1") - 1
    sums = value.format.width * lanes
    parts, usage = _window(source, node.kernel, lanes, family)
    return {**parts, "adders": float(sums * (1 + terms))}, usage + Usage(ff=2 * sums)


def _requantize(plan: Sketch, node: Requantize, family: Family) -> Found:
    form, lanes = plan.graph.values[node.inputs[0]].format, plan.lanes[node.name]
    shape = {
        "Lanes": lanes, "InWidth": form.width, "InSigned": int(form.signed), "Shift": form.frac - node.format.frac,
        "OutWidth": node.format.width, "OutSigned": int(node.format.signed),
        "Rounding": _ROUNDINGS.index(node.rounding), "Overflow": _OVERFLOWS.index(node.overflow),
    }  # fmt: skip
    casts = lanes * sum(luts("flow_requantize", shape, family).values())
    return {"casts": casts}, Usage(ff=registers.quantize(shape, family))


def _requantize_each(plan: Sketch, node: RequantizeEach, family: Family) -> Found:
    """A cast a lane for every distinct format, and a ROM that says which is taken."""
    lanes, forms = plan.lanes[node.name], node.formats()
    found = [_requantize(plan, node.cast_to(form), family) for form in forms]
    bits, depth = len(forms).bit_length() * lanes, max(node.fracs.codes.size // lanes, 1)
    rom = rom_luts(RomShape(depth, bits, bits if depth > 1 else 0), family)
    width = lanes * plan.graph.values[node.name].format.width
    return {"casts": sum(parts["casts"] for parts, _ in found), "roms": rom}, Usage(ff=width)


def _requantize_minifloat(plan: Sketch, node: RequantizeMinifloat, family: Family) -> Found:
    """A lane searches the leading one, shifts down to the mantissa and back; a LUT6 shifts a bit by one of four."""
    source, value, lanes = plan.graph.values[node.inputs[0]], plan.graph.values[node.name], plan.lanes[node.name]
    stages = -(-(node.minifloat.exponent) // 2)
    bits = source.format.width * (1 + stages) + value.format.width * (1 + stages)
    return {"casts": float(lanes * bits)}, Usage(ff=lanes * value.format.width)


def _softmax(plan: Sketch, node: Softmax, family: Family) -> Found:
    """The cell of the streaming design, one a lane."""
    (x,), lanes = plan.graph.operands(node), plan.lanes[node.name]
    shape = {
        "Count": node.length(x), "Width": x.format.width, "Frac": x.format.frac, "Mantissa": node.mantissa,
        "ExpWidth": node.exponent(x).width, "UseDsp": int(plan.dsp),
    }  # fmt: skip
    parts, usage = softmax(shape, family)
    return {part: lanes * found for part, found in parts.items()}, sum([usage] * lanes, Usage())


def _argmax(plan: Sketch, node: ArgMax, family: Family) -> Found:
    source, value = plan.graph.values[node.inputs[0]], plan.graph.values[node.name]
    shape = {"Count": source.size, "Lanes": plan.lanes[node.inputs[0]], "Width": source.format.width,
             "IndexWidth": value.format.width}  # fmt: skip
    return {"comparators": sum(luts("flow_argmax", shape, family).values())}, Usage(ff=registers.argmax(shape, family))


def _stream(plan: Sketch, node: Node, family: Family) -> Found:
    """The registered AXI-Stream at either end."""
    value, lanes = plan.graph.values[node.name], plan.lanes[node.name]
    shape = {"Width": lanes * value.format.width, "Beats": value.size // lanes}
    return {"stream": sum(luts("flow_axis_in", shape, family).values())}, Usage(ff=registers.axis_in(shape, family))


def _nothing(plan: Sketch, node: Node, family: Family) -> Found:
    return {}, Usage()


_CASES: Mapping[type[Node], Callable[[Sketch, Any, Family], Found]] = {
    Input: _stream,
    Dense: _linear,
    Conv2d: _linear,
    ScaleShift: _scale_shift,
    Relu: _gates,
    Add: _add,
    Sub: _add,
    Mul: _mul,
    Table: _table,
    Lookup: _lookup,
    LutDense: _lut_dense,
    MatMul: _matmul,
    MaxPool2d: _max_pool,
    AvgPool2d: _avg_pool,
    ReduceMax: _reduction,
    ReduceSum: _reduction,
    Concat: analytic_moves.concat,
    Slice: analytic_moves.slice_axes,
    Transpose: analytic_moves.transpose,
    Flatten: _nothing,
    Reshape: _nothing,
    Pad: _pad,
    Upsample: _upsample,
    Requantize: _requantize,
    RequantizeEach: _requantize_each,
    RequantizeMinifloat: _requantize_minifloat,
    ArgMax: _argmax,
    Softmax: _softmax,
}


def analytic_layers(plan: Sketch, family: Family) -> tuple[LayerCost, ...]:
    """The cost of every node; each says that no RTL stands behind it."""
    layers = []
    for node in plan.graph:
        parts, usage = _CASES[type(node)](plan, node, family)
        if node.name in plan.graph.outputs:
            ends, more = _stream(plan, node, family)
            parts, usage = {**parts, **ends}, usage + more
        fold = plan.folding.get(node.name, Folding(plan.lanes[node.name], plan.lanes[node.name]))
        used = usage + Usage(lut=round(sum(parts.values())))
        layers.append(
            LayerCost(node.name, node.op, used, plan.cycles[node.name], fold.pe, fold.simd, parts, Basis.ANALYTIC)
        )
    return tuple(layers)
