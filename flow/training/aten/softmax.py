"""Softmax as exact operators and two tables: `exp(-(max - x))`, their sum, its reciprocal, and the product of both.

The maximum comes first, as in every float library: the two-pass form of `flow.formats.two_pass` does without it, but
adds numbers of different exponents, for which the graph has no operator. Since only distances to the maximum are looked
at, and those exactly, adding one number to all inputs changes no bit of the results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from flow.training.aten.arguments import Arguments, shape_of
from flow.training.aten.draft import Draft, Part
from flow.training.calls import Mul, ReduceMax, ReduceSum, Sub, Table
from flow.training.functions import Function

__all__ = ["HANDLERS", "softmax_parts"]


def softmax_parts(
    source: fx.Node | str, sample: tuple[int, ...], axis: int, suffix: str = "", scale: float = 1.0
) -> tuple[Part, ...]:
    """The softmax of `scale * source`.

    Args:
        source: what it reads, a sample of which has the shape `sample`.
        sample: that shape.
        axis: of the sample, along which the results add up to 1.
        suffix: of the last part's name.
        scale: positive; it costs nothing, since it is part of a table.
    """
    reduced = (*sample[:axis], 1, *sample[axis + 1 :])
    inner = {"role": "tables", "saturates": True}
    decay = Function("decay") if scale == 1.0 else Function("decay", (scale,))
    return (
        Part(ReduceMax, (source,), {"axis": axis}, "max", reduced),
        Part(Sub, ("max", source), {"positive": True}, "distance", sample),
        Part(Table, ("distance",), {"function": decay, **inner}, "exp", sample),
        Part(ReduceSum, ("exp",), {"axis": axis}, "sum", reduced),
        Part(Table, ("sum",), {"function": Function("reciprocal"), **inner}, "reciprocal", reduced),
        Part(Mul, ("exp", "reciprocal"), suffix=suffix, shape=sample),
    )


def _softmax(given: Arguments) -> Draft:
    source = given.value("self")
    return Draft(source, softmax_parts(source, shape_of(source)[1:], given.axis()), label="softmax")


HANDLERS: dict[Any, Callable[[Arguments], Draft]] = {torch.ops.aten.softmax.int: _softmax}
