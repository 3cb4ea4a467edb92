"""Softmax as exact operators and two tables: `exp(-(max - x))`, their sum, its reciprocal, and the product of both.

The maximum comes first, as in every float library: the two-pass form of `flow.formats.two_pass` does without it, but
adds numbers of different exponents, for which the graph has no operator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from flow.training.aten.arguments import Arguments, shape_of
from flow.training.aten.draft import Draft, Part
from flow.training.calls import Mul, ReduceMax, ReduceSum, Sub, Table
from flow.training.functions import Function

__all__ = ["HANDLERS"]


def _softmax(given: Arguments) -> Draft:
    source = given.value("self")
    shape = shape_of(source)
    axis = given.axis()
    sample = shape[1:]
    reduced = (*sample[:axis], 1, *sample[axis + 1 :])
    inner = {"role": "tables", "saturates": True}
    parts = (
        Part(ReduceMax, (source,), {"axis": axis}, "max", reduced),
        Part(Sub, ("max", source), {"positive": True}, "distance"),
        Part(Table, ("distance",), {"function": Function("decay"), **inner}, "exp"),
        Part(ReduceSum, ("exp",), {"axis": axis}, "sum", reduced),
        Part(Table, ("sum",), {"function": Function("reciprocal"), **inner}, "reciprocal", reduced),
        Part(Mul, ("exp", "reciprocal")),
    )
    return Draft(source, parts, label="softmax")


HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {torch.ops.aten.softmax.int: _softmax}
