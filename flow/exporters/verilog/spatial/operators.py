"""What each operator of the graph is in words: one code of the result after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import ExportError
from flow.exporters.verilog.spatial.products import product
from flow.exporters.verilog.spatial.softmax import shares
from flow.exporters.verilog.spatial.truth_tables import lut_dense
from flow.exporters.verilog.spatial.words import Unit, Word
from flow.formats import FixedPoint, FloatRounding, Overflow, Rounding
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Conv2d,
    Dense,
    Lookup,
    LutDense,
    MatMul,
    MaxPool2d,
    Mul,
    Node,
    ReduceMax,
    ReduceSum,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    ScaleShift,
    Softmax,
    Sub,
    Table,
    Value,
)

__all__ = ["OPERATORS"]

Words = list[Word]
Types = tuple[Value, ...]

# Order of the modes in rtl/flow_pkg.sv.
_ROUNDINGS = {mode: place for place, mode in enumerate(Rounding)}
_OVERFLOWS = {mode: place for place, mode in enumerate(Overflow)}
# Order of the modes in rtl/flow_minifloat_encode.sv, and the same modes where all numbers are as far apart.
_FLOAT_ROUNDINGS = {mode: place for place, mode in enumerate(FloatRounding)}
_FIXED_ROUNDINGS = {
    FloatRounding.NEAREST_EVEN: Rounding.RND_CONV,
    FloatRounding.NEAREST_AWAY: Rounding.RND_INF,
    FloatRounding.TOWARD_ZERO: Rounding.TRN_ZERO,
    FloatRounding.DOWN: Rounding.TRN,
}
_EXPONENT_BITS = 5  # at most, in rtl/flow_minifloat_encode.sv
_FEW = 64  # codes that a table of one LUT6 a bit serves


def _dense(unit: Unit, node: Dense, types: Types, x: Words) -> Words:
    shift, bias = node.product_shift(types[0]), node.bias_codes(types[0])
    sums = product(unit, x, node.weight.codes.T, shared=unit.shared.get(node.name, ()))
    return [unit.plus(unit.lift(word, shift), int(b)) for word, b in zip(sums, bias.tolist(), strict=True)]


def _conv2d(unit: Unit, node: Conv2d, types: Types, x: Words) -> Words:
    """One position: `x` is the window, channel by channel."""
    shift, bias = node.product_shift(types[0]), node.bias_codes(types[0]).tolist()
    outputs = node.weight.shape[0] // node.groups
    windows = np.array(x, dtype=object).reshape(node.groups, -1)
    kernels = node.weight.codes.reshape(node.groups, outputs, -1)
    sums = [word for window, kernel in zip(windows, kernels, strict=True) for word in product(unit, window, kernel.T)]
    return [unit.plus(unit.lift(word, shift), int(b)) for word, b in zip(sums, bias, strict=True)]


def _scale_shift(unit: Unit, node: ScaleShift, types: Types, x: Words) -> Words:
    """Channels come first, and as many positions of each as there are words."""
    lift, count = node.product_shift(types[0]), len(x) // len(node.scale.codes)
    found: Words = []
    for channel, (scale, shift) in enumerate(
        zip(node.scale.codes.tolist(), node.shift_codes(types[0]).tolist(), strict=True)
    ):
        for word in x[channel * count : (channel + 1) * count]:
            (times,) = product(unit, [word], np.array([[scale]]))
            found.append(unit.plus(unit.lift(times, lift), shift))
    return found


def _relu(unit: Unit, node: Relu, types: Types, x: Words) -> Words:
    return [unit.relu(word) for word in x]


def _cast(unit: Unit, word: Word, node: Requantize, frac: int) -> Word:
    drop, form = frac - node.format.frac, node.format
    if node.overflow is Overflow.SAT or (node.overflow is Overflow.SAT_SYM and not form.signed):
        finish = unit.saturated
    elif node.overflow is Overflow.WRAP:
        finish = unit.wrapped
    else:
        return _cell(unit, word, node, frac)
    if node.rounding is Rounding.TRN or drop <= 0:
        return finish(unit.down(word, drop), form)
    if node.rounding is Rounding.RND:
        return finish(unit.half_up(word, drop), form)
    return _cell(unit, word, node, frac)


def _cell(unit: Unit, word: Word, node: Requantize, frac: int) -> Word:
    result = node.infer(Value((1,), replace(word.form, frac=frac), word.low, word.high))
    modes = _ROUNDINGS[node.rounding], _OVERFLOWS[node.overflow]
    return unit.cell(word, frac - node.format.frac, node.format, modes, (result.low, result.high))


def _requantize(unit: Unit, node: Requantize, types: Types, x: Words) -> Words:
    return [_cast(unit, word, node, types[0].format.frac) for word in x]


def _requantize_each(unit: Unit, node: RequantizeEach, types: Types, x: Words) -> Words:
    """Of the whole value, or of one position of every channel."""
    found, shape = [unit.constant(0)] * len(x), types[0].shape
    if len(x) < types[0].size:
        shape = (len(x), *node.fracs.shape[1:])
    for form in node.formats():
        for place in np.flatnonzero(np.broadcast_to(node.places(form), shape)):
            word = _cast(unit, x[place], node.cast_to(form), types[0].format.frac)
            found[place] = unit.lift(word, node.frac - form.frac)
    return found


def _requantize_minifloat(unit: Unit, node: RequantizeMinifloat, types: Types, x: Words) -> Words:
    frac = types[0].format.frac
    return [_minifloat(unit, word, node, frac) for word in x]


def _minifloat(unit: Unit, word: Word, node: RequantizeMinifloat, frac: int) -> Word:
    """A table of what few codes become, an encoder and a decoder else."""
    form = node.minifloat
    if word.high - word.low < _FEW:
        return unit.entry(word, node.of(np.arange(word.low, word.high + 1), frac).tolist(), word.low)
    if not form.exponent:
        return _without_exponent(unit, word, node, frac)
    if form.exponent > _EXPONENT_BITS:
        raise ExportError(
            f"The minifloats of a spatial design have at most {_EXPONENT_BITS} exponent bits, but those of node "
            f"{node.name!r} are {form}; take fewer, or export this design with --to hls."
        )
    low, high = node.of(np.array([word.low, word.high], dtype=object), frac).tolist()
    fields = (form.exponent, form.mantissa, int(form.signed))
    return unit.minifloat(word, frac - form.frac, fields, _FLOAT_ROUNDINGS[node.rounding], form.highest_code, low, high)


def _without_exponent(unit: Unit, word: Word, node: RequantizeMinifloat, frac: int) -> Word:
    """A minifloat of mantissa bits only: integers up to the highest, whatever the sign."""
    form, drop = node.minifloat, frac - node.minifloat.frac
    ends = FixedPoint(form.mantissa + form.signed, form.frac, form.signed)
    up = node.rounding is FloatRounding.UP
    if up:  # minus the floor of minus
        word = unit.less(0, unit.down(unit.less(0, word), drop))
    rounding = Rounding.TRN if up else _FIXED_ROUNDINGS[node.rounding]
    whole = Requantize(name=node.name, format=ends, rounding=rounding, overflow=Overflow.SAT_SYM)
    cast = _cell(unit, word, whole, form.frac if up else frac)
    highest = form.highest_integer
    if highest == ends.high:
        return cast
    top = unit.less(0, unit.larger(unit.less(0, cast), unit.constant(-highest)))  # the least of both
    return unit.larger(top, unit.constant(-highest)) if form.signed else top


def _aligned(unit: Unit, types: Types, a: Words, b: Words, minus: bool) -> Words:
    frac = max(value.format.frac for value in types)
    lifts = [frac - value.format.frac for value in types]
    return [unit.sum(left, right, *lifts, minus) for left, right in zip(a, b, strict=True)]


def _add(unit: Unit, node: Add, types: Types, a: Words, b: Words) -> Words:
    return _aligned(unit, types, a, b, minus=False)


def _sub(unit: Unit, node: Sub, types: Types, a: Words, b: Words) -> Words:
    shape = node.result_shape(*types)
    left, right = (_spread(words, value, shape) for words, value in zip((a, b), types, strict=True))
    return _aligned(unit, types, left, right, minus=True)


def _spread(words: Words, value: Value, shape: tuple[int, ...]) -> Words:
    """Each code for every place that it stands for."""
    found: Words = np.broadcast_to(np.array(words, dtype=object).reshape(value.shape), shape).ravel().tolist()
    return found


def _mul(unit: Unit, node: Mul, types: Types, a: Words, b: Words) -> Words:
    shape = node.result_shape(*types)
    sides = [_spread(words, value, shape) for words, value in zip((a, b), types, strict=True)]
    return [_times(unit, left, right) for left, right in zip(*sides, strict=True)]


def _times(unit: Unit, a: Word, b: Word) -> Word:
    """A constant side is shifts and additions."""
    if unit.is_constant(a):
        a, b = b, a
    if unit.is_constant(b):
        return product(unit, [a], np.array([[b.low]]))[0]
    return unit.times(a, b)


def _matmul(unit: Unit, node: MatMul, types: Types, a: Words, b: Words) -> Words:
    """Each row times each column, for every place of the axes in front."""
    (*front, rows, terms), columns = types[0].shape, types[1].shape[-1]
    count = math.prod(front)
    left = np.array(a, dtype=object).reshape(count, rows, 1, terms)
    right = np.array(b, dtype=object).reshape(count, terms, columns).transpose(0, 2, 1)[:, None]
    shape = (count, rows, columns, terms)
    sides = (np.broadcast_to(side, shape).reshape(-1, terms).tolist() for side in (left, right))
    return [
        _tree([_times(unit, x, y) for x, y in zip(row, column, strict=True)], unit.sum)
        for row, column in zip(*sides, strict=True)
    ]


def _lookup(unit: Unit, node: Lookup, types: Types, x: Words) -> Words:
    """A table for each number of a row."""
    columns = node.rows.codes.T.tolist()
    return [unit.entry(word, column, 0) for word in x for column in columns]


def _table(unit: Unit, node: Table, types: Types, x: Words) -> Words:
    return [unit.entry(word, node.entries.codes.tolist(), node.first) for word in x]


def _windows(node: Any, value: Value, x: Words) -> NDArray[Any]:
    """object[places, kernel size], channel by channel and row by row."""
    image = np.array(x, dtype=object).reshape(value.shape)
    view = np.lib.stride_tricks.sliding_window_view(image, node.kernel, axis=(1, 2))
    view = view[:, :: node.stride[0], :: node.stride[1]]
    return view.reshape(-1, math.prod(node.kernel))


def _tree(words: Sequence[Any], join: Callable[[Any, Any], Any]) -> Any:
    """All words joined two by two, in their order."""
    rest = list(words)
    while len(rest) > 1:
        pairs = [join(a, b) for a, b in zip(rest[::2], rest[1::2], strict=False)]
        rest = pairs + (rest[-1:] if len(rest) % 2 else [])
    return rest[0]


def _max_pool(unit: Unit, node: MaxPool2d, types: Types, x: Words) -> Words:
    return [_tree(window, unit.larger) for window in _windows(node, types[0], x)]


def _avg_pool(unit: Unit, node: AvgPool2d, types: Types, x: Words) -> Words:
    scale = int(node.scale.codes)
    found: Words = []
    for window in _windows(node, types[0], x):
        (times,) = product(unit, [_tree(window, unit.sum)], np.array([[scale]]))
        found.append(times)
    return found


def _along(node: ReduceMax | ReduceSum | Softmax, value: Value, x: Words) -> list[Words]:
    """The codes that each result is made of, results in row-major order."""
    words = np.moveaxis(np.array(x, dtype=object).reshape(value.shape), node.axis, -1)
    found: list[Words] = words.reshape(-1, value.shape[node.axis]).tolist()
    return found


def _reduce_max(unit: Unit, node: ReduceMax, types: Types, x: Words) -> Words:
    return [_tree(words, unit.larger) for words in _along(node, types[0], x)]


def _reduce_sum(unit: Unit, node: ReduceSum, types: Types, x: Words) -> Words:
    return [_tree(words, unit.sum) for words in _along(node, types[0], x)]


def _softmax(unit: Unit, node: Softmax, types: Types, x: Words) -> Words:
    (value,), length = types, node.length(types[0])
    rows = [shares(unit, node, value, row) for row in _along(node, value, x)]
    lines = (*value.shape[: node.axis], *value.shape[node.axis + 1 :], length)
    held = np.moveaxis(np.array(rows, dtype=object).reshape(lines), -1, node.axis)
    found: Words = held.reshape(-1).tolist()
    return found


def _argmax(unit: Unit, node: ArgMax, types: Types, x: Words) -> Words:
    def join(a: tuple[Word, Word], b: tuple[Word, Word]) -> tuple[Word, Word]:
        later = unit.above(b[0], a[0])  # the first of equal ones stays
        return unit.larger(a[0], b[0]), unit.chosen(later, b[1], a[1])

    return [_tree([(word, unit.constant(place)) for place, word in enumerate(x)], join)[1]]


OPERATORS: dict[type[Node], Callable[..., Words]] = {
    Dense: _dense,
    Conv2d: _conv2d,
    ScaleShift: _scale_shift,
    Relu: _relu,
    Requantize: _requantize,
    RequantizeEach: _requantize_each,
    Add: _add,
    Sub: _sub,
    Table: _table,
    Lookup: _lookup,
    LutDense: lut_dense,
    MatMul: _matmul,
    Mul: _mul,
    ReduceMax: _reduce_max,
    ReduceSum: _reduce_sum,
    RequantizeMinifloat: _requantize_minifloat,
    MaxPool2d: _max_pool,
    AvgPool2d: _avg_pool,
    ArgMax: _argmax,
    Softmax: _softmax,
}
