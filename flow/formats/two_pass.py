"""Softmax in base 2 without a pass for the maximum: each power is kept as a mantissa and an exponent.

After the Two-Pass Softmax of XNNPACK. In fixed point the pair is at hand: the integer part of a code is the exponent,
and a table gives the power of the fraction. Pass 1 sums the pairs at the larger exponent of the two; pass 2 multiplies
by one reciprocal and shifts. An integer added to all inputs moves every exponent by it, and no output bit changes.
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

    `source` is the format of the inputs, of which at most 12 fractional bits address the table; `target` that of the
    outputs; `mantissa` the fractional bits of a table entry, which lies in [1, 2).

    >>> softmax = TwoPassSoftmax(FixedPoint(8, 4), FixedPoint(8, 8, signed=False), mantissa=10)
    >>> softmax(np.array([0, 16, 16, -128]))
    array([ 51, 102, 102,   0])

    Raises:
        FormatError: the table or the mantissa is larger than the integers can carry.
    """

    source: FixedPoint
    target: FixedPoint
    mantissa: int = 16

    def __post_init__(self) -> None:
        if not 0 <= self.source.frac <= 12:
            raise FormatError(f"The inputs of a softmax table have 0..12 fractional bits, not those of {self.source}.")
        if not 1 <= self.mantissa <= 20:
            raise FormatError(f"The mantissa of a softmax table has 1..20 bits, not {self.mantissa}.")
        if not 0 <= self.target.frac <= 3 * self.mantissa:
            raise FormatError(
                f"The outputs of a softmax have at most three times the bits of its mantissa, 0..{3 * self.mantissa}, "
                f"as fractional bits, not those of {self.target}."
            )

    def table(self) -> NDArray[np.int64]:
        """int64[2**source.frac]: `2**(mantissa + fraction)`, rounded."""
        fractions = np.arange(1 << self.source.frac) / (1 << self.source.frac)
        return np.rint(2.0 ** (self.mantissa + fractions)).astype(np.int64)

    def __call__(self, codes: NDArray[Any]) -> NDArray[np.int64]:
        """Codes of `target`, of the shape of `codes`, which are codes of `source`; each is the floor, saturated."""
        given = np.asarray(codes).astype(np.int64)
        if given.size and not self.source.holds(int(given.min()), int(given.max())):
            raise DataError(
                f"The inputs of a softmax must be codes of {self.source}, not {int(given.min())}..{int(given.max())}."
            )
        exponents = given >> self.source.frac
        powers = self.table()[given & ((1 << self.source.frac) - 1)]
        total, top = self._sum(powers, exponents)
        # The sum is at least 2**mantissa and a power below 2**(mantissa + 1): their product has at most 62 bits.
        bits = 3 * self.mantissa + 1
        reciprocal = (1 << bits) // total
        scaled = (powers * reciprocal) >> np.minimum(bits - self.target.frac + top - exponents, _LONGEST_SHIFT)
        found: NDArray[np.int64] = np.clip(scaled, self.target.low, self.target.high)
        return found

    def _sum(self, powers: NDArray[np.int64], exponents: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Pass 1: the sum as a mantissa and an exponent, int64[..., 1] each."""
        total, top = powers[..., 0], exponents[..., 0]
        for i in range(1, powers.shape[-1]):
            larger = np.maximum(top, exponents[..., i])
            total = (total >> np.minimum(larger - top, _LONGEST_SHIFT)) + (
                powers[..., i] >> np.minimum(larger - exponents[..., i], _LONGEST_SHIFT)
            )
            top = larger
        return total[..., None], top[..., None]
