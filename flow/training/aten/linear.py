"""Products with constants, and BatchNorm."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import fx

from flow.ir.kernels import shared_padding, transposed_padding
from flow.ir.ops import keeps_order
from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, Part, in_plane, one, planar
from flow.training.calls import BatchNorm, Conv2d, Dense, Reshape, Transpose

__all__ = ["HANDLERS"]


def _linear(given: Arguments) -> Draft:
    source = given.value("input")
    constants = {"weight": given.constant("weight"), "bias": given.constant_or_none("bias")}
    return one(Dense, source, **constants) if len(shape_of(source)) == 2 else _rows(source, given.node, constants)


def _rows(source: fx.Node, node: fx.Node, constants: dict[str, Any]) -> Draft:
    """A Linear of each row of [..., I]: a convolution of single places of an image [I, 1, rows].

    The channels of an image's place follow one another in a stream, as a row's values do, and in torch's memory too.
    """
    *axes, terms = shape_of(source)[1:]
    rows, results = math.prod(axes), shape_of(node)[-1]
    parts = (
        Part(Reshape, (source,), suffix="rows", shape=(1, rows, terms), prepares=True),
        _turned("rows", "image", (1, rows, terms), (2, 0, 1), prepares=True),
        Part(Conv2d, ("image",), constants, shape=(results, 1, rows)),
        _turned("", "places", (results, 1, rows), (1, 2, 0), prepares=False),
        Part(Reshape, ("places",), suffix="joined"),
    )
    return Draft(source, parts)


def _turned(source: str, suffix: str, shape: tuple[int, int, int], order: tuple[int, ...], prepares: bool) -> Part:
    """A value of the shape with its axes in another order; a reshape where no code has to move."""
    turned = tuple(shape[axis] for axis in order)
    kind, fields = (Reshape, {}) if keeps_order(shape, order) else (Transpose, {"order": order})
    return Part(kind, (source,), fields, suffix=suffix, shape=turned, prepares=prepares)


def _constants(given: Arguments) -> dict[str, Any]:
    weight, bias = given.constant("weight"), given.constant_or_none("bias")
    return {"weight": weight, "bias": bias, "groups": given["groups"]}


def _source(given: Arguments) -> tuple[fx.Node, int]:
    """What a convolution reads, and how many axes its kernel slides along."""
    source, axes = given.value("input"), len(shape_of(given["weight"])) - 2
    if len(shape_of(source)) != axes + 2:
        held = "[C, L]" if axes == 1 else "[C, H, W]"
        raise RefusedError(f"its input has the shape {shape_of(source)[1:]} a sample; only {held} can be convolved")
    return source, axes


def _sizes(given: Arguments, name: str, axes: int) -> tuple[int, ...]:
    return given.pair(name) if axes == 2 else (given.single(name),)


def _convolution(given: Arguments) -> Draft:
    source, axes = _source(given)
    before, after = _paddings(given, axes)
    spread, padding = shared_padding(in_plane(before, 0), in_plane(after, 0), (0, 0))
    stride, dilation = (in_plane(_sizes(given, name, axes), 1) for name in ("stride", "dilation"))
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    return planar(source, given.node, Conv2d, spread, **_constants(given), **window)


def _paddings(given: Arguments, axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Zeros before and after, an entry for each axis; of the word 'same', the odd one stands behind."""
    if not isinstance(given["padding"], str):
        both = _sizes(given, "padding", axes)
        return both, both
    if given["padding"] == "valid":
        return (0,) * axes, (0,) * axes
    sizes = zip(shape_of(given["weight"])[2:], _sizes(given, "dilation", axes), strict=True)
    total = [(size - 1) * step for size, step in sizes]
    return tuple(size // 2 for size in total), tuple(size - size // 2 for size in total)


def _transposed(given: Arguments) -> Draft:
    """A convolution over the input with zeros between its values, the kernel turned; see `flow.ir.kernels`."""
    source, axes = _source(given)
    names = ("stride", "dilation", "padding", "output_padding")
    stride, dilation, padding, more = (_sizes(given, name, axes) for name in names)
    kernel = in_plane(shape_of(given["weight"])[2:], 1)
    stride, dilation = in_plane(stride, 1), in_plane(dilation, 1)
    cut = in_plane(padding, 0)
    spread, own = transposed_padding(kernel, stride, dilation, (cut, cut), in_plane(more, 0))
    made = planar(source, given.node, Conv2d, spread, **_constants(given), padding=own, dilation=dilation)
    return replace(made, transposed=given["groups"])


def _batch_norm(given: Arguments) -> Draft:
    if given["training"] or given["running_mean"] is None or given["running_var"] is None:
        raise RefusedError("it uses the statistics of the batch; track running statistics and export in eval mode")
    return one(
        BatchNorm,
        given.value("input"),
        mean=given.constant("running_mean"),
        variance=given.constant("running_var"),
        gamma=given.constant_or_none("weight"),
        beta=given.constant_or_none("bias"),
        eps=float(given["eps"]),
    )


_ATEN = torch.ops.aten
HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    _ATEN.linear.default: _linear,
    **dict.fromkeys(
        (_ATEN.conv1d.default, _ATEN.conv1d.padding, _ATEN.conv2d.default, _ATEN.conv2d.padding), _convolution
    ),
    **dict.fromkeys((_ATEN.conv_transpose1d.default, _ATEN.conv_transpose2d.input), _transposed),
    _ATEN.batch_norm.default: _batch_norm,
}
