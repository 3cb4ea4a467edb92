"""The same codes in another shape, and what changes nothing in eval mode."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, one, padded_shape, passed_on
from flow.training.calls import Flatten, Pad, Reshape, Upsample

__all__ = ["HANDLERS"]


def _reshape(given: Arguments) -> Draft:
    source = given.value("self")
    before, after = shape_of(source), shape_of(given.node)
    if before == after:
        return passed_on(source)
    if len(after) < 2 or before[0] != after[0]:
        raise RefusedError(f"shape {before} becomes {after}; keep the first axis, that of the batch")
    kind = Flatten if after[1:] == (math.prod(before[1:]),) else Reshape
    return replace(one(kind, source), shares=True)


def _pad(given: Arguments) -> Draft:
    """Amounts are listed from the last axis on, both ends of one after the other."""
    source, listed = given.value("self"), list(given["pad"])
    if given["mode"] != "constant" or given["value"] not in (None, 0):
        found = f"value={given['value']}" if given["mode"] == "constant" else f"mode={given['mode']!r}"
        raise RefusedError(f"{found} pads other numbers than zeros; pad with zeros")
    axes = len(shape_of(source))
    ends = [tuple(reversed((*listed[side::2], *[0] * (axes - len(listed) // 2)))) for side in (0, 1)]
    if ends[0][0] or ends[1][0]:
        raise RefusedError(f"pad={listed} changes the first axis, that of the batch; keep it")
    amounts = {"before": ends[0][1:], "after": ends[1][1:], "interior": (0,) * (axes - 1)}
    padded_shape(shape_of(source)[1:], **amounts)  # refuses what crops everything
    return one(Pad, source, **amounts)


def _upsample(given: Arguments) -> Draft:
    source = given.value("input")
    before, after = shape_of(source)[1:], shape_of(given.node)[1:]
    factors = tuple(large // small for small, large in zip(before, after, strict=True))
    asked = given["scale_factors"] or factors[1:]
    exact = all(small * factor == large for small, factor, large in zip(before, factors, after, strict=True))
    if not exact or tuple(asked) != factors[1:]:
        raise RefusedError(f"a sample of {before} becomes {after}; only whole factors repeat every value alike")
    return one(Upsample, source, factors=factors)


def _dropout(given: Arguments) -> Draft:
    if given["train"]:
        raise RefusedError("it is active in eval mode; pass training=self.training")
    return passed_on(given.value("input"))


def _pass_on(given: Arguments) -> Draft:
    return passed_on(given.value("self"))


def _copy(given: Arguments) -> Draft:
    return passed_on(given.value("self"), shares=False)


_ATEN = torch.ops.aten
HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    **dict.fromkeys(
        (
            _ATEN.flatten.using_ints,
            _ATEN.view.default,
            _ATEN.reshape.default,
            _ATEN.unflatten.int,
            _ATEN.unsqueeze.default,
            _ATEN.squeeze.dim,
            _ATEN.squeeze.dims,
            _ATEN.squeeze.default,
        ),
        _reshape,
    ),
    _ATEN.pad.default: _pad,
    **dict.fromkeys(
        (
            _ATEN.upsample_nearest1d.vec,
            _ATEN.upsample_nearest2d.vec,
            _ATEN._upsample_nearest_exact1d.vec,
            _ATEN._upsample_nearest_exact2d.vec,
        ),
        _upsample,
    ),
    **dict.fromkeys((_ATEN.dropout.default, _ATEN.dropout_.default), _dropout),
    **dict.fromkeys((_ATEN.feature_dropout.default, _ATEN.feature_dropout_.default), _dropout),
    **dict.fromkeys((_ATEN.alias.default, _ATEN.contiguous.default), _pass_on),
    _ATEN.clone.default: _copy,
}
