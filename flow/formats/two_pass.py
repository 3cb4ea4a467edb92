"""Softmax in base 2 without a pass for the maximum: each power is kept as a mantissa and an exponent.

After the Two-Pass Softmax of XNNPACK. In fixed point the pair is at hand: the integer part of a code is the exponent,
and a table gives the power of the fraction. Pass 1 sums the pairs at the larger exponent of the two; pass 2 multiplies
by one reciprocal and shifts. An integer added to all inputs moves every exponent by it, and no output bit changes.
The sum is brought back below 2 after each addition, so that it and its reciprocal have as many bits however many inputs
there are; it never falls below one of its terms, so that no result exceeds 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError, FormatError
from flow.formats.fixed_point import FixedPoint

__all__ = ["TwoPassSoftmax"]

_LONGEST_SHIFT = 62


@dataclass(frozen=True, slots=True)
class TwoPassSoftmax:
    """`2**x / sum(2**x)` along the last axis, in integers only.

    `source` is the format of the inputs, of which at most 12 fractional bits address the table; `mantissa` the
    fractional bits of a table's entry, which lies in [1, 2), and of a result.

    >>> softmax = TwoPassSoftmax(FixedPoint(8, 4), mantissa=8)
    >>> softmax(np.array([0, 16, 16, -128]))
    array([ 51, 102, 102,   0])

    Raises:
        FormatError: the table or the mantissa is larger than the integers can carry.
    """

    source: FixedPoint
    mantissa: int = 16

    def __post_init__(self) -> None:
        if self.source.frac > 12:
            raise FormatError(
                f"The inputs of a softmax have at most 12 fractional bits, not those of {self.source}; "
                "cast them before."
            )
        if not 1 <= self.mantissa <= 20:
            raise FormatError(f"The mantissa of a softmax has 1..20 bits, not {self.mantissa}.")

    @property
    def address(self) -> int:
        """Bits of a table's address."""
        return max(self.source.frac, 0)

    @property
    def target(self) -> FixedPoint:
        """The format of the results, 0..1."""
        return FixedPoint(self.mantissa + 1, self.mantissa, signed=False)

    def table(self) -> NDArray[np.int64]:
        """int64[2**address]: `2**(mantissa + fraction)`, rounded, below `2**(mantissa + 1)`."""
        fractions = np.arange(1 << self.address) / (1 << self.address)
        rounded = np.rint(2.0 ** (self.mantissa + fractions)).astype(np.int64)
        return np.minimum(rounded, (2 << self.mantissa) - 1)

    def __call__(self, codes: NDArray[Any]) -> NDArray[np.int64]:
        """Codes of `target`, of the shape of `codes`, which are codes of `source`; each is the floor."""
        given = np.asarray(codes).astype(np.int64)
        if given.size and not self.source.holds(int(given.min()), int(given.max())):
            raise DataError(
                f"The inputs of a softmax must be codes of {self.source}, not {int(given.min())}..{int(given.max())}."
            )
        exponents = (given << max(-self.source.frac, 0)) >> self.address
        powers = self.table()[given & ((1 << self.address) - 1)]
        total, top = self._sum(powers, exponents)
        reciprocal = (2 << 2 * self.mantissa) // total
        found: NDArray[np.int64] = (powers * reciprocal) >> _shift(self.mantissa + 1 + top - exponents)
        return found

    def _sum(self, powers: NDArray[np.int64], exponents: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Pass 1: the sum as a mantissa below `2**(mantissa + 1)` and an exponent, int64[..., 1] each."""
        total, top = powers[..., 0], exponents[..., 0]
        for i in range(1, powers.shape[-1]):
            ahead = exponents[..., i] - top
            total = (total >> _shift(ahead)) + (powers[..., i] >> _shift(-ahead))
            carry = total >> (self.mantissa + 1)
            total, top = total >> carry, np.maximum(top, exponents[..., i]) + carry
        return total[..., None], top[..., None]


def _shift(bits: NDArray[Any]) -> NDArray[Any]:
    """What int64 can be shifted by: beyond it nothing is left in any case."""
    found: NDArray[Any] = np.clip(bits, 0, _LONGEST_SHIFT)
    return found
