"""What each operator needs of `hls_templates/`: the template it calls, its arguments, its constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from flow.errors import ExportError
from flow.exporters.hls import moves
from flow.exporters.hls.call import Call, Constant
from flow.exporters.hls.linear import conv2d, dense, scale_shift
from flow.exporters.hls.options import LayerOptions
from flow.exporters.hls.spatial import pad, upsample
from flow.exporters.hls.types import fixed_type
from flow.formats import AP_OVERFLOW, AP_ROUNDING, FixedPoint, FloatRounding, Overflow
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
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
    ScaleShift,
    Slice,
    Softmax,
    Sub,
    Table,
    Transpose,
    Upsample,
    Value,
)

__all__ = ["calls", "result_type"]

_AXES = 4  # of flow_broadcast.h


def _window(kernel: tuple[int, int], stride: tuple[int, int]) -> dict[str, int]:
    return {"KERNEL_H": kernel[0], "KERNEL_W": kernel[1], "STRIDE_H": stride[0], "STRIDE_W": stride[1]}


def _plane(x: Value) -> dict[str, int]:
    return dict(zip(("CHANNELS", "HEIGHT", "WIDTH"), x.shape, strict=True))


def _relu(node: Relu, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    return Call("flow_relu.h", "relu", sizes={"SIZE": result.size})


def _add(node: Add, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    return Call("flow_add.h", "add", inputs=("A", "B"), sizes={"SIZE": result.size})


def _broadcast_sizes(node: Node, shape: tuple[int, ...], left: tuple[int, ...], right: tuple[int, ...]) -> list[int]:
    """The four sizes of flow_broadcast.h and which of them each operand has: neighbours alike for both are one axis."""
    runs: list[tuple[int, bool, bool]] = []
    for size, *held in ((n, m == n, k == n) for n, m, k in zip(shape, left, right, strict=True) if n > 1):
        if runs and list(runs[-1][1:]) == held:
            size *= runs.pop()[0]
        runs.append((size, held[0], held[1]))
    if len(runs) > _AXES:
        place = f" (from {node.origin!r})" if node.origin else ""
        raise ExportError(
            f"The HLS templates broadcast over {_AXES} axes, but {type(node).__name__} {node.name!r}{place} needs "
            f"{len(runs)} for shapes {left} and {right}; reshape its inputs to fewer axes, or export ONNX."
        )
    runs = [(1, True, True)] * (_AXES - len(runs)) + runs
    masks = [sum(bool(run[side]) << (_AXES - 1 - i) for i, run in enumerate(runs)) for side in (1, 2)]
    return [*(run[0] for run in runs), *masks]


def _pair(header: str, function: str) -> Callable[..., Call]:
    """The call of an operator of two values, either of which may be narrow."""

    def make(node: Node, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
        left, right = (operand.shape for operand in operands)
        words = ("FIRST", "SECOND", "THIRD", "FOURTH", "LEFT", "RIGHT")
        sizes = dict(zip(words, _broadcast_sizes(node, result.shape, left, right), strict=True))
        return Call(header, function, inputs=("A", "B"), sizes=sizes)

    return make


def _table(node: Table, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    """The entries that the input can reach, at the lowest bits of its code."""
    (x,) = operands
    codes = np.arange(x.high - x.low + 1) + x.low
    address = max(int(x.high - x.low).bit_length(), 1)
    rom = np.zeros(1 << address, dtype=np.int64)
    rom[codes & ((1 << address) - 1)] = node.entries.codes[codes - node.first]
    entries = Constant("entries", "E", rom, node.entries.format, f"codes {x.low}..{x.high} by their lowest bits")
    sizes = {"SIZE": result.size, "ADDRESS": address}
    return Call("flow_table.h", "table", constants=(entries,), sizes=sizes)


def _lookup(node: Lookup, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    """Only the rows that the input can reach are stored."""
    (x,), width = operands, node.rows.shape[1]
    reached = node.rows.codes[: x.high + 1]
    rows = Constant("rows", "E", reached, node.rows.format, f"codes 0..{x.high}, places of a row")
    return Call(
        "flow_lookup.h", "lookup", constants=(rows,), sizes={"SIZE": x.size, "ROWS": x.high + 1, "WIDTH": width}
    )


def _lut_dense(node: LutDense, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    """The tables of one output side by side: what is read at once lies in memories of its own."""
    outputs, inputs, _ = node.tables.shape
    tables = Constant("tables", "E", node.tables.codes, node.tables.format, "outputs, inputs, addresses")
    bits = np.minimum(node.shifts.codes, operands[0].format.width)
    shifts = Constant("shifts", "N", bits, FixedPoint.holding(0, int(bits.max()), 0), "inputs")
    sizes = {"ROWS": operands[0].size // inputs, "INPUTS": inputs, "OUTPUTS": outputs, "ADDRESS": node.address}
    return Call("flow_lut_dense.h", "lut_dense", constants=(tables, shifts), sizes=sizes)


def _matmul(node: MatMul, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    a, b = (operand.shape for operand in operands)
    sizes = {"COUNT": math.prod(a[:-2]), "ROWS": a[-2], "TERMS": a[-1], "COLUMNS": b[-1]}
    return Call("flow_matmul.h", "matmul", inputs=("A", "B"), sizes=sizes)


def _along(node: ReduceMax | ReduceSum | Softmax, x: Value) -> dict[str, int]:
    """The axis of a node, and the places before and behind it."""
    before, behind = x.shape[: node.axis], x.shape[node.axis + 1 :]
    return {"OUTER": math.prod(before), "LENGTH": x.shape[node.axis], "INNER": math.prod(behind)}


def _reduction(function: str) -> Callable[..., Call]:
    def make(node: ReduceMax | ReduceSum, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
        return Call("flow_reduce.h", function, sizes=_along(node, operands[0]))

    return make


def _max_pool(node: MaxPool2d, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    return Call("flow_pool.h", "max_pool2d", sizes={**_plane(operands[0]), **_window(node.kernel, node.stride)})


def _avg_pool(node: AvgPool2d, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    (x,) = operands
    elements = node.kernel[0] * node.kernel[1]
    total = FixedPoint.holding(min(x.low * elements, x.low), x.high * elements, x.format.frac)
    scale = Constant("scale", "S", node.scale.codes.reshape(1), node.scale.format, "one")
    sizes = {**_plane(x), **_window(node.kernel, node.stride)}
    return Call("flow_pool.h", "avg_pool2d", constants=(scale,), sizes=sizes, inner={"SUM": fixed_type(total)})


def _requantize(node: Requantize, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    (x,) = operands
    inner = {"WIDE": _wide_type(node, x) or "X", "ROUNDED": _rounded_type(node, x) or "Y"}
    return Call("flow_requantize.h", "requantize", sizes={"SIZE": result.size}, inner=inner)


def _requantize_each(node: RequantizeEach, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    """A list of casts as a type, and for every place the number of its cast in the list."""
    (x,), forms = operands, node.formats()
    numbers, listed = np.full(node.fracs.shape, len(forms)), "::flow::no_bits"
    for number, form in reversed(list(enumerate(forms))):
        numbers[node.places(form)] = number
        cast, own = node.cast_to(form), fixed_type(form, AP_ROUNDING[node.rounding], AP_OVERFLOW[node.overflow])
        types = (_wide_type(cast, x) or fixed_type(x.format), _rounded_type(cast, x) or own, own)
        listed = f"::flow::casts<{', '.join(types)},\n            {listed} >"
    sizes = _broadcast_sizes(node, x.shape, x.shape, node.fracs.shape)
    return Call(
        "flow_requantize_each.h", "requantize_each",
        constants=(Constant("casts", "N", numbers, FixedPoint.holding(0, len(forms), 0), "places"),),
        sizes=dict(zip(("FIRST", "SECOND", "THIRD", "FOURTH", "PLACES"), [*sizes[:_AXES], sizes[-1]], strict=True)),
        inner={"CASTS": listed},
    )  # fmt: skip


def _requantize_minifloat(
    node: RequantizeMinifloat, operands: tuple[Value, ...], result: Value, choice: LayerOptions
) -> Call:
    """Beyond its own width a code has nothing more to drop, and beyond the highest number nothing more to reach."""
    (x,), form = operands, node.minifloat
    bits, highest = x.format.frac - form.frac, form.highest_integer
    binade = max((highest >> form.mantissa).bit_length() - 1, 0)
    sizes = {
        "SIZE": result.size, "LIFTED": min(max(-bits, 0), highest.bit_length()),
        "DROPPED": min(max(bits, 0), x.format.width + 2), "MANTISSA": form.mantissa, "TOP": highest >> binade,
        "BINADE": binade, "ROUNDING": list(FloatRounding).index(node.rounding),
    }  # fmt: skip
    return Call("flow_requantize_minifloat.h", "requantize_minifloat", sizes=sizes)


def _wide_type(node: Requantize, x: Value) -> str | None:
    """The type of an input with enough bits to drop, see flow_requantize.h, where its own has too few."""
    dropped = x.format.frac - node.format.frac
    return fixed_type(replace(x.format, width=dropped + 1)) if dropped >= x.format.width else None


def _rounded_type(node: Requantize, x: Value) -> str | None:
    """The type between rounding and overflow, see flow_requantize.h, where two odd modes need one."""
    target, dropped = node.format, x.format.frac - node.format.frac
    if node.overflow is Overflow.WRAP_SM and dropped > 0:
        rounded = FixedPoint.holding(min(x.low >> dropped, -1), (x.high >> dropped) + 1, target.frac)
        return fixed_type(rounded, AP_ROUNDING[node.rounding], AP_OVERFLOW[Overflow.WRAP])
    if node.overflow is Overflow.SAT_SYM and target.signed and target.width == 1:
        return fixed_type(replace(target, signed=False))
    return None


def _softmax(node: Softmax, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    (x,), held = operands, node.arithmetic(operands[0])
    powers = Constant("powers", "E", held.table(), held.target, "fractions of a code")
    sizes = {
        **_along(node, x), "ADDRESS": held.address, "LIFT": max(-x.format.frac, 0), "MANTISSA": node.mantissa,
        "EXPONENT": node.exponent(x).width,
    }  # fmt: skip
    return Call("flow_softmax.h", "softmax", constants=(powers,), sizes=sizes)


def _argmax(node: ArgMax, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    return Call("flow_argmax.h", "argmax", sizes={"SIZE": operands[0].size})


_CALLS: dict[type[Node], Callable[..., Call | tuple[Call, ...]]] = {
    Dense: dense,
    Conv2d: conv2d,
    ScaleShift: scale_shift,
    Relu: _relu,
    Add: _add,
    Sub: _pair("flow_sub.h", "sub"),
    Mul: _pair("flow_mul.h", "mul"),
    Table: _table,
    Lookup: _lookup,
    LutDense: _lut_dense,
    MatMul: _matmul,
    MaxPool2d: _max_pool,
    AvgPool2d: _avg_pool,
    ReduceMax: _reduction("reduce_max"),
    ReduceSum: _reduction("reduce_sum"),
    Pad: pad,
    Upsample: upsample,
    Concat: moves.concat,
    Slice: moves.view,
    Transpose: moves.view,
    Requantize: _requantize,
    RequantizeEach: _requantize_each,
    RequantizeMinifloat: _requantize_minifloat,
    ArgMax: _argmax,
    Softmax: _softmax,
}


def calls(node: Node, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> tuple[Call, ...]:
    """The templates that compute `node` one after another, most often one.

    Args:
        node: any operator but Input and those of wiring.WIRES.
        operands: types of its inputs.
        result: its type.
        choice: what the user chose for the layer.
    """
    made = _CALLS[type(node)](node, operands, result, choice)
    return made if isinstance(made, tuple) else (made,)


def result_type(node: Node, result: Value) -> str:
    """The C++ type of a node's value: only that of Requantize has modes, every other result is exact."""
    if isinstance(node, Requantize):
        return fixed_type(node.format, AP_ROUNDING[node.rounding], AP_OVERFLOW[node.overflow])
    return fixed_type(result.format)
