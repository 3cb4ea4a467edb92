"""Many codes to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.ir.ops.node import AlongAxis, Node
from flow.ir.value import Value

__all__ = ["ArgMax", "ReduceMax", "ReduceSum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMax(Node):
    """`y = the first index whose code is highest`; input [N], result [1]."""

    op: ClassVar[str] = "argmax"

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if len(x.shape) != 1:
            raise self._reject(f"the input must have one axis, not {x.shape}; flatten it first")
        return Value.exact((1,), 0, 0, x.size - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction(AlongAxis):
    """What the reductions share: one axis becomes size 1."""

    def reduced_shape(self, x: Value) -> tuple[int, ...]:
        """The result's shape."""
        self.check_axis(x)
        return (*x.shape[: self.axis], 1, *x.shape[self.axis + 1 :])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceMax(Reduction):
    """`y = the highest code along the axis`."""

    op: ClassVar[str] = "reduce_max"

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        return Value(self.reduced_shape(x), x.format, x.low, x.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceSum(Reduction):
    """`y = the sum of the codes along the axis`."""

    op: ClassVar[str] = "reduce_sum"

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        shape, count = self.reduced_shape(x), x.shape[self.axis]
        return Value.exact(shape, x.format.frac, x.low * count, x.high * count)
