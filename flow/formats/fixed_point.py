"""The fixed-point format: a width, a binary point and a sign."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from flow.errors import FormatError

__all__ = ["MAX_WIDTH", "FixedPoint", "trailing_zeros"]

MAX_WIDTH = 1024
_TEXT = re.compile(r"(?P<sign>[su])(?P<width>\d+)\.(?P<frac>-?\d+)")


@dataclass(frozen=True, slots=True, order=True)
class FixedPoint:
    """Integers `code` of `width` bits that stand for `code * 2**-frac`.

    `frac` may be negative or exceed `width`; `ap_fixed<W, I>` is `FixedPoint(W, W - I, signed=True)`.

    >>> FixedPoint.parse("s8.4")
    FixedPoint(width=8, frac=4, signed=True)
    >>> str(FixedPoint(6, -2, signed=False)), FixedPoint(6, -2, signed=False).high
    ('u6.-2', 63)

    Raises:
        FormatError: the width is not in 1..1024, or the text is not like `s8.4`.
    """

    width: int
    frac: int
    signed: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.width <= MAX_WIDTH:
            raise FormatError(f"A fixed-point width must lie in 1..{MAX_WIDTH} bits, not {self.width}.")

    @classmethod
    def parse(cls, text: str) -> FixedPoint:
        """Read the text form: `s` or `u`, width, a point, fractional bits."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise FormatError(f"A fixed-point format is written like s8.4 or u6.-2, not {text!r}.")
        return cls(int(match["width"]), int(match["frac"]), signed=match["sign"] == "s")

    @classmethod
    def holding(cls, low: int, high: int, frac: int) -> FixedPoint:
        """The narrowest format with `frac` fractional bits that holds every code in `low..high`.

        >>> str(FixedPoint.holding(-9, 7, 3)), str(FixedPoint.holding(0, 16, 0))
        ('s5.3', 'u5.0')
        """
        if low < 0:
            return cls(max((-low - 1).bit_length(), max(high, 0).bit_length()) + 1, frac, signed=True)
        return cls(max(high.bit_length(), 1), frac, signed=False)

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.width}.{self.frac}"

    @property
    def low(self) -> int:
        """The lowest code."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The highest code."""
        return (1 << (self.width - self.signed)) - 1

    @property
    def integer(self) -> int:
        """Integer bits, the sign included: the `I` of `ap_fixed<W, I>`."""
        return self.width - self.frac

    @property
    def step(self) -> Fraction:
        """The value of one code."""
        return Fraction(2) ** -self.frac

    def holds(self, low: int, high: int) -> bool:
        """Whether every code in `low..high` is a code of this format."""
        return self.low <= low and high <= self.high


def trailing_zeros(code: int) -> int:
    """Zeros at the low end of a code that is not 0.

    >>> trailing_zeros(-12)
    2
    """
    return (code & -code).bit_length() - 1
