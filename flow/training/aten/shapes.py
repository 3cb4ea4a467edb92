"""The same codes in another shape, and what changes nothing in eval mode."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from flow.training.aten.arguments import Arguments, RefusedError, shape_of
from flow.training.aten.draft import Draft, one, passed_on
from flow.training.calls import Flatten, Reshape

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
    **dict.fromkeys((_ATEN.dropout.default, _ATEN.dropout_.default), _dropout),
    **dict.fromkeys((_ATEN.feature_dropout.default, _ATEN.feature_dropout_.default), _dropout),
    **dict.fromkeys((_ATEN.alias.default, _ATEN.contiguous.default), _pass_on),
    _ATEN.clone.default: _copy,
}
