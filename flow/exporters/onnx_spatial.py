"""Padding as nodes of ONNX, which both dialects share."""

from __future__ import annotations

import numpy as np

from flow.exporters.onnx_builder import Builder
from flow.ir import Pad, Value

__all__ = ["pad"]


def pad(b: Builder, node: Pad, types: tuple[Value, ...], x: str) -> str:
    """ONNX pads both ends, and crops where negative; zeros between codes stand behind each, on an axis of its own."""
    shape, after = types[0].shape, node.after
    if any(node.interior):
        split = tuple(size for pair in ((size, 1) for size in shape) for size in pair)
        behind = [more for pair in ((0, more) for more in node.interior) for more in pair]
        widened = tuple(size + more for size, more in zip(split, behind, strict=True))
        spread = tuple(size * (more + 1) for size, more in zip(shape, node.interior, strict=True))
        x = b.shaped("Reshape", split, x, np.array([0, *split]))
        x = b.shaped("Pad", widened, x, np.array([0] * (len(split) + 2) + behind))
        x = b.shaped("Reshape", spread, x, np.array([0, *spread]))
        after = tuple(last - more for last, more in zip(after, node.interior, strict=True))
    if any(node.before) or any(after):
        x = b.op("Pad", x, np.array([0, *node.before, 0, *after]))
    return x
