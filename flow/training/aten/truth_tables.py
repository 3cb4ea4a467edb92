"""Layers of functions that become truth tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from flow.training import lut_layer
from flow.training.aten.arguments import Arguments
from flow.training.aten.draft import Draft, one
from flow.training.calls import LutDense

__all__ = ["HANDLERS"]


def _lut_dense(given: Arguments) -> Draft:
    functions = tuple(given.constant(name) for name in ("weight", "slopes", "offsets", "heights"))
    return one(LutDense, given.value("x"), functions=functions)


HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {
    getattr(torch.ops.flow, lut_layer.OPERATOR).default: _lut_dense,
}
