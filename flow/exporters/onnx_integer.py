"""Integer ONNX: int64 codes in, int64 codes out, exact in any runtime that has the standard operators.

Sums of products run in floating point where the graph's ranges prove that nothing can be rounded: `partial_bound`
bounds every partial sum in whatever order a kernel adds, and integers up to 2**24 (2**53) are exact in float32
(float64). Conv and MatMul of ONNX Runtime's CPU provider add plain products in some order, which is all the proof asks.
The result is cast back at once, so that no optimiser can move a further operation into the float part.
Everything else is int64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from flow.errors import ExportError
from flow.exporters import onnx_moves
from flow.exporters.onnx_builder import Builder
from flow.exporters.onnx_cast import lift, requantize, requantize_each
from flow.exporters.onnx_minifloat import look_up, requantize_minifloat
from flow.exporters.onnx_softmax import softmax
from flow.exporters.onnx_spatial import pad
from flow.exporters.writer import Files
from flow.formats import INT64_BITS
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
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
    Value,
)
from flow.ir.ops import pooled_shape

__all__ = ["HANDLERS", "MODEL", "export_onnx", "traced"]

MODEL = "model.onnx"
_SINGLE, _DOUBLE = 1 << 24, 1 << 53
_DOC = "int64 codes; a value is code * 2**-frac with the format in its doc string"

Types = tuple[Value, ...]


def _number(bound: int) -> type[np.generic]:
    """The fastest number type in which sums of integers up to `bound` are exact."""
    if bound <= _SINGLE:
        return np.float32
    return np.float64 if bound <= _DOUBLE else np.int64


def _cast(b: Builder, x: str, number: type[np.generic]) -> str:
    return b.op("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(number)))


def _lifted_weight(node: Linear, value: Value) -> NDArray[np.int64]:
    """The weight moved to the result's binary point: `partial_bound` counts it there."""
    return node.weight.codes << node.product_shift(value)


def _operand(b: Builder, side: str | NDArray[np.int64], number: type[np.generic]) -> str | NDArray[Any]:
    """A value cast to `number`, where it is not int64 already, or a constant converted."""
    if not isinstance(side, str):
        return side.astype(number)
    return side if number is np.int64 else _cast(b, side, number)


def _matmul(b: Builder, left: str | NDArray[np.int64], right: str | NDArray[np.int64], bound: int) -> str:
    """The int64 product of values or constants, in the fastest type that is exact for sums up to `bound`."""
    number = _number(bound)
    product = b.op("MatMul", _operand(b, left, number), _operand(b, right, number))
    return product if number is np.int64 else _cast(b, product, np.int64)


def _biased(b: Builder, sums: str, node: Linear, value: Value, shape: tuple[int, ...]) -> str:
    return sums if node.bias is None else b.op("Add", sums, node.bias_codes(value).reshape(shape))


def _dense(b: Builder, node: Dense, types: Types, x: str) -> str:
    weight = np.ascontiguousarray(_lifted_weight(node, types[0]).T)
    return _biased(b, _matmul(b, x, weight, node.partial_bound(types[0])), node, types[0], (-1,))


def _float_conv(b: Builder, node: Conv2d, types: Types, x: str) -> str:
    constants = [_lifted_weight(node, types[0]).astype(np.float32)]
    if node.bias is not None:
        constants.append(node.bias_codes(types[0]).astype(np.float32))
    sums = b.op(
        "Conv", _cast(b, x, np.float32), *constants, kernel_shape=node.kernel, strides=node.stride,
        pads=[*node.padding, *node.padding], dilations=(1, 1), group=node.groups,
    )  # fmt: skip
    return _cast(b, sums, np.int64)


def _columns(
    b: Builder, x: str, shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int]
) -> tuple[str, tuple[int, int]]:
    """int64[N, C, H, W] as int64[N, C, kh*kw, H'*W'], and (H', W')."""
    channels, height, width = shape
    grid = np.arange(height * width).reshape(height, width)
    windows = np.lib.stride_tricks.sliding_window_view(grid, kernel)[:: stride[0], :: stride[1]]
    index = windows.reshape(-1, kernel[0] * kernel[1]).T
    flat = b.op("Reshape", x, np.array([0, channels, height * width]))
    return b.op("Gather", flat, index, axis=2), pooled_shape(shape, kernel, stride)


def _integer_conv(b: Builder, node: Conv2d, types: Types, x: str) -> str:
    (value,), (ph, pw), groups = types, node.padding, node.groups
    channels, height, width = value.shape
    if ph or pw:
        x = b.op("Pad", x, np.array([0, 0, ph, pw, 0, 0, ph, pw]))
    columns, (rows, lines) = _columns(b, x, (channels, height + 2 * ph, width + 2 * pw), node.kernel, node.stride)
    weight = _lifted_weight(node, value).reshape(groups, node.weight.shape[0] // groups, -1)
    grouped = b.op("Reshape", columns, np.array([0, groups, weight.shape[2], rows * lines]))
    sums = _matmul(b, weight, grouped, node.partial_bound(value))
    planes = b.op("Reshape", sums, np.array([0, node.weight.shape[0], rows, lines]))
    return _biased(b, planes, node, value, (-1, 1, 1))


def _conv2d(b: Builder, node: Conv2d, types: Types, x: str) -> str:
    # Stock runtimes have Conv in float32 only; wider sums become a matrix product over gathered windows.
    exact = node.partial_bound(types[0]) <= _SINGLE
    return (_float_conv if exact else _integer_conv)(b, node, types, x)


def _scale_shift(b: Builder, node: ScaleShift, types: Types, x: str) -> str:
    shape = (-1, *[1] * (len(types[0].shape) - 1))
    scale = node.scale.codes << node.product_shift(types[0])
    return b.op("Add", b.op("Mul", x, scale.reshape(shape)), node.shift_codes(types[0]).reshape(shape))


def _aligned(b: Builder, types: Types, *sides: str) -> list[str]:
    """The operands at the finest of their binary points."""
    frac = max(value.format.frac for value in types)
    return [lift(b, x, frac - v.format.frac) for x, v in zip(sides, types, strict=True)]


def _add(b: Builder, node: Add, types: Types, left: str, right: str) -> str:
    return b.op("Add", *_aligned(b, types, left, right))


def _sub(b: Builder, node: Sub, types: Types, left: str, right: str) -> str:
    return b.op("Sub", *_aligned(b, types, left, right))


def _mul(b: Builder, node: Mul, types: Types, left: str, right: str) -> str:
    return b.op("Mul", left, right)


def _table(b: Builder, node: Table, types: Types, x: str) -> str:
    return look_up(b, node.entries.codes, node.first, x)


def _lookup(b: Builder, node: Lookup, types: Types, x: str) -> str:
    return look_up(b, node.rows.codes, 0, x)


def _lut_dense(b: Builder, node: LutDense, types: Types, x: str) -> str:
    """Rows of one long table, an entry for each output; Mod takes the sign of its divisor, Div would round to zero."""
    (outputs, inputs, size), steps = node.tables.shape, node.steps(types[0])
    address = b.op("Mod", b.op("Div", b.op("Sub", x, b.op("Mod", x, steps)), steps), size)
    rows = node.tables.codes.transpose(1, 2, 0).reshape(inputs * size, outputs)
    terms = b.op("Gather", rows, b.op("Add", address, np.arange(inputs) * size), axis=0)
    return b.op("ReduceSum", terms, np.array([-2]), keepdims=0)


def _matmul_of_values(b: Builder, node: MatMul, types: Types, left: str, right: str) -> str:
    return _matmul(b, left, right, node.partial_bound(*types))


def _concat(b: Builder, node: Concat, types: Types, *parts: str) -> str:
    return b.op("Concat", *_aligned(b, types, *parts), axis=node.axis + 1)


def _upsample(b: Builder, node: Upsample, types: Types, x: str) -> str:
    # Resize of stock runtimes lacks int64.
    for axis, (size, factor) in enumerate(zip(types[0].shape, node.factors, strict=True), start=1):
        x = x if factor == 1 else b.op("Gather", x, np.arange(size).repeat(factor), axis=axis)
    return x


def _relu(b: Builder, node: Relu, types: Types, x: str) -> str:
    return b.op("Max", x, 0)


def _max_pool(b: Builder, node: MaxPool2d, types: Types, x: str) -> str:
    (value,) = types
    if max(-value.low, value.high) <= _SINGLE:
        pooled = b.op("MaxPool", _cast(b, x, np.float32), kernel_shape=node.kernel, strides=node.stride)
        return _cast(b, pooled, np.int64)
    return _reduced(b, node, value, x, "ReduceMax")


def _reduced(b: Builder, node: MaxPool2d | AvgPool2d, value: Value, x: str, kind: str) -> str:
    columns, (rows, lines) = _columns(b, x, value.shape, node.kernel, node.stride)
    pooled = b.op(kind, columns, np.array([2]), keepdims=0)
    return b.op("Reshape", pooled, np.array([0, value.shape[0], rows, lines]))


def _avg_pool(b: Builder, node: AvgPool2d, types: Types, x: str) -> str:
    return b.op("Mul", _reduced(b, node, types[0], x, "ReduceSum"), int(node.scale.codes))


def _flatten(b: Builder, node: Flatten, types: Types, x: str) -> str:
    return b.op("Reshape", x, np.array([0, types[0].size]))


def _argmax(b: Builder, node: ArgMax, types: Types, x: str) -> str:
    return b.op("ArgMax", x, axis=1, keepdims=1, select_last_index=0)


HANDLERS: dict[type[Node], Callable[..., str]] = {
    Dense: _dense,
    Conv2d: _conv2d,
    ScaleShift: _scale_shift,
    Relu: _relu,
    Add: _add,
    Sub: _sub,
    Mul: _mul,
    Table: _table,
    Lookup: _lookup,
    LutDense: _lut_dense,
    MatMul: _matmul_of_values,
    MaxPool2d: _max_pool,
    AvgPool2d: _avg_pool,
    ReduceMax: onnx_moves.reduce_max,
    ReduceSum: onnx_moves.reduce_sum,
    Flatten: _flatten,
    Reshape: onnx_moves.reshape,
    Concat: _concat,
    Pad: pad,
    Upsample: _upsample,
    Slice: onnx_moves.slice_axes,
    Transpose: onnx_moves.transpose,
    Requantize: requantize,
    RequantizeEach: requantize_each,
    RequantizeMinifloat: requantize_minifloat,
    ArgMax: _argmax,
    Softmax: softmax,
}


def _check_width(graph: Graph) -> None:
    for name, value in graph.values.items():
        if value.format.width > INT64_BITS:
            raise ExportError(
                f"Integer ONNX holds {INT64_BITS} bits a value, but {name!r} needs {value.format.width}; "
                "requantize before it."
            )


def _info(name: str, value: Value) -> onnx.ValueInfoProto:
    doc = f"{value.format} [{value.low}, {value.high}]"
    return helper.make_tensor_value_info(name, TensorProto.INT64, ["N", *value.shape], doc)


def export_onnx(graph: Graph, trace: bool = False) -> Files:
    """`{"model.onnx": bytes}`: every value called by its node's name, opset 18, no operator outside ONNX.

    Args:
        graph: with one input.
        trace: whether every value leaves the model, not only `graph.outputs`.

    Raises:
        ExportError: a value is wider than 62 bits.
    """
    _check_width(graph)
    b = Builder(graph.values)
    for node in graph.nodes:
        if not isinstance(node, Input):
            b.enter(node)
            result = HANDLERS[type(node)](b, node, graph.operands(node), *node.inputs)
            b.name_result(result, node.name)
    infos = {name: _info(name, value) for name, value in graph.values.items()}
    shown = tuple(name for name in infos if name != graph.input.name) if trace else graph.outputs
    inner = [info for name, info in infos.items() if name not in (graph.input.name, *shown)]
    model = b.model(graph.name, _DOC, [infos[graph.input.name]], [infos[name] for name in shown], inner)
    return {MODEL: model}


def traced(model: bytes) -> bytes:
    """The same model with every named value among its outputs; nothing that is computed changes."""
    proto = onnx.load_from_string(model)
    known = {info.name for info in proto.graph.output}
    proto.graph.output.extend(info for info in proto.graph.value_info if info.name not in known)
    del proto.graph.value_info[:]
    return bytes(proto.SerializeToString(deterministic=True))
