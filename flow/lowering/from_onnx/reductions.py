"""One value instead of those along an axis of a sample."""

from __future__ import annotations

from typing import Any

from flow.ir import ReduceMax, ReduceSum
from flow.lowering.from_onnx.draft import Draft
from flow.lowering.from_onnx.file import Call
from flow.lowering.from_onnx.linear import signal
from flow.lowering.from_onnx.shapes import reduced_axes
from flow.lowering.from_onnx.tracked import RefusedError, Signal, Tracked

__all__ = ["reduce_max", "reduce_sum"]


def reduce_max(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX ReduceMax along axes behind the batch."""
    return _reduced(d, call, operands, ReduceMax)


def reduce_sum(d: Draft, call: Call, operands: tuple[Tracked, ...]) -> Tracked:
    """ONNX ReduceSum along axes behind the batch."""
    return _reduced(d, call, operands, ReduceSum)


def _reduced(d: Draft, call: Call, operands: tuple[Tracked, ...], kind: Any) -> Signal:
    x = signal(operands)
    axes = reduced_axes(call, operands, len(d.value(x).shape) + 1)
    if not axes or 0 in axes:
        raise RefusedError("it reduces the batch; name axes behind it")
    if x.unit.size > 1:
        raise RefusedError("it reduces values with a scale per channel; quantise per tensor")
    node = x.node
    for axis in axes:
        node = d.emit(kind, node, axis=axis - 1)
    kept = tuple(n for axis, n in enumerate(d.types[node].shape, start=1) if axis not in axes)
    if call.attributes.get("keepdims", 1):
        return Signal(node, x.unit)
    if not kept:
        raise RefusedError("it leaves no axis behind the batch; keep them by keepdims=1")
    return Signal(d.reshape(node, kept), x.unit)
