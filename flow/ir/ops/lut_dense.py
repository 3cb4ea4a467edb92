"""Sums of truth tables: every term is a function of one input, stored whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flow.ir.ops.linear import row_sums
from flow.ir.ops.node import Node
from flow.ir.value import Tensor, Value

__all__ = ["LutDense"]

_MOST_SHIFT = 62
_MOST_BITS = 8  # of an address: beyond it a table is larger than what it stands for


@dataclass(frozen=True, slots=True, kw_only=True)
class LutDense(Node):
    """`y[.., o] = sum_i tables[o, i, (x[.., i] >> shifts[i]) mod 2**w]`; input [.., I], result [.., O].

    The `w` bits of a code from bit `shifts[i]` on, the sign as its highest bit, are the address of an entry.

    Attributes:
        tables: codes int64[O, I, 2**w].
        shifts: int64[I], of no fractional bits, 0..62.
    """

    op: ClassVar[str] = "lut_dense"

    tables: Tensor
    shifts: Tensor

    @property
    def address(self) -> int:
        """`w`, the bits of an address."""
        return self.tables.shape[2].bit_length() - 1

    def steps(self, x: Value) -> NDArray[np.int64]:
        """int64[I]: by what a code is divided, rounded down, before its address is its lowest bits."""
        found: NDArray[np.int64] = np.int64(1) << np.minimum(self.shifts.codes, x.format.width)
        return found

    def addresses(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[.., I] codes of the input -> the entry that each of them reads."""
        found: NDArray[np.int64] = (codes >> self.shifts.codes) & (self.tables.shape[2] - 1)
        return found

    def reached(self, x: Value) -> NDArray[np.bool_]:
        """bool[I, 2**w]: the entries that codes within the range of the input can read."""
        found = np.zeros(self.tables.shape[1:], dtype=np.bool_)
        for row, shift in zip(found, self.shifts.codes.tolist(), strict=True):
            first, last = x.low >> shift, x.high >> shift
            row[np.arange(first, min(last, first + len(row) - 1) + 1) % len(row)] = True
        return found

    def partial_bound(self, *inputs: Value) -> int:
        return max(row_sums(np.abs(self.tables.codes).max(axis=2)))

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        self._check(x)
        reached, codes = self.reached(x), self.tables.codes
        ends = np.iinfo(np.int64)
        low = min(row_sums(np.where(reached, codes, ends.max).min(axis=2)))
        high = max(row_sums(np.where(reached, codes, ends.min).max(axis=2)))
        return Value.exact((*x.shape[:-1], self.tables.shape[0]), self.tables.format.frac, low, high)

    def _check(self, x: Value) -> None:
        shape = self.tables.shape
        if len(shape) != 3 or min(shape) < 1 or x.shape[-1:] != shape[1:2]:
            raise self._reject(
                f"tables of shape {shape} do not match input {x.shape}; they are [outputs, inputs, 2**w]"
            )
        if shape[2] != 1 << self.address or not 1 <= self.address <= _MOST_BITS:
            raise self._reject(f"a table has 2**w entries for w of 1..{_MOST_BITS} bits, not {shape[2]}")
        shifts = self.shifts
        codes = shifts.codes
        if shifts.shape != shape[1:2] or shifts.format.frac or codes.min() < 0 or codes.max() > _MOST_SHIFT:
            raise self._reject(
                f"shifts are {shape[1]} numbers of bits in 0..{_MOST_SHIFT}, not {shifts} of {codes.ravel().tolist()}"
            )
