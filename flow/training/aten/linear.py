"""Products with constants, and BatchNorm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, one, planar
from flow.training.calls import BatchNorm, Conv2d, Dense

__all__ = ["HANDLERS"]


def _linear(given: Arguments) -> Draft:
    source = given.value("input")
    if len(shape_of(source)) != 2:
        raise RefusedError(f"its input has the shape {shape_of(source)[1:]} a sample; flatten it to one axis first")
    return one(Dense, source, weight=given.constant("weight"), bias=given.constant_or_none("bias"))


def _constants(given: Arguments) -> dict[str, Any]:
    weight, bias = given.constant("weight"), given.constant_or_none("bias")
    return {"weight": weight, "bias": bias, "groups": given["groups"]}


def _convolution(given: Arguments, padding: tuple[int, int]) -> Draft:
    if given.pair("dilation") != (1, 1):
        raise RefusedError(f"dilation {given.pair('dilation')}; use dilation 1")
    window = {"stride": given.pair("stride"), "padding": padding}
    return one(Conv2d, given.value("input"), **_constants(given), **window)


def _convolution_1d(given: Arguments, padding: int) -> Draft:
    if given.single("dilation") != 1:
        raise RefusedError(f"dilation {given.single('dilation')}; use dilation 1")
    source = given.value("input")
    if len(shape_of(source)) != 3:
        raise RefusedError(f"its input has the shape {shape_of(source)[1:]} a sample; only [C, L] can be convolved")
    window = {"stride": (1, given.single("stride")), "padding": (0, padding)}
    return planar(source, given.node, Conv2d, **_constants(given), **window)


def _paddings(given: Arguments) -> tuple[int, ...]:
    """What the words 'valid' and 'same' mean, an entry for each axis of the kernel."""
    kernel = shape_of(given["weight"])[2:]
    if given["padding"] == "valid":
        return (0,) * len(kernel)
    if any(size % 2 == 0 for size in kernel):
        raise RefusedError(f"padding 'same' with the even kernel {kernel} pads one side more; use odd sizes")
    return tuple(size // 2 for size in kernel)


def _conv2d_padding(given: Arguments) -> Draft:
    height, width = _paddings(given)
    return _convolution(given, (height, width))


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
    _ATEN.conv1d.default: lambda given: _convolution_1d(given, given.single("padding")),
    _ATEN.conv1d.padding: lambda given: _convolution_1d(given, _paddings(given)[0]),
    _ATEN.conv2d.default: lambda given: _convolution(given, given.pair("padding")),
    _ATEN.conv2d.padding: _conv2d_padding,
    _ATEN.batch_norm.default: _batch_norm,
}
