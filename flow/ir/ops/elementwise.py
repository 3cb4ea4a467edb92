"""One value or two of matching places: sums, products, tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.ir.ops.node import Node
from flow.ir.value import Tensor, Value

__all__ = ["Add", "Mul", "Relu", "Sub", "Table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu(Node):
    """`y = max(x, 0)`."""

    op: ClassVar[str] = "relu"

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        return Value.exact(x.shape, x.format.frac, max(x.low, 0), max(x.high, 0))


def _sum_bound(inputs: tuple[Value, ...]) -> int:
    """The partial bound of a sum or difference: its terms at their common binary point."""
    frac = max(value.format.frac for value in inputs)
    return sum(value.magnitude << (frac - value.format.frac) for value in inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Node):
    """`y = a << (F - Fa) + b << (F - Fb)` with `F = max(Fa, Fb)`; both inputs of one shape."""

    op: ClassVar[str] = "add"
    arity: ClassVar[int | None] = 2

    def partial_bound(self, *inputs: Value) -> int:
        return _sum_bound(inputs)

    def infer(self, *inputs: Value) -> Value:
        a, b = inputs
        if a.shape != b.shape:
            raise self._reject(f"input shapes {a.shape} and {b.shape} differ; broadcast before the addition")
        frac = max(a.format.frac, b.format.frac)
        lift_a, lift_b = frac - a.format.frac, frac - b.format.frac
        return Value.exact(
            a.shape, frac, (a.low << lift_a) + (b.low << lift_b), (a.high << lift_a) + (b.high << lift_b)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast(Node):
    """Two inputs of equally many axes; where one has size 1 it stands for every place of the other."""

    arity: ClassVar[int | None] = 2

    def result_shape(self, a: Value, b: Value) -> tuple[int, ...]:
        """The longer of the two, axis by axis."""
        fits = len(a.shape) == len(b.shape) and all(
            m == n or 1 in (m, n) for m, n in zip(a.shape, b.shape, strict=True)
        )
        if not fits:
            raise self._reject(f"input shapes {a.shape} and {b.shape} do not match; each axis must agree or be 1")
        return tuple(n if m == 1 else m for m, n in zip(a.shape, b.shape, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sub(Broadcast):
    """`y = a << (F - Fa) - b << (F - Fb)` with `F = max(Fa, Fb)`."""

    op: ClassVar[str] = "sub"

    def partial_bound(self, *inputs: Value) -> int:
        return _sum_bound(inputs)

    def infer(self, *inputs: Value) -> Value:
        a, b = inputs
        frac = max(a.format.frac, b.format.frac)
        lift_a, lift_b = frac - a.format.frac, frac - b.format.frac
        low, high = (a.low << lift_a) - (b.high << lift_b), (a.high << lift_a) - (b.low << lift_b)
        return Value.exact(self.result_shape(a, b), frac, low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mul(Broadcast):
    """`y = a * b`, `F = Fa + Fb`."""

    op: ClassVar[str] = "mul"

    def infer(self, *inputs: Value) -> Value:
        a, b = inputs
        ends = [m * n for m in (a.low, a.high) for n in (b.low, b.high)]
        return Value.exact(self.result_shape(a, b), a.format.frac + b.format.frac, min(ends), max(ends))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Node):
    """`y = entries[x - first]`: any function of one code, such as a sigmoid.

    Attributes:
        entries: codes int64[N] of the results, for the inputs `first .. first + N - 1`.
        first: the input code of the first entry.
    """

    op: ClassVar[str] = "table"

    entries: Tensor
    first: int

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if len(self.entries.shape) != 1:
            raise self._reject(f"the entries must have one axis, not {self.entries.shape}")
        last = self.first + self.entries.shape[0] - 1
        if x.low < self.first or x.high > last:
            raise self._reject(f"the entries serve codes {self.first}..{last}, but the input has {x.low}..{x.high}")
        reached = self.entries.codes[x.low - self.first : x.high - self.first + 1]
        return Value(x.shape, self.entries.format, int(reached.min()), int(reached.max()))
