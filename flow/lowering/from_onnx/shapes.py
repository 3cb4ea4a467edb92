"""Poolings, shapes, and the nodes that change nothing."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.formats import FixedPoint
from flow.ir import ArgMax, AvgPool2d, Flatten, MaxPool2d, Node, Pad, Tensor
from flow.lowering.from_onnx.convolutions import sizes_of
from flow.lowering.from_onnx.draft import Draft
from flow.lowering.from_onnx.exact import exponent
from flow.lowering.from_onnx.file import Call
from flow.lowering.from_onnx.linear import signal
from flow.lowering.from_onnx.quant_nodes import parameter
from flow.lowering.from_onnx.tracked import RefusedError, Signal, Tracked

__all__ = [
    "argmax", "average_pool", "cast", "flatten", "global_average_pool", "max_pool", "reduce_mean", "reduced_axes",
    "reshape", "reshaped", "same", "squeeze", "unsqueeze",
]  # fmt: skip

Shape = tuple[int, ...]


def same(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """Identity, and Dropout in inference."""
    return operands[0]


def cast(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Cast to floats, which are taken as exact, and to integers that hold every value."""
    x, number = signal(operands), call.attributes["to"]
    if number.kind != "f" and not _are_integers(d, x, number):
        raise RefusedError(f"{number} does not hold every value of {d.value(x).format}; put a Quant before it")
    return x


def _are_integers(d: Draft, x: Signal, number: np.dtype[Any]) -> bool:
    """Whether the values are integers of a number type."""
    if number.kind not in "iu":
        return False
    value, limits = d.value(x), np.iinfo(number)
    steps = [unit * value.format.step for unit in x.unit.reshape(-1)]
    return all(
        step.denominator == 1 and limits.min <= value.low * step and value.high * step <= limits.max for step in steps
    )


def reshaped(d: Draft, x: Signal, shape: Shape) -> Signal:
    """The same codes in another shape, the units per channel following them."""
    before = d.value(x).shape
    unit = x.unit
    if unit.size > 1 and shape[0] != before[0]:
        if shape[0] % before[0] or math.prod(before) != shape[0] * math.prod(shape[1:]):
            raise RefusedError("it moves values with a scale per channel; quantise per tensor")
        unit = np.repeat(unit, shape[0] // before[0])
    node = d.emit(Flatten, x.node) if len(shape) == 1 < len(before) else d.reshape(x.node, shape)
    return Signal(node, unit)


def flatten(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Flatten behind the batch."""
    x = signal(operands)
    if call.attributes.get("axis", 1) not in (1, -len(d.value(x).shape)):
        raise RefusedError(f"axis={call.attributes['axis']} mixes samples or keeps axes; use axis=1")
    return reshaped(d, x, (d.value(x).size,))


def reshape(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Reshape that keeps the batch apart."""
    x, wanted = signal(operands), [int(n) for n in parameter(operands, 1, "shape").reshape(-1)]
    before = d.value(x).shape
    copied = [before[i - 1] if n == 0 and 0 < i <= len(before) else n for i, n in enumerate(wanted)]
    rest = [n for n in copied[1:] if n != -1]
    if copied[1:].count(-1) == 1 and math.prod(rest) and copied[0] != -1:
        copied[1:] = [d.value(x).size // math.prod(rest) if n == -1 else n for n in copied[1:]]
    if copied[0] not in (0, -1, d.source.batch or 0) or math.prod(copied[1:]) != d.value(x).size or len(copied) < 2:
        raise RefusedError(f"its shape {wanted} does not keep the batch apart from samples of {list(before)}")
    return reshaped(d, x, tuple(copied[1:]))


def reduced_axes(call: Call, operands: tuple[Tracked, ...], rank: int) -> list[int]:
    """Axes that an attribute or a second operand names, the batch being 0; none where neither is there."""
    given = call.attributes.get("axes")
    if given is None and len(operands) > 1 and operands[1] is not None:
        given = parameter(operands, 1, "axes").reshape(-1).tolist()
    return sorted(int(axis) % rank for axis in given or [])


def squeeze(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Squeeze of axes behind the batch."""
    x = signal(operands)
    shape = d.value(x).shape
    axes = reduced_axes(call, operands, len(shape) + 1) or [i + 1 for i, n in enumerate(shape) if n == 1]
    kept = tuple(n for i, n in enumerate(shape, start=1) if i not in axes)
    if 0 in axes or math.prod(kept) != math.prod(shape) or not kept:
        raise RefusedError(f"axes={axes} of {list(shape)} are the batch, not of size 1, or all there are")
    return reshaped(d, x, kept)


def unsqueeze(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX Unsqueeze behind the batch."""
    x = signal(operands)
    shape = list(d.value(x).shape)
    given = call.attributes.get("axes") or parameter(operands, 1, "axes").reshape(-1).tolist()
    axes = sorted(int(axis) % (len(shape) + 1 + len(given)) for axis in given)
    if 0 in axes:
        raise RefusedError("it puts an axis before the batch; put it behind")
    for axis in axes:
        shape.insert(axis - 1, 1)
    return reshaped(d, x, tuple(shape))


def _pool(d: Draft, x: Signal, kernel: Shape, stride: Shape, kind: type[Node], **more: Any) -> str:
    """A pooling in two dimensions, or in one as a window of height 1."""
    shape = d.value(x).shape
    if len(shape) != len(kernel) + 1 or len(kernel) not in (1, 2):
        raise RefusedError(f"its window {list(kernel)} does not fit samples of {list(shape)}; only 1-D and 2-D do")
    if len(kernel) == 2:
        return d.emit(kind, x.node, kernel=kernel, stride=stride, **more)
    flat = d.reshape(x.node, (shape[0], 1, shape[1]))
    made = d.emit(kind, flat, kernel=(1, *kernel), stride=(1, *stride), **more)
    return d.reshape(made, (shape[0], d.types[made].shape[2]))


def _window(d: Draft, call: Call, x: Signal, against: str) -> tuple[Signal, Shape, Shape]:
    """The value that a window slides over, zeros around it, then its kernel and its stride.

    Raises:
        RefusedError: the window is dilated or hangs over the edge, or is padded although something is `against` zeros.
    """
    kernel = tuple(call.attributes["kernel_shape"])
    stride, dilation, (before, after), _ = sizes_of(call, kernel)
    if max(dilation) > 1:
        raise RefusedError(f"dilations={list(dilation)} of a pooling are not supported; use 1")
    if any((*before, *after)):
        if against:
            raise RefusedError(f"pads={[*before, *after]} {against}")
        amounts = {"before": (0, *before), "after": (0, *after), "interior": (0,) * (len(kernel) + 1)}
        x = Signal(d.emit(Pad, x.node, **amounts), x.unit)
    sizes = zip(d.value(x).shape[1:], kernel, stride, strict=False)
    if call.attributes.get("ceil_mode", 0) and any((n - k) % s for n, k, s in sizes):
        raise RefusedError("ceil_mode=1 lets the window hang over the edge; use sizes that it fits")
    return x, kernel, stride


def max_pool(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX MaxPool, with padding where no value is negative, so that zeros are never the highest but beside zeros."""
    x = signal(operands)
    negative = "of values that may be negative; put a Relu before it" if d.value(x).low < 0 else ""
    x, kernel, stride = _window(d, call, x, negative)
    return Signal(_pool(d, x, kernel, stride, MaxPool2d), x.unit)


def average_pool(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX AveragePool, with padding where it counts."""
    uncounted = "" if call.attributes.get("count_include_pad", 0) else "that its means do not count; pad before it"
    x, kernel, stride = _window(d, call, signal(operands), uncounted)
    return _average(d, x, kernel, stride)


def global_average_pool(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX GlobalAveragePool."""
    x = signal(operands)
    kernel = d.value(x).shape[1:]
    return _average(d, x, kernel, (1,) * len(kernel))


def reduce_mean(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX ReduceMean over all axes behind the channels."""
    x = signal(operands)
    shape = d.value(x).shape
    if reduced_axes(call, operands, len(shape) + 1) != list(range(2, len(shape) + 1)):
        raise RefusedError("it must average over all axes behind the channels")
    mean = _average(d, x, shape[1:], (1,) * (len(shape) - 1))
    return mean if call.attributes.get("keepdims", 1) else reshaped(d, mean, shape[:1])


def _average(d: Draft, x: Signal, kernel: Shape, stride: Shape) -> Signal:
    """The exact sum times the reciprocal of the window's size, which is the unit's where it is no power of two."""
    size = Fraction(1, math.prod(kernel))
    shift = exponent(size)
    if shift is None:
        d.need_power(f"mean of {math.prod(kernel)} values, a factor of", size)
    scale = Tensor(np.array(1), FixedPoint(1, -(shift or 0), signed=False))
    unit: NDArray[Any] = x.unit if shift is not None else np.asarray(x.unit * size, dtype=object)
    return Signal(_pool(d, x, kernel, stride, AvgPool2d, scale=scale), unit)


def argmax(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX ArgMax over the only axis of a sample; the first of equal ones."""
    x = signal(operands)
    rank = len(d.value(x).shape) + 1
    if call.attributes.get("axis", 0) % rank != 1 or rank != 2 or call.attributes.get("select_last_index", 0):
        raise RefusedError("it must pick the first highest value along the only axis behind the batch")
    if x.unit.size > 1:
        raise RefusedError("it compares values with a scale per channel; put a Quant with one scale before it")
    return Signal(d.emit(ArgMax, x.node), np.array(Fraction(1), dtype=object))
