"""Padding and upsampling in what hls4ml has of them: zeros around an image, and repeated rows and columns of one.

Any other axis becomes the height of an image. Zeros between codes are a row behind each of them; codes are cropped by a
convolution per channel whose window has a single one.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from flow.formats import FixedPoint
from flow.ir import Conv2d, Node, Pad, Reshape, Tensor, Upsample, Value

__all__ = ["pad", "upsample"]

Nodes = list[Node]
Sizes = tuple[int, ...]


def pad(node: Pad, types: tuple[Value, ...]) -> Nodes:
    """One step at a time: zeros between codes, then other axes than those of an image, then what is cropped."""
    shape = types[0].shape
    for axis, interior in enumerate(node.interior):
        if interior:
            return _spread(node, shape, axis)
    changed = [axis for axis, ends in enumerate(zip(node.before, node.after, strict=True)) if any(ends)]
    if len(shape) != 3 or 0 in changed:
        return _along(node, shape, changed[0]) if changed else [_shaped(node, node.name, node.inputs[0], shape)]
    return _cropped(node, shape[0]) if min(*node.before, *node.after) < 0 else [node]


def _shaped(node: Node, name: str, source: str, shape: Sizes) -> Node:
    return Reshape(name=name, inputs=(source,), origin=node.origin, shape=shape)


def _at(amounts: Sizes, axis: int, amount: int) -> Sizes:
    return (*amounts[:axis], amount, *amounts[axis + 1 :])


def _rows(node: Node, name: str, source: str, before: int, after: int) -> Node:
    """Rows of zeros above and below an image."""
    return Pad(
        name=name, inputs=(source,), origin=node.origin, before=(0, before, 0), after=(0, after, 0), interior=(0, 0, 0)
    )


def _spread(node: Pad, shape: Sizes, axis: int) -> Nodes:
    """Zeros behind each code along the axis, those behind the last one taken off what else is padded there."""
    image, rows, joined = (f"{node.name}#{part}{axis}" for part in ("each", "zeros", "joined"))
    more, interior = node.interior[axis], _at(node.interior, axis, 0)
    channels, behind = math.prod(shape[: axis + 1]), math.prod(shape[axis + 1 :])
    after = _at(node.after, axis, node.after[axis] - more)
    return [
        _shaped(node, image, node.inputs[0], (channels, 1, behind)),
        _rows(node, rows, image, 0, more),
        _shaped(node, joined, rows, _at(shape, axis, shape[axis] * (more + 1))),
        replace(node, inputs=(joined,), interior=interior, after=after),
    ]


def _along(node: Pad, shape: Sizes, axis: int) -> Nodes:
    """One axis as the height of an image; the others, if any, afterwards."""
    image, padded, joined = (f"{node.name}#{part}{axis}" for part in ("image", "padded", "axis"))
    before, after = node.before[axis], node.after[axis]
    rest = replace(node, inputs=(joined,), before=_at(node.before, axis, 0), after=_at(node.after, axis, 0))
    more = any(rest.before) or any(rest.after)
    height, behind = shape[axis], math.prod(shape[axis + 1 :])
    return [
        _shaped(node, image, node.inputs[0], (math.prod(shape[:axis]), height, behind)),
        _rows(node, padded, image, before, after),
        _shaped(node, joined if more else node.name, padded, _at(shape, axis, before + height + after)),
        *([rest] if more else []),
    ]


def _cropped(node: Pad, channels: int) -> Nodes:
    """Rows and columns taken off an image, before zeros are put around what is left."""
    off = [tuple(max(-size, 0) for size in ends[1:]) for ends in (node.before, node.after)]
    kernel = np.zeros([sum(ends) + 1 for ends in zip(*off, strict=True)], dtype=np.int64)
    kernel[off[0]] = 1
    weight = Tensor(np.tile(kernel, (channels, 1, 1, 1)), FixedPoint(1, 0, signed=False))
    rest = replace(
        node, before=tuple(max(size, 0) for size in node.before), after=tuple(max(size, 0) for size in node.after)
    )
    padded = any(rest.before) or any(rest.after)
    name = f"{node.name}#cropped" if padded else node.name
    crop = Conv2d(name=name, inputs=node.inputs, origin=node.origin, weight=weight, groups=channels)
    return [crop, *([replace(rest, inputs=(name,))] if padded else [])]


def upsample(node: Upsample, types: tuple[Value, ...]) -> Nodes:
    """Axes other than rows and columns of an image, one after another, as its rows."""
    shape = types[0].shape
    if len(shape) == 3 and node.factors[0] == 1:
        return [node]
    axis = next((axis for axis, factor in enumerate(node.factors) if factor > 1), None)
    if axis is None:
        return [_shaped(node, node.name, node.inputs[0], shape)]
    image, repeated, joined = (f"{node.name}#{part}{axis}" for part in ("image", "repeated", "axis"))
    rest = replace(node, inputs=(joined,), factors=_at(node.factors, axis, 1))
    more = max(rest.factors) > 1
    factor, height, behind = node.factors[axis], shape[axis], math.prod(shape[axis + 1 :])
    return [
        _shaped(node, image, node.inputs[0], (math.prod(shape[:axis]), height, behind)),
        Upsample(name=repeated, inputs=(image,), origin=node.origin, factors=(1, factor, 1)),
        _shaped(node, joined if more else node.name, repeated, _at(shape, axis, height * factor)),
        *([rest] if more else []),
    ]
