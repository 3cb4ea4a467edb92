"""What hls4ml makes of each operator: its layer, the layer's attributes, and every precision spelled out.

hls4ml keeps images as [H, W, C]; here such a value is called an image and is transposed wherever its order shows:
behind the input, around Flatten and Reshape, and before an output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.exporters.hls.types import fixed_type
from flow.exporters.hls4ml import moves
from flow.exporters.hls4ml.entries import Layer, Plan, is_image, layer_shape, value_type
from flow.exporters.names import identifiers
from flow.formats import AP_OVERFLOW, AP_ROUNDING, FixedPoint, Overflow, Rounding
from flow.ir import (
    Add,
    ArgMax,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    Linear,
    Lookup,
    MaxPool2d,
    Mul,
    Node,
    Pad,
    Relu,
    Requantize,
    Reshape,
    ScaleShift,
    Slice,
    Sub,
    Table,
    Tensor,
    Transpose,
    Upsample,
    Value,
)

__all__ = ["HANDLERS", "plan"]

_TO_IMAGE, _FROM_IMAGE = [1, 2, 0], [2, 0, 1]
_EXACT = (AP_ROUNDING[Rounding.TRN], AP_OVERFLOW[Overflow.WRAP])
_ENCODED = (AP_ROUNDING[Rounding.RND], AP_OVERFLOW[Overflow.SAT])


def _real(tensor: Tensor) -> NDArray[np.float64]:
    """The values of a constant, exact up to 53 bits."""
    return np.ldexp(tensor.codes.astype(np.float64), -tensor.format.frac)


def _moves(value: Value) -> bool:
    """Whether [C, H, W] and [H, W, C] are different orders of the codes."""
    return is_image(value) and value.shape[0] > 1 and value.size > value.shape[0]


def _other_modes(wanted: str, source: str) -> str:
    """The same type with modes of its own, because hls4ml drops a cast between equal types and renames its neighbours.

    Where the types are equal the cast changes no code, so the modes do not matter.
    """
    if wanted != source:
        return wanted
    base, modes = wanted.removesuffix(">").split(", ")[:2], wanted.removesuffix(">").split(", ")[2:]
    other = _ENCODED if tuple(modes) != _ENCODED else ("AP_RND_CONV", "AP_SAT")
    return f"{', '.join([*base, *other])}>"


def _cast(plan: Plan, name: str, source: Layer, wanted: str, size: int) -> Layer:
    result = _other_modes(wanted, source.precision["result"])
    return plan.add(name, "Activation", (source.name,), result, activation="linear", n_in=size)


def _to_image(plan: Plan, node: Node, source: Layer, value: Value) -> Layer:
    """[C, H, W] as an image; other values as they are."""
    if not is_image(value):
        return source
    plan.plain[node.name] = source
    name, result = plan.names[node.name], source.precision["result"]
    if _moves(value):
        return plan.add(name, "Transpose", (source.name,), result, perm=_TO_IMAGE)
    return plan.add(name, "Reshape", (source.name,), result, target_shape=layer_shape(value))


def _from_image(plan: Plan, name: str, node: str) -> Layer:
    """The value of `node`, an image as [C, H, W].

    There is one such layer for every reader and none behind the opposite one: hls4ml moves it into a Dense layer's
    weights without a look at its other readers and at its order.
    """
    value, source = plan.graph.values[node], plan.holder[node]
    if not _moves(value):
        return source
    if node in plan.plain:
        return plan.plain[node]
    return plan.add(name, "Transpose", (source.name,), source.precision["result"], perm=_FROM_IMAGE)


def _input(plan: Plan, node: Input, types: tuple[Value, ...], value: Value) -> Layer:
    """The type rounds and saturates as `flow.formats.encode` does, so that real numbers are encoded, and only once."""
    name = plan.names[node.name]
    layer = plan.add(f"{name}_", "InputLayer", (), fixed_type(value.format, *_ENCODED), input_shape=list(value.shape))
    return _to_image(plan, node, layer, value)


def _accumulating(node: Linear, value: Value) -> dict[str, str]:
    """The sum of products wraps at the width of the exact result, which brings every partial sum home."""
    exact = value_type(value)
    bias = {} if node.bias is None else {"bias": fixed_type(node.bias.format)}
    return {"weight": fixed_type(node.weight.format), **bias, "accum": exact, "result": exact}


def _bias(node: Linear) -> NDArray[np.float64] | None:
    return None if node.bias is None else _real(node.bias)


def _dense(plan: Plan, node: Dense, types: tuple[Value, ...], value: Value) -> Layer:
    weight = np.ascontiguousarray(_real(node.weight).T)
    attributes = {"n_in": weight.shape[0], "n_out": weight.shape[1], "weight_data": weight, "bias_data": _bias(node)}
    source = plan.holder[node.inputs[0]].name
    return plan.put(Layer(plan.names[node.name], "Dense", (source,), _accumulating(node, value), attributes))


def _window(x: Value, value: Value, kernel: str, size: tuple[int, int], stride: tuple[int, int]) -> dict[str, Any]:
    """What convolutions and poolings share; `kernel` is hls4ml's word for the window."""
    return {
        "data_format": "channels_last",
        "in_height": x.shape[1], "in_width": x.shape[2], "out_height": value.shape[1], "out_width": value.shape[2],
        f"{kernel}_height": size[0], f"{kernel}_width": size[1],
        "stride_height": stride[0], "stride_width": stride[1], "n_filt": value.shape[0],
        "pad_top": 0, "pad_bottom": 0, "pad_left": 0, "pad_right": 0,
    }  # fmt: skip


def _conv2d(plan: Plan, node: Conv2d, types: tuple[Value, ...], value: Value) -> Layer:
    (x,) = types
    depthwise = node.groups > 1
    axes, data = ((2, 3, 0, 1), "depthwise_data") if depthwise else ((2, 3, 1, 0), "weight_data")
    rows, columns = node.padding
    attributes = {
        **_window(x, value, "filt", node.kernel, node.stride), "n_chan": x.shape[0], "bias_data": _bias(node),
        "pad_top": rows, "pad_bottom": rows, "pad_left": columns, "pad_right": columns,
        data: np.ascontiguousarray(_real(node.weight).transpose(axes)),
    }  # fmt: skip
    kind, source = "DepthwiseConv2D" if depthwise else "Conv2D", plan.holder[node.inputs[0]].name
    return plan.put(Layer(plan.names[node.name], kind, (source,), _accumulating(node, value), attributes))


def _scale_shift(plan: Plan, node: ScaleShift, types: tuple[Value, ...], value: Value) -> Layer:
    """A factor of one everywhere is a cast, because hls4ml drops such a layer and renames its neighbours."""
    scale, shift, source = _real(node.scale), _real(node.shift), plan.holder[node.inputs[0]]
    if (scale == 1).all() and not shift.any():
        return _cast(plan, plan.names[node.name], source, value_type(value), value.size)
    attributes = {"n_in": value.size, "n_filt": value.shape[0], "scale_data": scale, "bias_data": shift}
    precision = {
        "scale": fixed_type(node.scale.format),
        "bias": fixed_type(node.shift.format),
        "result": value_type(value),
    }
    return plan.put(Layer(plan.names[node.name], "BatchNormalization", (source.name,), precision, attributes))


def _relu(plan: Plan, node: Relu, types: tuple[Value, ...], value: Value) -> Layer:
    source = plan.holder[node.inputs[0]].name
    return plan.add(
        plan.names[node.name], "Activation", (source,), value_type(value), activation="relu", n_in=value.size
    )


def _merge(plan: Plan, node: Add | Sub | Mul, types: tuple[Value, ...], value: Value) -> Layer:
    sources = tuple(plan.holder[name].name for name in node.inputs)
    return plan.add(plan.names[node.name], "Merge", sources, value_type(value), op=_MERGES[type(node)])


def _max_pool(plan: Plan, node: MaxPool2d, types: tuple[Value, ...], value: Value) -> Layer:
    attributes = {**_window(types[0], value, "pool", node.kernel, node.stride), "count_pad": False}
    precision = {"accum": value_type(value), "result": value_type(value)}
    source = plan.holder[node.inputs[0]].name
    return plan.put(Layer(plan.names[node.name], "MaxPooling2D", (source,), precision, attributes))


def _plane(x: Value, value: Value) -> dict[str, Any]:
    """The sizes of an image before and after, in hls4ml's words."""
    return {
        "data_format": "channels_last", "n_chan": x.shape[0], "in_height": x.shape[1], "in_width": x.shape[2],
        "out_height": value.shape[1], "out_width": value.shape[2],
    }  # fmt: skip


def _pad(plan: Plan, node: Pad, types: tuple[Value, ...], value: Value) -> Layer:
    """Rows and columns of zeros around an image."""
    (top, left), (bottom, right), source = node.before[1:], node.after[1:], plan.holder[node.inputs[0]]
    ends = {"pad_top": top, "pad_bottom": bottom, "pad_left": left, "pad_right": right}
    result = source.precision["result"]
    return plan.add(plan.names[node.name], "ZeroPadding2D", (source.name,), result, **_plane(types[0], value), **ends)


def _upsample(plan: Plan, node: Upsample, types: tuple[Value, ...], value: Value) -> Layer:
    """Rows and columns of an image repeated; hls4ml wants the very type of the input."""
    source = plan.holder[node.inputs[0]]
    how = {"algorithm": "nearest", "align_corners": False, **_plane(types[0], value)}
    return plan.add(plan.names[node.name], "Resize", (source.name,), source.precision["result"], **how)


def _reshape(plan: Plan, node: Flatten | Reshape, types: tuple[Value, ...], value: Value) -> Layer:
    name = plan.names[node.name]
    plain = _from_image(plan, f"{name}__plain", node.inputs[0])
    if not _moves(value):
        return plan.add(name, "Reshape", (plain.name,), plain.precision["result"], target_shape=layer_shape(value))
    shape, result = list(value.shape), plain.precision["result"]
    return _to_image(
        plan, node, plan.add(f"{name}__shape", "Reshape", (plain.name,), result, target_shape=shape), value
    )


def _requantize(plan: Plan, node: Requantize, types: tuple[Value, ...], value: Value) -> Layer:
    wanted = fixed_type(node.format, AP_ROUNDING[node.rounding], AP_OVERFLOW[node.overflow])
    return _cast(plan, plan.names[node.name], plan.holder[node.inputs[0]], wanted, value.size)


def _table(plan: Plan, node: Table, types: tuple[Value, ...], value: Value) -> Layer:
    """A value per code."""
    return _embedding(plan, node, types[0], value, _real(node.entries)[:, None], node.first)


def _lookup(plan: Plan, node: Lookup, types: tuple[Value, ...], value: Value) -> Layer:
    return _embedding(plan, node, types[0], value, _real(node.rows), 0)


def _embedding(plan: Plan, node: Node, x: Value, value: Value, entries: NDArray[np.float64], first: int) -> Layer:
    """The number of a row, `code - low`, as a bare integer, then an Embedding of the rows float64[V, D]."""
    name, source = plan.names[node.name], plan.holder[node.inputs[0]]
    reached = entries[x.low - first : x.high - first + 1]
    number = _number(plan, f"{name}__number", source, x, f"ap_uint<{FixedPoint.holding(0, x.high - x.low, 0).width}>")
    attributes = {"n_in": x.size, "n_out": entries.shape[1], "vocab_size": len(reached), "embeddings_data": reached}
    precision = {"embeddings": value_type(value), "result": value_type(value)}
    plan.put(Layer(name, "Embedding", (number.name,), precision, attributes))
    return plan.add(f"{name}__shape", "Reshape", (name,), value_type(value), target_shape=layer_shape(value))


def _number(plan: Plan, name: str, source: Layer, x: Value, result: str) -> Layer:
    if x.format.frac == 0 == x.low:
        return _cast(plan, name, source, result, x.size)
    scale, bias = np.array([2.0**x.format.frac]), np.array([float(-x.low)])
    precision = {
        "scale": fixed_type(FixedPoint(1, -x.format.frac, signed=False)),
        "bias": fixed_type(FixedPoint.holding(-x.low, -x.low, 0)),
        "result": result,
    }
    attributes = {"n_in": x.size, "n_filt": 1, "scale_data": scale, "bias_data": bias}
    return plan.put(Layer(name, "BatchNormalization", (source.name,), precision, attributes))


def _argmax(plan: Plan, node: ArgMax, types: tuple[Value, ...], value: Value) -> Layer:
    """hls4ml's softmax in its form `argmax` marks the first highest code with a one; a Dense layer numbers it."""
    (x,), name, source = types, plan.names[node.name], plan.holder[node.inputs[0]]
    bit = fixed_type(FixedPoint(1, 0, signed=False))
    tables = {"inv_table_size": 2, "exp_table_size": 2}  # never read in this form
    form = {"activation": "softmax", "implementation": "argmax", "axis": 0, "n_in": x.size, **tables}
    marks = Layer(f"{name}__marks", "Softmax", (source.name,), {"result": bit, "accum": bit}, form)
    plan.put(marks)
    numbers = np.arange(x.size, dtype=np.float64)[:, None]
    attributes = {"n_in": x.size, "n_out": 1, "weight_data": numbers, "bias_data": None}
    precision = dict.fromkeys(("weight", "accum", "result"), value_type(value))
    return plan.put(Layer(name, "Dense", (marks.name,), precision, attributes))


_MERGES: dict[type[Node], str] = {Add: "Add", Sub: "Subtract", Mul: "Multiply"}

HANDLERS: dict[type[Node], Callable[..., Layer]] = {
    Input: _input,
    Dense: _dense,
    Conv2d: _conv2d,
    ScaleShift: _scale_shift,
    Relu: _relu,
    Table: _table,
    Lookup: _lookup,
    Add: _merge,
    Sub: _merge,
    Mul: _merge,
    Concat: moves.concat,
    Slice: moves.cut,
    Transpose: moves.transpose,
    MaxPool2d: _max_pool,
    Flatten: _reshape,
    Reshape: _reshape,
    Pad: _pad,
    Upsample: _upsample,
    Requantize: _requantize,
    ArgMax: _argmax,
}


def _output(plan: Plan, name: str) -> str:
    """The layer that leaves the design: the node's own, or a copy where others read it, or it is none, or an image."""
    value, own = plan.graph.values[name], plan.names[name]
    layer = _from_image(plan, f"{own}__out", name)
    if layer is not plan.holder[name] and layer.kind == "Transpose":
        return layer.name
    if layer.kind not in ("InputLayer", "Reshape") and not plan.graph.consumers(name):
        return layer.name
    return _cast(plan, f"{own}__out", layer, layer.precision["result"], value.size).name


def plan(graph: Graph) -> Plan:
    """The layers of a graph that `rewrite` made, in order, and which of them are outputs."""
    made = Plan(graph, identifiers(graph))
    for node in graph:
        made.holder[node.name] = HANDLERS[type(node)](made, node, graph.operands(node), graph.values[node.name])
    made.outputs = [_output(made, name) for name in graph.outputs]
    return made
