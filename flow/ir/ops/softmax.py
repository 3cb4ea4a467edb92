"""Shares of a whole: softmax in base 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.errors import FormatError
from flow.formats import FixedPoint, TwoPassSoftmax
from flow.ir.ops.node import AlongAxis
from flow.ir.value import Value

__all__ = ["Softmax"]

_WIDEST_EXPONENT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(AlongAxis):
    """`y = floor(2**x / sum(2**x))` along the axis, near enough: see `flow.formats.TwoPassSoftmax` for every bit of it.

    Attributes:
        axis: along which the results add up to about 1, from 0, the batch not counted.
        mantissa: fractional bits of a power of the input's fraction, of the sum's, and of a result, 1..20.
    """

    op: ClassVar[str] = "softmax"

    mantissa: int

    def arithmetic(self, x: Value) -> TwoPassSoftmax:
        """What computes it on rows of codes of `x`."""
        try:
            return TwoPassSoftmax(x.format, self.mantissa)
        except FormatError as error:
            raise self._reject(str(error).removesuffix(".")) from None

    def length(self, x: Value) -> int:
        """Codes of a row."""
        return x.shape[self.axis]

    def exponent(self, x: Value) -> FixedPoint:
        """What holds every exponent, of terms and of sums, and the difference of any two."""
        low, high = ((code << max(-x.format.frac, 0)) >> max(x.format.frac, 0) for code in (x.low, x.high))
        high += (self.length(x) - 1).bit_length()
        return FixedPoint.holding(min(low, low - high, -1), max(high, high - low), 0)

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        self.check_axis(x)
        held = self.arithmetic(x)
        if x.format.width - x.format.frac > _WIDEST_EXPONENT:
            raise self._reject(
                f"the exponents of {x.format} have {x.format.width - x.format.frac} bits, more than "
                f"{_WIDEST_EXPONENT}; cast the input before"
            )
        return Value(x.shape, held.target, 0, 1 << self.mantissa)
