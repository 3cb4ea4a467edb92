"""The product of two matrices that both depend on the input, as in attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.ir.ops.node import Node
from flow.ir.value import Value

__all__ = ["MatMul"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatMul(Node):
    """`y[.., m, n] = sum_k a[.., m, k] * b[.., k, n]`, `F = Fa + Fb`; axes before the last two agree."""

    op: ClassVar[str] = "matmul"
    arity: ClassVar[int | None] = 2

    def partial_bound(self, *inputs: Value) -> int:
        a, b = inputs
        return a.shape[-1] * a.magnitude * b.magnitude

    def infer(self, *inputs: Value) -> Value:
        a, b = inputs
        fits = len(a.shape) == len(b.shape) >= 2 and a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2]
        if not fits:
            raise self._reject(
                f"input shapes {a.shape} and {b.shape} are not [.., M, K] and [.., K, N] with the same axes in front"
            )
        ends = [m * n for m in (a.low, a.high) for n in (b.low, b.high)]
        terms, shape = a.shape[-1], (*a.shape[:-1], b.shape[-1])
        return Value.exact(shape, a.format.frac + b.format.frac, terms * min(ends), terms * max(ends))
