"""Windows that slide over one axis or two; what they are padded with are zeros of a call of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from flow.ir.kernels import Spread
from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, in_plane, planar
from flow.training.calls import AvgPool2d, Call, MaxPool2d

__all__ = ["HANDLERS"]

_AXES = {3: "[C, L]", 4: "[C, H, W]"}
_Sizes = tuple[int, ...]
_ATEN = torch.ops.aten
_POSITIVE = (_ATEN.relu.default, _ATEN.relu_.default)


def _source(given: Arguments, ndim: int) -> fx.Node:
    source = given.value("self")
    if len(shape_of(source)) != ndim:
        raise RefusedError(f"its input has the shape {shape_of(source)[1:]} a sample; only {_AXES[ndim]} can be pooled")
    return source


def _sizes(given: Arguments, name: str, ndim: int) -> _Sizes:
    return given.pair(name) if ndim == 4 else (given.single(name),)


def _window(given: Arguments, ndim: int) -> tuple[_Sizes, _Sizes, _Sizes]:
    """Kernel, stride and padding, an entry for each axis they slide along."""
    kernel = _sizes(given, "kernel_size", ndim)
    stride = _sizes(given, "stride", ndim) if given["stride"] else kernel
    source, result = shape_of(_source(given, ndim)), shape_of(given.node)
    padding = _sizes(given, "padding", ndim)
    axes = zip(source[2:], kernel, stride, padding, strict=True)
    whole = tuple((size + 2 * p - k) // s + 1 for size, k, s, p in axes)
    if result[2:] != whole:
        raise RefusedError("ceil_mode makes windows that are cut off at the border; use ceil_mode=False")
    return kernel, stride, padding


def _pooled(
    given: Arguments, kind: type[Call], ndim: int, kernel: _Sizes, stride: _Sizes, padding: _Sizes = ()
) -> Draft:
    ends = in_plane(padding, 0)
    spread = Spread(ends, ends, (0, 0)) if any(padding) else None
    window = {"kernel": in_plane(kernel, 1), "stride": in_plane(stride, 1)}
    return planar(_source(given, ndim), given.node, kind, spread, **window)


def _max_pool(given: Arguments, ndim: int) -> Draft:
    dilation = _sizes(given, "dilation", ndim)
    if any(step != 1 for step in dilation):
        raise RefusedError(f"dilation {dilation}; use dilation 1")
    kernel, stride, padding = _window(given, ndim)
    if any(padding) and _source(given, ndim).target not in _POSITIVE:
        raise RefusedError(f"padding {padding} of values that may be negative; put a ReLU right before it")
    return _pooled(given, MaxPool2d, ndim, kernel, stride, padding)


def _avg_pool(given: Arguments, ndim: int) -> Draft:
    kernel, stride, padding = _window(given, ndim)
    if any(padding) and not given["count_include_pad"]:
        raise RefusedError(f"padding {padding} that its means do not count; use count_include_pad=True")
    divisor = given["divisor_override"] if ndim == 4 else None
    if divisor not in (None, math.prod(kernel)):
        raise RefusedError(f"divisor_override={divisor}; leave it out")
    return _pooled(given, AvgPool2d, ndim, kernel, stride, padding)


def _adaptive_avg_pool(given: Arguments, ndim: int) -> Draft:
    source, result = shape_of(_source(given, ndim)), shape_of(given.node)
    if any(size % out for size, out in zip(source[2:], result[2:], strict=True)):
        raise RefusedError(
            f"output size {result[2:]} does not divide the input size {source[2:]}; choose one that does"
        )
    kernel = tuple(size // out for size, out in zip(source[2:], result[2:], strict=True))
    return _pooled(given, AvgPool2d, ndim, kernel, kernel)


HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    _ATEN.max_pool1d.default: lambda given: _max_pool(given, 3),
    _ATEN.max_pool2d.default: lambda given: _max_pool(given, 4),
    _ATEN.avg_pool1d.default: lambda given: _avg_pool(given, 3),
    _ATEN.avg_pool2d.default: lambda given: _avg_pool(given, 4),
    _ATEN.adaptive_avg_pool1d.default: lambda given: _adaptive_avg_pool(given, 3),
    _ATEN.adaptive_avg_pool2d.default: lambda given: _adaptive_avg_pool(given, 4),
}
