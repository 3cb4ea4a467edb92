"""Operators that ONNX writes alike for integer codes and for real values."""

from __future__ import annotations

import numpy as np

from flow.exporters.onnx_builder import Builder
from flow.ir import ReduceMax, ReduceSum, Reshape, Slice, Transpose, Value

__all__ = ["reduce_max", "reduce_sum", "reshape", "slice_axes", "transpose"]

Types = tuple[Value, ...]


def reduce_max(b: Builder, node: ReduceMax, types: Types, x: str) -> str:
    """ReduceMax over one axis, which stays."""
    return b.op("ReduceMax", x, np.array([node.axis + 1]), keepdims=1)


def reduce_sum(b: Builder, node: ReduceSum, types: Types, x: str) -> str:
    """ReduceSum over one axis, which stays."""
    return b.op("ReduceSum", x, np.array([node.axis + 1]), keepdims=1)


def reshape(b: Builder, node: Reshape, types: Types, x: str) -> str:
    """Reshape of a sample."""
    return b.op("Reshape", x, np.array([0, *node.shape]))


def slice_axes(b: Builder, node: Slice, types: Types, x: str) -> str:
    """Slice of the axes of a sample."""
    axes = np.arange(1, len(node.starts) + 1)
    return b.op("Slice", x, np.array(node.starts), np.array(node.stops), axes, np.array(node.steps))


def transpose(b: Builder, node: Transpose, types: Types, x: str) -> str:
    """Transpose of the axes of a sample."""
    return b.op("Transpose", x, perm=[0, *(axis + 1 for axis in node.order)])
