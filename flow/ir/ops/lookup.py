"""Rows of a table by their number, as an embedding reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.ir.ops.node import Node
from flow.ir.value import Tensor, Value

__all__ = ["Lookup"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup(Node):
    """`y[.., d] = rows[x, d]`: for every integer of the input a row, along a new last axis.

    Attributes:
        rows: codes int64[V, D] of the results, for the integers `0 .. V - 1`.
    """

    op: ClassVar[str] = "lookup"

    rows: Tensor

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if len(self.rows.shape) != 2:
            raise self._reject(f"the rows must have two axes, not {self.rows.shape}")
        count, size = self.rows.shape
        if x.format.frac:
            raise self._reject(f"the input of format {x.format} holds no integers; cast it to no fractional bits")
        if x.low < 0 or x.high >= count:
            raise self._reject(f"the rows serve 0..{count - 1}, but the input has {x.low}..{x.high}")
        reached = self.rows.codes[x.low : x.high + 1]
        return Value((*x.shape, size), self.rows.format, int(reached.min()), int(reached.max()))
