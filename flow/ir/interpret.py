"""The integer interpreter: the single arbiter that every backend and every pass must equal exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError, GraphError
from flow.formats import cast, encode_minifloat
from flow.ir.graph import Graph
from flow.ir.ops import (
    Add,
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Input,
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
    Sub,
    Table,
    Upsample,
)
from flow.ir.value import Value

__all__ = ["interpret", "trace"]

Codes = NDArray[Any]
_DOUBLE, _INT64 = 53, 62
_BATCH = 512


def _matmul(x: Codes, weight: Codes, bound: int) -> Codes:
    """`x @ weight` for int64[..., K] and int64[..., K, O]; `bound` proves that double precision loses nothing.

    A product of integers below 2**53 whose every partial sum stays below 2**53 is exact in float64 in any order of
    addition, and float64 has a fast matrix product where int64 has none.
    """
    if bound.bit_length() <= _DOUBLE:
        product: Codes = (x.astype(np.float64) @ weight.astype(np.float64)).astype(np.int64)
        return product
    return x @ weight


def _per_channel(codes: Codes, ndim: int) -> Codes:
    """int64[C] shaped to broadcast along the channel axis of a batch with `ndim` axes."""
    return codes.reshape(1, -1, *([1] * (ndim - 2)))


def _dense(node: Dense, types: tuple[Value, ...], x: Codes) -> Codes:
    sums = _matmul(x, node.weight.codes.T, node.partial_bound(types[0]))
    return (sums << node.product_shift(types[0])) + node.bias_codes(types[0])


def _windows(x: Codes, kernel: tuple[int, int], stride: tuple[int, int]) -> Codes:
    """int64[N, C, H, W] as int64[N, C, H', W', kh, kw], a view."""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1]]


def _conv2d(node: Conv2d, types: tuple[Value, ...], x: Codes) -> Codes:
    (ph, pw), groups = node.padding, node.groups
    windows = _windows(np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))), node.kernel, node.stride)
    n, c, h, w = windows.shape[:4]
    grouped = windows.reshape(n, groups, c // groups, h, w, *node.kernel).transpose(0, 1, 3, 4, 2, 5, 6)
    columns = grouped.reshape(n, groups, h * w, math.prod(node.weight.shape[1:]))
    weight = node.weight.codes.reshape(groups, node.weight.shape[0] // groups, -1).transpose(0, 2, 1)
    sums = _matmul(columns, weight, node.partial_bound(types[0]))
    planes = sums.transpose(0, 1, 3, 2).reshape(n, node.weight.shape[0], h, w)
    return (planes << node.product_shift(types[0])) + _per_channel(node.bias_codes(types[0]), 4)


def _scale_shift(node: ScaleShift, types: tuple[Value, ...], x: Codes) -> Codes:
    product = x * _per_channel(node.scale.codes, x.ndim) << node.product_shift(types[0])
    return product + _per_channel(node.shift_codes(types[0]), x.ndim)


def _add(node: Add, types: tuple[Value, ...], a: Codes, b: Codes) -> Codes:
    frac = max(value.format.frac for value in types)
    return (a << (frac - types[0].format.frac)) + (b << (frac - types[1].format.frac))


def _sub(node: Sub, types: tuple[Value, ...], a: Codes, b: Codes) -> Codes:
    frac = max(value.format.frac for value in types)
    return (a << (frac - types[0].format.frac)) - (b << (frac - types[1].format.frac))


def _mul(node: Mul, types: tuple[Value, ...], a: Codes, b: Codes) -> Codes:
    return a * b


def _table(node: Table, types: tuple[Value, ...], x: Codes) -> Codes:
    found: Codes = node.entries.codes[x - node.first]
    return found


def _relu(node: Relu, types: tuple[Value, ...], x: Codes) -> Codes:
    positive: Codes = np.maximum(x, 0)
    return positive


def _max_pool(node: MaxPool2d, types: tuple[Value, ...], x: Codes) -> Codes:
    highest: Codes = _windows(x, node.kernel, node.stride).max(axis=(4, 5))
    return highest


def _avg_pool(node: AvgPool2d, types: tuple[Value, ...], x: Codes) -> Codes:
    scaled: Codes = _windows(x, node.kernel, node.stride).sum(axis=(4, 5)) * node.scale.codes
    return scaled


def _flatten(node: Flatten, types: tuple[Value, ...], x: Codes) -> Codes:
    return x.reshape(x.shape[0], types[0].size)


def _reshape(node: Reshape, types: tuple[Value, ...], x: Codes) -> Codes:
    return x.reshape(x.shape[0], *node.shape)


def _concat(node: Concat, types: tuple[Value, ...], *parts: Codes) -> Codes:
    frac = max(value.format.frac for value in types)
    lifted = [part << (frac - value.format.frac) for part, value in zip(parts, types, strict=True)]
    return np.concatenate(lifted, axis=node.axis + 1)


def _pad(node: Pad, types: tuple[Value, ...], x: Codes) -> Codes:
    kept, placed = node.places(types[0].shape)
    padded = np.zeros((len(x), *node.infer(*types).shape), dtype=np.int64)
    padded[(slice(None), *placed)] = x[(slice(None), *kept)]
    return padded


def _upsample(node: Upsample, types: tuple[Value, ...], x: Codes) -> Codes:
    for axis, factor in enumerate(node.factors, start=1):
        x = x.repeat(factor, axis=axis)
    return x


def _reduce_max(node: ReduceMax, types: tuple[Value, ...], x: Codes) -> Codes:
    highest: Codes = x.max(axis=node.axis + 1, keepdims=True)
    return highest


def _reduce_sum(node: ReduceSum, types: tuple[Value, ...], x: Codes) -> Codes:
    total: Codes = x.sum(axis=node.axis + 1, keepdims=True)
    return total


def _requantize(node: Requantize, types: tuple[Value, ...], x: Codes) -> Codes:
    return cast(x, types[0].format.frac, node.format, node.rounding, node.overflow)


def _requantize_each(node: RequantizeEach, types: tuple[Value, ...], x: Codes) -> Codes:
    result, shape = np.zeros_like(x), x.shape[1:]
    for form in node.formats():
        where = np.broadcast_to(node.places(form), shape)
        result[:, where] = _requantize(node.cast_to(form), types, x[:, where]) << (node.frac - form.frac)
    return result


def _requantize_minifloat(node: RequantizeMinifloat, types: tuple[Value, ...], x: Codes) -> Codes:
    (value,) = types
    if value.format.width > _DOUBLE:
        return node.of(x, value.format.frac)
    return node.minifloat.integers(encode_minifloat(np.ldexp(x, -value.format.frac), node.minifloat, node.rounding))


def _argmax(node: ArgMax, types: tuple[Value, ...], x: Codes) -> Codes:
    first: Codes = x.argmax(axis=1).astype(np.int64)[:, None]
    return first


_CASES: dict[type[Node], Callable[..., Codes]] = {
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
    Reshape: _reshape,
    Concat: _concat,
    Pad: _pad,
    Upsample: _upsample,
    ReduceMax: _reduce_max,
    ReduceSum: _reduce_sum,
    Requantize: _requantize,
    RequantizeEach: _requantize_each,
    RequantizeMinifloat: _requantize_minifloat,
    ArgMax: _argmax,
}


def _checked_input(graph: Graph, codes: NDArray[Any]) -> Codes:
    node, value = graph.input, graph.values[graph.input.name]
    if codes.shape[1:] != node.shape:
        raise DataError(f"Input {node.name!r} takes codes of shape (N, *{node.shape}), not {codes.shape}.")
    if not np.issubdtype(codes.dtype, np.integer):
        raise DataError(f"Input {node.name!r} takes integer codes, not {codes.dtype}; encode() the values first.")
    if codes.size and not value.format.holds(int(codes.min()), int(codes.max())):
        raise DataError(f"Input {node.name!r} takes codes of {value.format}, not [{codes.min()}, {codes.max()}].")
    return codes.astype(np.int64)


def _check_width(graph: Graph) -> None:
    for name, value in graph.values.items():
        if value.format.width > _INT64:
            raise GraphError(f"Value {name!r} needs {value.format.width} bits; the interpreter holds {_INT64} at most.")


def _evaluate(graph: Graph, codes: Codes) -> dict[str, Codes]:
    done = {graph.input.name: codes}
    for node in graph.nodes:
        if not isinstance(node, Input):
            arguments = (done[name] for name in node.inputs)
            done[node.name] = _CASES[type(node)](node, graph.operands(node), *arguments)
    return done


def trace(graph: Graph, codes: NDArray[Any]) -> dict[str, Codes]:
    """Every value of the graph for a batch of inputs.

    Args:
        graph: with one input.
        codes: int64[N, *shape] codes of the input's format.

    Returns:
        int64[N, *shape] codes of every node by name.

    Raises:
        DataError: `codes` has another shape, is not integer, or leaves the input's format.
        GraphError: a value is wider than 62 bits.
    """
    _check_width(graph)
    checked = _checked_input(graph, codes)
    parts = [_evaluate(graph, checked[i : i + _BATCH]) for i in range(0, max(len(checked), 1), _BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def interpret(graph: Graph, codes: NDArray[Any]) -> tuple[Codes, ...]:
    """The outputs of the graph, in the order of `graph.outputs`; arguments and errors as in `trace`."""
    values = trace(graph, codes)
    return tuple(values[name] for name in graph.outputs)
