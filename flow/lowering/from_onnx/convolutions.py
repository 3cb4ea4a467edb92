"""Convolutions and transposed convolutions, in one or two dimensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flow.ir import Conv2d, Pad, Tensor
from flow.ir.kernels import Spread, dilated, forward_kernel, shared_padding, transposed_padding
from flow.lowering.from_onnx.draft import Draft
from flow.lowering.from_onnx.file import Call
from flow.lowering.from_onnx.linear import bias_of, constant_tensor, product_unit, signal, weight_of
from flow.lowering.from_onnx.tracked import Constant, RefusedError, Signal, Tracked

__all__ = ["conv", "conv_transpose", "sizes_of"]

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Window:
    """What a convolution is, an entry for each axis that its kernel slides along.

    Attributes:
        kernel: in the order of `Conv2d`, before any dilation.
        stride: of the convolution.
        dilation: of its kernel.
        spread: zeros that a node of their own puts around and between the values, if any.
        padding: zeros at both ends, which the convolution puts there itself.
    """

    kernel: Constant
    stride: Sizes
    dilation: Sizes
    spread: Spread | None
    padding: Sizes


def conv(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Conv; dilated kernels get zeros between their weights."""
    return _convolved(d, call, operands, _forward)


def conv_transpose(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX ConvTranspose, as a convolution over the values with zeros between them."""
    return _convolved(d, call, operands, _transposed)


def _forward(call: Call, kernel: Constant, groups: int) -> _Window:
    stride, dilation, ends, _ = sizes_of(call, kernel.values.shape[2:])
    return _Window(kernel, stride, dilation, *shared_padding(*ends, (0,) * len(stride)))


def _transposed(call: Call, kernel: Constant, groups: int) -> _Window:
    if "output_shape" in call.attributes:
        raise RefusedError(f"output_shape={list(call.attributes['output_shape'])} leaves the padding open; write pads")
    stride, dilation, ends, more = sizes_of(call, kernel.values.shape[2:])
    spread, padding = transposed_padding(kernel.values.shape[2:], stride, dilation, ends, more)
    turned = kernel.mapped(lambda array: forward_kernel(array, groups))
    return _Window(turned, (1,) * len(stride), dilation, spread, padding)


def _convolved(
    d: Draft, call: Call, operands: tuple[Tracked, ...], make: Callable[[Call, Constant, int], _Window]
) -> Signal:
    x, kernel, groups = signal(operands), weight_of(operands[1]), call.attributes.get("group", 1)
    shape, dims = d.value(x).shape, kernel.values.ndim - 2
    if dims not in (1, 2) or len(shape) != dims + 1:
        raise RefusedError(f"it needs a kernel of one or two dimensions over [C, (H,) W], not {list(shape)}")
    made = make(call, kernel, groups)
    codes, unit = constant_tensor(d, made.kernel)
    unit, weight = product_unit(x, unit), dilated(codes.codes, made.dilation)
    planes = d.reshape(x.node, shape if dims == 2 else (shape[0], 1, shape[1]))
    if made.spread is not None:
        planes = d.emit(Pad, planes, **_amounts(made.spread, dims))
    bias = bias_of(d, operands[2] if len(operands) > 2 else None, unit, weight.shape[0])
    if dims == 1:
        weight = weight[:, :, None, :]
    result = d.emit(
        Conv2d, planes, weight=Tensor(weight, codes.format), bias=bias, stride=_in_plane(made.stride, 1),
        padding=_in_plane(made.padding, 0), groups=groups,
    )  # fmt: skip
    out = d.types[result].shape
    return Signal(result if dims == 2 else d.reshape(result, (out[0], out[2])), unit)


def _in_plane(sizes: Sizes, height: int) -> Sizes:
    """Sizes for both axes of a plane, which has no height where a line stands for it."""
    return sizes if len(sizes) == 2 else (height, *sizes)


def _amounts(spread: Spread, dims: int) -> dict[str, Sizes]:
    still = (0,) * (3 - dims)
    return {
        "before": still + spread.before, "after": still + spread.after, "interior": still + spread.interior,
    }  # fmt: skip


def sizes_of(call: Call, kernel: Sizes) -> tuple[Sizes, Sizes, tuple[Sizes, Sizes], Sizes]:
    """Stride, dilation, what is padded before and after, and output padding.

    Raises:
        RefusedError: the padding is left to the runtime.
    """
    dims, given = len(kernel), call.attributes
    if given.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise RefusedError(f"auto_pad={given['auto_pad']} leaves the padding open; write pads")
    pads = tuple(given.get("pads", [0] * 2 * dims))
    if "kernel_shape" in given and len(given["kernel_shape"]) != dims:
        raise RefusedError(f"kernel_shape={list(given['kernel_shape'])} does not have {dims} dimensions")
    stride, dilation = (tuple(given.get(name, [1] * dims)) for name in ("strides", "dilations"))
    return stride, dilation, (pads[:dims], pads[dims:]), tuple(given.get("output_padding", [0] * dims))
