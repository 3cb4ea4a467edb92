"""What each operator needs of `hls_templates/`: the template it calls, its arguments, its constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from flow.exporters.hls.types import fixed_type
from flow.formats import AP_OVERFLOW, AP_ROUNDING, FixedPoint, Overflow
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Conv2d,
    Dense,
    Linear,
    MaxPool2d,
    Node,
    Relu,
    Requantize,
    ScaleShift,
    Tensor,
    Value,
)

__all__ = ["Call", "Constant", "call", "result_type"]


@dataclass(frozen=True, slots=True)
class Constant:
    """Codes as the template reads them.

    Attributes:
        name: field of the node, unique in the layer.
        letter: name of the constant's type among the template's parameters.
        codes: int64 of any shape, written in row-major order.
        format: what the codes mean.
        axes: the order of the axes, in words.
    """

    name: str
    letter: str
    codes: NDArray[np.int64]
    format: FixedPoint
    axes: str


@dataclass(frozen=True, slots=True)
class Call:
    """One instance of a template.

    Attributes:
        header: file of `hls_templates/`.
        function: name of the template.
        inputs: letters of the input types, one for every input of the node.
        constants: the constant arguments.
        sizes: integer parameters by name, in the template's order.
        inner: further types by letter: one of the template's other letters where it is the same, else the C++ type.
    """

    header: str
    function: str
    inputs: tuple[str, ...] = ("X",)
    constants: tuple[Constant, ...] = ()
    sizes: dict[str, int] = field(default_factory=dict)
    inner: dict[str, str] = field(default_factory=dict)


def _bias(node: Linear, x: Value) -> Constant:
    """The bias; zeros of one bit where there is none, which synthesis removes."""
    if node.bias is not None:
        return Constant("bias", "B", node.bias.codes, node.bias.format, "outputs")
    zeros = np.zeros(node.weight.shape[0], dtype=np.int64)
    return Constant("bias", "B", zeros, FixedPoint(1, node.frac(x), signed=False), "outputs, no bias in the model")


def _tensor(name: str, letter: str, tensor: Tensor, axes: str) -> Constant:
    return Constant(name, letter, tensor.codes, tensor.format, axes)


def _dense(node: Dense, operands: tuple[Value, ...], result: Value, reuse: int) -> Call:
    outputs, inputs = node.weight.shape
    sizes = {"INPUTS": inputs, "OUTPUTS": outputs, "REUSE": min(reuse, inputs)}
    weight = _tensor("weight", "W", node.weight, "outputs, inputs")
    return Call("flow_dense.h", "dense", constants=(weight, _bias(node, operands[0])), sizes=sizes)


def _window(kernel: tuple[int, int], stride: tuple[int, int]) -> dict[str, int]:
    return {"KERNEL_H": kernel[0], "KERNEL_W": kernel[1], "STRIDE_H": stride[0], "STRIDE_W": stride[1]}


def _plane(x: Value) -> dict[str, int]:
    return dict(zip(("CHANNELS", "HEIGHT", "WIDTH"), x.shape, strict=True))


def _conv2d(node: Conv2d, operands: tuple[Value, ...], result: Value, reuse: int) -> Call:
    sizes = {
        **_plane(operands[0]), "OUTPUTS": node.weight.shape[0], **_window(node.kernel, node.stride),
        "PAD_H": node.padding[0], "PAD_W": node.padding[1], "GROUPS": node.groups,
        "REUSE": min(reuse, node.weight.shape[1]),
    }  # fmt: skip
    codes = np.ascontiguousarray(node.weight.codes.transpose(0, 2, 3, 1))
    weight = Constant("weight", "W", codes, node.weight.format, "outputs, rows, columns, channels of a group")
    return Call("flow_conv2d.h", "conv2d", constants=(weight, _bias(node, operands[0])), sizes=sizes)


def _scale_shift(node: ScaleShift, operands: tuple[Value, ...], result: Value, reuse: int) -> Call:
    channels = result.shape[0]
    scale, shift = _tensor("scale", "S", node.scale, "channels"), _tensor("shift", "T", node.shift, "channels")
    sizes = {"CHANNELS": channels, "POSITIONS": result.size // channels}
    return Call("flow_scale_shift.h", "scale_shift", constants=(scale, shift), sizes=sizes)


def _relu(node: Relu, operands: tuple[Value, ...], result: Value, reuse: int) -> Call:
    return Call("flow_relu.h", "relu", sizes={"SIZE": result.size})


def _add(node: Add, operands: tuple[Value, ...], result: Value, reuse: int) -> Call:
    return Call("flow_add.h", "add", inputs=("A", "B"), sizes={"SIZE": result.size})


def _max_pool(node: MaxPool2d, operands: tuple[Value, ...], result: Value, reuse: int) -> Call:
    return Call("flow_pool.h", "max_pool2d", sizes={**_plane(operands[0]), **_window(node.kernel, node.stride)})


def _avg_pool(node: AvgPool2d, operands: tuple[Value, ...], result: Value, reuse: int) -> Call:
    (x,) = operands
    elements = node.kernel[0] * node.kernel[1]
    total = FixedPoint.holding(min(x.low * elements, x.low), x.high * elements, x.format.frac)
    scale = Constant("scale", "S", node.scale.codes.reshape(1), node.scale.format, "one")
    sizes = {**_plane(x), **_window(node.kernel, node.stride)}
    return Call("flow_pool.h", "avg_pool2d", constants=(scale,), sizes=sizes, inner={"SUM": fixed_type(total)})


def _requantize(node: Requantize, operands: tuple[Value, ...], result: Value, reuse: int) -> Call:
    (x,) = operands
    dropped = x.format.frac - node.format.frac
    wide = "X" if dropped < x.format.width else fixed_type(replace(x.format, width=dropped + 1))
    inner = {"WIDE": wide, "ROUNDED": _rounded_type(node, x)}
    return Call("flow_requantize.h", "requantize", sizes={"SIZE": result.size}, inner=inner)


def _rounded_type(node: Requantize, x: Value) -> str:
    """The type between rounding and overflow, see flow_requantize.h: that of the result but for two odd modes."""
    target, dropped = node.format, x.format.frac - node.format.frac
    if node.overflow is Overflow.WRAP_SM and dropped > 0:
        rounded = FixedPoint.holding(min(x.low >> dropped, -1), (x.high >> dropped) + 1, target.frac)
        return fixed_type(rounded, AP_ROUNDING[node.rounding], AP_OVERFLOW[Overflow.WRAP])
    if node.overflow is Overflow.SAT_SYM and target.signed and target.width == 1:
        return fixed_type(replace(target, signed=False))
    return "Y"


def _argmax(node: ArgMax, operands: tuple[Value, ...], result: Value, reuse: int) -> Call:
    return Call("flow_argmax.h", "argmax", sizes={"SIZE": operands[0].size})


_CALLS: dict[type[Node], Callable[..., Call]] = {
    Dense: _dense,
    Conv2d: _conv2d,
    ScaleShift: _scale_shift,
    Relu: _relu,
    Add: _add,
    MaxPool2d: _max_pool,
    AvgPool2d: _avg_pool,
    Requantize: _requantize,
    ArgMax: _argmax,
}


def call(node: Node, operands: tuple[Value, ...], result: Value, reuse: int) -> Call:
    """The template that computes `node`.

    Args:
        node: any operator but Input and Flatten, which are wires.
        operands: types of its inputs.
        result: its type.
        reuse: products that one multiplier makes; capped at what the layer has.
    """
    return _CALLS[type(node)](node, operands, result, reuse)


def result_type(node: Node, result: Value) -> str:
    """The C++ type of a node's value: only that of Requantize has modes, every other result is exact."""
    if isinstance(node, Requantize):
        return fixed_type(node.format, AP_ROUNDING[node.rounding], AP_OVERFLOW[node.overflow])
    return fixed_type(result.format)
