"""What each operator computes, as a formula on a batch that is made from the operator's constants.

The arrays of one formula have one number type, its carrier: int64, or a float type of which `flow.ir.plan` proves that
it holds every number on the way. One formula serves all of them; only casts round in their own way in floats,
and a softmax works on integers whatever carries them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

import numpy as np

from flow.ir.carriers import Carrier, Codes, Formula, Types, lifted, reused
from flow.ir.cast_formulas import requantize, requantize_each, requantize_minifloat
from flow.ir.ops import (
    Add,
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
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

__all__ = ["FORMULAS", "FRESH", "IN_PLACE"]


def _per_channel(codes: Codes, types: Types, carrier: Carrier) -> Codes:
    """int64[C] to broadcast along the channel axis of a batch of values like the input."""
    return codes.astype(carrier).reshape(-1, *([1] * (len(types[0].shape) - 1)))


def _dense(node: Dense, types: Types, carrier: Carrier) -> Formula:
    weight = lifted(np.ascontiguousarray(node.weight.codes.T, dtype=carrier), node.product_shift(types[0]))
    bias = node.bias_codes(types[0]).astype(carrier)
    results = reused(node.weight.shape[:1], carrier)

    def formula(x: Codes) -> Codes:
        sums: Codes = np.matmul(x, weight, out=results(len(x)))
        sums += bias
        return sums

    return formula


def _padded(shape: tuple[int, ...], padding: tuple[int, int], carrier: Carrier) -> Formula:
    """Zeros around the images [N, *shape]; nothing writes to the border, so that it stays zero."""
    (c, h, w), (ph, pw) = shape, padding
    results = reused((c, h + 2 * ph, w + 2 * pw), carrier)

    def formula(x: Codes) -> Codes:
        if not any(padding):
            return x
        padded = results(len(x))
        padded[:, :, ph : ph + h, pw : pw + w] = x
        return padded

    return formula


def _conv2d(node: Conv2d, types: Types, carrier: Carrier) -> Formula:
    groups, (out, *window), (_, h, w) = node.groups, node.weight.shape, node.infer(*types).shape
    fan = math.prod(window)
    kernels = node.weight.codes.reshape(groups, out // groups, fan).astype(carrier)
    weight = lifted(kernels, node.product_shift(types[0]))
    bias = _per_channel(node.bias_codes(types[0]), types, carrier)
    padded, (sh, sw) = _padded(types[0].shape, node.padding, carrier), node.stride
    windows = reused((types[0].shape[0], *node.kernel, h, w), carrier)
    results = reused((groups, out // groups, h * w), carrier)

    def formula(x: Codes) -> Codes:
        places = np.lib.stride_tricks.sliding_window_view(padded(x), node.kernel, axis=(2, 3))[:, :, ::sh, ::sw]
        columns = windows(len(x))
        columns[:] = places.transpose(0, 1, 4, 5, 2, 3)
        sums = np.matmul(weight, columns.reshape(-1, groups, fan, h * w), out=results(len(x))).reshape(-1, out, h, w)
        sums += bias
        return sums

    return formula


def _scale_shift(node: ScaleShift, types: Types, carrier: Carrier) -> Formula:
    scale = lifted(_per_channel(node.scale.codes, types, carrier), node.product_shift(types[0]))
    shift = _per_channel(node.shift_codes(types[0]), types, carrier)

    def formula(x: Codes) -> Codes:
        x *= scale
        x += shift
        return x

    return formula


def _lifts(types: Types) -> list[int]:
    """How far each input moves left to the common binary point."""
    frac = max(value.format.frac for value in types)
    return [frac - value.format.frac for value in types]


def _add(node: Add, types: Types, carrier: Carrier) -> Formula:
    left, right = _lifts(types)
    return lambda a, b: lifted(a, left) + lifted(b, right)


def _sub(node: Sub, types: Types, carrier: Carrier) -> Formula:
    left, right = _lifts(types)
    return lambda a, b: lifted(a, left) - lifted(b, right)


def _mul(node: Mul, types: Types, carrier: Carrier) -> Formula:
    return lambda a, b: a * b


def _table(node: Table, types: Types, carrier: Carrier) -> Formula:
    entries = node.entries.codes.astype(carrier)
    return lambda x: entries[x.astype(np.int64) - node.first]


def _lookup(node: Lookup, types: Types, carrier: Carrier) -> Formula:
    rows = node.rows.codes.astype(carrier)
    return lambda x: rows[x.astype(np.int64)]


def _lut_dense(node: LutDense, types: Types, carrier: Carrier) -> Formula:
    entries = np.ascontiguousarray(node.tables.codes.transpose(1, 2, 0), dtype=carrier)  # a row for every output

    def formula(x: Codes) -> Codes:
        places = node.addresses(x.astype(np.int64))
        return reduce(np.add, (rows[places[..., i]] for i, rows in enumerate(entries)))

    return formula


def _matmul(node: MatMul, types: Types, carrier: Carrier) -> Formula:
    results = reused(node.infer(*types).shape, carrier)

    def formula(a: Codes, b: Codes) -> Codes:
        product: Codes = np.matmul(a, b, out=results(len(a)))
        return product

    return formula


def _relu(node: Relu, types: Types, carrier: Carrier) -> Formula:
    highest = types[0].magnitude  # which stops nothing; numpy clips three times as fast as it takes a maximum
    return lambda x: np.clip(x, 0, highest, out=x)


def _pooled(node: MaxPool2d | AvgPool2d, types: Types, x: Codes, join: Callable[[Codes, Codes], Codes]) -> Codes:
    """Every place of the window in turn, joined with those before."""
    (kh, kw), (sh, sw) = node.kernel, node.stride
    h, w = node.window_shape(types[0])[1:]
    places = [x[:, :, i : i + sh * h : sh, j : j + sw * w : sw] for i in range(kh) for j in range(kw)]
    return reduce(join, places)


def _max_pool(node: MaxPool2d, types: Types, carrier: Carrier) -> Formula:
    return lambda x: _pooled(node, types, x, np.maximum)


def _avg_pool(node: AvgPool2d, types: Types, carrier: Carrier) -> Formula:
    scale = node.scale.codes.astype(carrier)
    return lambda x: _pooled(node, types, x, np.add) * scale


def _flatten(node: Flatten, types: Types, carrier: Carrier) -> Formula:
    return lambda x: x.reshape(x.shape[0], types[0].size)


def _reshape(node: Reshape, types: Types, carrier: Carrier) -> Formula:
    return lambda x: x.reshape(x.shape[0], *node.shape)


def _concat(node: Concat, types: Types, carrier: Carrier) -> Formula:
    lifts = _lifts(types)
    return lambda *parts: np.concatenate(list(map(lifted, parts, lifts)), axis=node.axis + 1)


def _slice(node: Slice, types: Types, carrier: Carrier) -> Formula:
    picked = (slice(None), *map(slice, node.starts, node.stops, node.steps))
    return lambda x: x[picked]


def _transpose(node: Transpose, types: Types, carrier: Carrier) -> Formula:
    order = (0, *(axis + 1 for axis in node.order))
    return lambda x: x.transpose(order)


def _pad(node: Pad, types: Types, carrier: Carrier) -> Formula:
    (kept, placed), shape = node.places(types[0].shape), node.infer(*types).shape

    def formula(x: Codes) -> Codes:
        padded = np.zeros((len(x), *shape), carrier)
        padded[(slice(None), *placed)] = x[(slice(None), *kept)]
        return padded

    return formula


def _upsample(node: Upsample, types: Types, carrier: Carrier) -> Formula:
    def formula(x: Codes) -> Codes:
        for axis, factor in enumerate(node.factors, start=1):
            x = x.repeat(factor, axis=axis)
        return x

    return formula


def _reduce_max(node: ReduceMax, types: Types, carrier: Carrier) -> Formula:
    return lambda x: x.max(axis=node.axis + 1, keepdims=True)


def _reduce_sum(node: ReduceSum, types: Types, carrier: Carrier) -> Formula:
    return lambda x: x.sum(axis=node.axis + 1, keepdims=True)


def _softmax(node: Softmax, types: Types, carrier: Carrier) -> Formula:
    held = node.arithmetic(types[0])

    def formula(x: Codes) -> Codes:
        rows = held(np.moveaxis(x, node.axis + 1, -1))
        return np.moveaxis(rows, -1, node.axis + 1).astype(carrier)

    return formula


def _argmax(node: ArgMax, types: Types, carrier: Carrier) -> Formula:
    return lambda x: x.argmax(axis=1)[:, None].astype(carrier)


FORMULAS: dict[type[Node], Callable[..., Formula]] = {
    Dense: _dense,
    Conv2d: _conv2d,
    ScaleShift: _scale_shift,
    Relu: _relu,
    Add: _add,
    MaxPool2d: _max_pool,
    AvgPool2d: _avg_pool,
    Flatten: _flatten,
    Sub: _sub,
    Mul: _mul,
    Table: _table,
    Lookup: _lookup,
    LutDense: _lut_dense,
    MatMul: _matmul,
    Reshape: _reshape,
    Concat: _concat,
    Slice: _slice,
    Transpose: _transpose,
    Pad: _pad,
    Upsample: _upsample,
    ReduceMax: _reduce_max,
    ReduceSum: _reduce_sum,
    Requantize: requantize,
    RequantizeEach: requantize_each,
    RequantizeMinifloat: requantize_minifloat,
    ArgMax: _argmax,
    Softmax: _softmax,
}

# These may overwrite their input; whoever calls them hands over an array that nobody else reads.
IN_PLACE: frozenset[type[Node]] = frozenset({Relu, ScaleShift, Requantize, RequantizeEach})
# What these return shares no memory with anything else; the others may return a view of an input.
FRESH: frozenset[type[Node]] = IN_PLACE | {Dense, Conv2d, MatMul}
