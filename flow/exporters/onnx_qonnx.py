"""The QONNX dialect: float32 values `code * 2**-frac`, with Quant nodes of domain qonnx.custom_op.general.

Everything computes in float32, so a graph is exportable where the ranges prove every sum to fit 24 bits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from flow.errors import ExportError
from flow.exporters import onnx_moves
from flow.exporters.onnx_builder import Builder
from flow.exporters.onnx_qonnx_cast import (
    DOMAIN,
    cast_bound,
    each_bound,
    quant,
    requantize,
    requantize_each,
    requantize_minifloat,
)
from flow.exporters.onnx_softmax import softmax_of_values
from flow.exporters.onnx_spatial import pad
from flow.exporters.writer import Files
from flow.formats import FixedPoint
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
    Tensor,
    Transpose,
    Upsample,
    Value,
)

__all__ = ["DOMAIN", "MODEL", "QONNX_HANDLERS", "export_qonnx"]

MODEL = "model_qonnx.onnx"
_EXACT = 1 << 24  # integers up to here are float32 numbers
_POINTS = (-48, 52)  # any code up to 2**24 at one of these, read at another, is a normal float32 number
_DOC = "float32 values, each a code times 2**-frac with the format in its doc string"

Types = tuple[Value, ...]


def _real(codes: NDArray[np.int64], frac: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.ldexp(codes.astype(np.float64), -frac).astype(np.float32).reshape(shape)


def _constant(b: Builder, tensor: Tensor, label: str, shape: tuple[int, ...]) -> str:
    """A float initialiser on the grid of its format, and the Quant that says so."""
    values = b.constant(_real(tensor.codes, tensor.format.frac, shape), label)
    return quant(b, values, tensor.format, "ROUND")


def _dense(b: Builder, node: Dense, types: Types, x: str) -> str:
    transposed = Tensor(node.weight.codes.T, node.weight.format)
    sums = b.op("MatMul", x, _constant(b, transposed, "weight", transposed.shape))
    return sums if node.bias is None else b.op("Add", sums, _constant(b, node.bias, "bias", (-1,)))


def _conv2d(b: Builder, node: Conv2d, types: Types, x: str) -> str:
    sums = b.op(
        "Conv", x, _constant(b, node.weight, "weight", node.weight.shape), kernel_shape=node.kernel,
        strides=node.stride, pads=[*node.padding, *node.padding], dilations=(1, 1), group=node.groups,
    )  # fmt: skip
    return sums if node.bias is None else b.op("Add", sums, _constant(b, node.bias, "bias", (-1, 1, 1)))


def _scale_shift(b: Builder, node: ScaleShift, types: Types, x: str) -> str:
    shape = (-1, *[1] * (len(types[0].shape) - 1))
    scaled = b.op("Mul", x, _constant(b, node.scale, "scale", shape))
    return b.op("Add", scaled, _constant(b, node.shift, "shift", shape))


def _add(b: Builder, node: Add, types: Types, left: str, right: str) -> str:
    return b.op("Add", left, right)


def _sub(b: Builder, node: Sub, types: Types, left: str, right: str) -> str:
    return b.op("Sub", left, right)


def _mul(b: Builder, node: Mul, types: Types, left: str, right: str) -> str:
    return b.op("Mul", left, right)


def _table(b: Builder, node: Table, types: Types, x: str) -> str:
    """The value becomes its code, the code an index."""
    codes = b.op("Mul", x, np.float32(2.0 ** types[0].format.frac))
    index = b.op("Cast", b.op("Sub", codes, np.float32(node.first)), to=TensorProto.INT64)
    return b.op("Gather", _constant(b, node.entries, "entries", node.entries.shape), index, axis=0)


def _lookup(b: Builder, node: Lookup, types: Types, x: str) -> str:
    index = b.shaped("Cast", types[0].shape, x, to=TensorProto.INT64)
    return b.op("Gather", _constant(b, node.rows, "rows", node.rows.shape), index, axis=0)


def _lut_dense(b: Builder, node: LutDense, types: Types, x: str) -> str:
    """As in integer ONNX, but in floats as far as the number of the row; all factors are powers of two."""
    (outputs, inputs, size), shape = node.tables.shape, types[0].shape
    steps, number = np.ldexp(1.0, types[0].format.frac) / node.steps(types[0]), np.float32
    codes = b.shaped("Floor", shape, b.shaped("Mul", shape, x, steps.astype(number)))
    above = b.shaped("Floor", shape, b.shaped("Mul", shape, codes, number(1 / size)))
    address = b.shaped("Sub", shape, codes, b.shaped("Mul", shape, above, number(size)))
    address = b.shaped("Add", shape, address, (np.arange(inputs) * size).astype(number))
    address = b.shaped("Cast", shape, address, to=TensorProto.INT64)
    rows = Tensor(node.tables.codes.transpose(1, 2, 0).reshape(inputs * size, outputs), node.tables.format)
    terms = b.shaped("Gather", (*shape, outputs), _constant(b, rows, "rows", rows.shape), address, axis=0)
    return b.op("ReduceSum", terms, np.array([-2]), keepdims=0)


def _matmul(b: Builder, node: MatMul, types: Types, left: str, right: str) -> str:
    return b.op("MatMul", left, right)


def _concat(b: Builder, node: Concat, types: Types, *parts: str) -> str:
    return b.op("Concat", *parts, axis=node.axis + 1)


def _upsample(b: Builder, node: Upsample, types: Types, x: str) -> str:
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return b.op("Resize", x, "", np.array([1, *node.factors], dtype=np.float32), **how)


def _relu(b: Builder, node: Relu, types: Types, x: str) -> str:
    return b.op("Relu", x)


def _max_pool(b: Builder, node: MaxPool2d, types: Types, x: str) -> str:
    return b.op("MaxPool", x, kernel_shape=node.kernel, strides=node.stride, pads=[0] * 4)


def _avg_pool(b: Builder, node: AvgPool2d, types: Types, x: str) -> str:
    """An average where its division is exact, a depthwise sum elsewhere."""
    size, scale = node.kernel[0] * node.kernel[1], node.scale
    if size & (size - 1):
        channels = types[0].shape[0]
        weight = Tensor(np.full((channels, 1, *node.kernel), int(scale.codes)), scale.format)
        sums = _constant(b, weight, "weight", weight.shape)
        return b.op(
            "Conv", x, sums, kernel_shape=node.kernel, strides=node.stride, pads=[0] * 4, dilations=(1, 1),
            group=channels,
        )  # fmt: skip
    mean = b.op("AveragePool", x, kernel_shape=node.kernel, strides=node.stride, pads=[0] * 4)
    rest = FixedPoint(scale.format.width, scale.format.frac - (size.bit_length() - 1), scale.format.signed)
    exact = int(scale.codes) == 1 << rest.frac if rest.frac >= 0 else False
    return mean if exact else b.op("Mul", mean, _constant(b, Tensor(scale.codes, rest), "scale", ()))


def _flatten(b: Builder, node: Flatten, types: Types, x: str) -> str:
    return b.op("Flatten", x, axis=1)


def _argmax(b: Builder, node: ArgMax, types: Types, x: str) -> str:
    index = b.op("ArgMax", x, axis=1, keepdims=1, select_last_index=0)
    return b.op("Cast", index, to=TensorProto.FLOAT)


QONNX_HANDLERS: dict[type[Node], Callable[..., str]] = {
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
    MatMul: _matmul,
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
    Softmax: softmax_of_values,
}


def _largest(value: Value) -> int:
    return max(-value.low, value.high)


def _linear_bound(node: Linear, types: Types) -> int:
    return node.partial_bound(types[0])


def _scale_bound(node: ScaleShift, types: Types) -> int:
    scale, shift = np.abs(node.scale.codes).max(), np.abs(node.shift_codes(types[0])).max()
    return (_largest(types[0]) * int(scale) << node.product_shift(types[0])) + int(shift)


def _sum_bound(node: ReduceSum, types: Types) -> int:
    return _largest(types[0]) * types[0].shape[node.axis]


def _table_bound(node: Table, types: Types) -> int:
    return max(abs(node.first), node.entries.shape[0])


def _lut_bound(node: LutDense, types: Types) -> int:
    _, inputs, size = node.tables.shape
    return max(node.partial_bound(*types), inputs * size)


def _matmul_bound(node: MatMul, types: Types) -> int:
    return node.partial_bound(*types)


# What a node computes on the way to its result, as the largest integer at its finest binary point.
_BOUNDS: dict[type[Node], Callable[..., int]] = {
    Dense: _linear_bound,
    Conv2d: _linear_bound,
    ScaleShift: _scale_bound,
    Table: _table_bound,
    LutDense: _lut_bound,
    MatMul: _matmul_bound,
    ReduceSum: _sum_bound,
    Requantize: cast_bound,
    RequantizeEach: each_bound,
}


def _check_exact(graph: Graph, node: Node) -> None:
    """Float32 holds this node's value and everything on the way to it."""
    value, bound = graph.values[node.name], _BOUNDS.get(type(node), lambda node, types: 0)
    # A minifloat's few significant bits are exact wherever they lie.
    held = 0 if isinstance(node, RequantizeMinifloat) else _largest(value)
    largest = max(held, bound(node, graph.operands(node)), *(_largest(v) for v in graph.operands(node)), 0)
    if largest > _EXACT:
        raise ExportError(
            f"QONNX computes in float32, which is exact to 24 bits, but node {node.name!r} needs "
            f"{largest.bit_length()}; requantize before it, or export integer ONNX."
        )
    words = node.formats() if isinstance(node, RequantizeEach) else ()
    fracs = [
        value.format.frac,
        *(form.frac for form in words),
        *(tensor.format.frac for tensor in node.tensors().values()),
    ]
    if min(fracs) < _POINTS[0] or max(fracs) > _POINTS[1]:
        raise ExportError(
            f"QONNX computes in float32, which has binary points {_POINTS[0]}..{_POINTS[1]}, but node {node.name!r} "
            f"uses {max(fracs, key=abs)}; move the binary point, or export integer ONNX."
        )


def _info(name: str, value: Value, batch: int) -> onnx.ValueInfoProto:
    doc = f"{value.format} [{value.low}, {value.high}]"
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *value.shape], doc)


def _shapes(b: Builder, start: int, value: Value, batch: int) -> list[onnx.ValueInfoProto]:
    """The types of what the nodes from `start` on make on the way to `value`; QONNX runs nothing of unknown shape."""
    constants = {tensor.name: list(tensor.dims) for tensor in b.initialisers}
    infos = []
    for node in b.nodes[start:]:
        to_index = any(a.name == "to" and a.i == TensorProto.INT64 for a in node.attribute)
        for name in node.output:
            known = None if name in b.shapes else constants.get(node.input[0])
            shape = [batch, *b.shapes.get(name, value.shape)] if known is None else known
            integer = to_index or node.op_type == "ArgMax" or name in b.integers
            kind = TensorProto.INT64 if integer else TensorProto.FLOAT
            infos.append(helper.make_tensor_value_info(name, kind, shape))
    return infos


def _body(graph: Graph, b: Builder, batch: int) -> list[onnx.ValueInfoProto]:
    """Every node in order; the input's value is read through a Quant that carries its format."""
    read, inner = {name: name for name in graph.values}, []
    for node in graph.nodes:
        start = len(b.nodes)
        b.enter(node)
        _check_exact(graph, node)
        if isinstance(node, Input):
            read[node.name] = quant(b, node.name, node.format, "ROUND")
        else:
            operands = (read[name] for name in node.inputs)
            result = QONNX_HANDLERS[type(node)](b, node, graph.operands(node), *operands)
            b.name_result(result, node.name)
        inner += _shapes(b, start, graph.values[node.name], batch)
    return [info for info in inner if info.name not in graph.values]


def export_qonnx(graph: Graph, batch: int = 1) -> Files:
    """`{"model_qonnx.onnx": bytes}`: every value called by its node's name.

    Args:
        graph: with one input, and casts that saturate wherever they can overflow.
        batch: samples a run; QONNX tools want static shapes.

    Raises:
        ExportError: a node needs more than 24 bits, a binary point that float32 lacks or an overflow mode that QONNX
            lacks, or the input is also an output.
    """
    b, source = Builder(graph.values), graph.input.name
    if source in graph.outputs:
        raise ExportError(
            f"QONNX knows every tensor once, but {source!r} is both input and output; take it out of the outputs, "
            "or export integer ONNX."
        )
    inner = _body(graph, b, batch)
    infos = {name: _info(name, value, batch) for name, value in graph.values.items()}
    inner += [info for name, info in infos.items() if name not in (source, *graph.outputs)]
    outputs = [infos[name] for name in graph.outputs]
    return {MODEL: b.model(graph.name, _DOC, [infos[source]], outputs, inner, (DOMAIN,))}
