"""The layers with stored weights: how their products are folded onto PE x SIMD multipliers, and what those are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flow.exporters.hls.call import Call, Constant, constant
from flow.exporters.hls.options import LayerOptions, Multiplier
from flow.formats import FixedPoint
from flow.formats.khot import digit_count
from flow.ir import Conv2d, Dense, Linear, ScaleShift, Value

__all__ = ["conv2d", "dense", "folded", "naf_digits", "scale_shift"]

Codes = NDArray[np.int64]

_WAYS = {
    Multiplier.TOOL: "::flow::multiply_by_tool",
    Multiplier.DSP: "::flow::multiply_in_dsp",
    Multiplier.FABRIC: "::flow::multiply_in_fabric",
}


def naf_digits(codes: Codes) -> Codes:
    """The digits of the non-adjacent form of int64[...] codes, int64[..., K]: d for 2**(d-1), -d for -2**(d-1), or 0.

    >>> naf_digits(np.array([7, -12, 0])).tolist()
    [[-1, 4], [3, -5], [0, 0]]
    """
    magnitude, most = np.abs(codes).astype(np.uint64), max(1, int(digit_count(codes, True).max(initial=1)))
    thrice = magnitude + (magnitude << np.uint64(1))
    positive, negative = (thrice & ~magnitude) >> np.uint64(1), (magnitude & ~thrice) >> np.uint64(1)
    found = np.zeros((*codes.shape, most), dtype=np.int64)
    for place in range(most):
        rest = positive | negative
        lowest = rest & (~rest + np.uint64(1))
        power = np.bitwise_count(lowest - np.uint64(1)).astype(np.int64) + 1
        sign = np.where(lowest & negative, -1, 1) * np.where(codes < 0, -1, 1)
        found[..., place] = np.where(lowest == 0, 0, sign * power)
        positive, negative = positive & ~lowest, negative & ~lowest
    return found


def folded(codes: Codes, pe: int, simd: int) -> Codes:
    """The rows of int64[O, T] as the templates read them: int64[O / pe, steps, pe, simd], the last step filled up."""
    outputs, terms = codes.shape
    steps = -(-terms // simd)
    padded = np.zeros((outputs, steps * simd), dtype=np.int64)
    padded[:, :terms] = codes
    return padded.reshape(outputs // pe, pe, steps, simd).transpose(0, 2, 1, 3).copy()


def _multiplied(weight: Constant, multiplier: Multiplier) -> tuple[Constant, dict[str, str]]:
    """The weight as the multiplier reads it, and the multiplier's type."""
    if multiplier is not Multiplier.SHIFT_ADD:
        return weight, {"MULTIPLY": _WAYS[multiplier]}
    digits = naf_digits(weight.codes)
    stored = FixedPoint.holding(min(0, int(digits.min())), max(1, int(digits.max())), 0)
    held = Constant(weight.name, weight.letter, digits, weight.format, f"{weight.axes}, digits", stored)
    return held, {"MULTIPLY": f"::flow::multiply_by_shifts<{digits.shape[-1]}>"}


def _bias(node: Linear, x: Value) -> Constant:
    """The bias; zeros of one bit where there is none, which synthesis removes."""
    if node.bias is not None:
        return Constant("bias", "B", node.bias.codes, node.bias.format, "outputs")
    zeros = np.zeros(node.weight.shape[0], dtype=np.int64)
    return Constant("bias", "B", zeros, FixedPoint(1, node.frac(x), signed=False), "outputs, no bias in the model")


def _weight(node: Linear, codes: Codes, choice: LayerOptions) -> tuple[Constant, dict[str, str]]:
    axes = "outputs / PE, steps, PE, SIMD"
    rows = folded(codes, choice.pe, choice.simd)
    return _multiplied(Constant("weight", "W", rows, node.weight.format, axes), choice.multiplier)


def dense(node: Dense, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    """Template arguments of Dense."""
    outputs, inputs = node.weight.shape
    weight, inner = _weight(node, node.weight.codes, choice)
    sizes = {"INPUTS": inputs, "OUTPUTS": outputs, "PE": choice.pe, "SIMD": choice.simd}
    return Call("flow_dense.h", "dense", constants=(weight, _bias(node, operands[0])), sizes=sizes, inner=inner)


def conv2d(node: Conv2d, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    """Template arguments of Conv2d; the terms of a sum are rows, columns, channels of the window."""
    rows = node.weight.codes.transpose(0, 2, 3, 1).reshape(node.weight.shape[0], -1)
    weight, inner = _weight(node, rows, choice)
    channels, height, width = operands[0].shape
    sizes = {
        "CHANNELS": channels, "HEIGHT": height, "WIDTH": width, "OUTPUTS": node.weight.shape[0],
        "KERNEL_H": node.kernel[0], "KERNEL_W": node.kernel[1], "STRIDE_H": node.stride[0], "STRIDE_W": node.stride[1],
        "PAD_H": node.padding[0], "PAD_W": node.padding[1], "GROUPS": node.groups,
        "PE": choice.pe, "SIMD": choice.simd,
    }  # fmt: skip
    return Call("flow_conv2d.h", "conv2d", constants=(weight, _bias(node, operands[0])), sizes=sizes, inner=inner)


def scale_shift(node: ScaleShift, operands: tuple[Value, ...], result: Value, choice: LayerOptions) -> Call:
    """Template arguments of ScaleShift."""
    channels = result.shape[0]
    scale, inner = _multiplied(constant("scale", "S", node.scale, "channels"), choice.multiplier)
    shift = constant("shift", "T", node.shift, "channels")
    sizes = {"CHANNELS": channels, "POSITIONS": result.size // channels}
    return Call("flow_scale_shift.h", "scale_shift", constants=(scale, shift), sizes=sizes, inner=inner)
