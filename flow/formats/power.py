"""The power grid of PowerQuant and NUPES: uniform steps of `|x|**a`, decoded through a table to fixed point.

`q = round(n * sign(x) * |x|**a / m**a)` and back `sign(q) * (|q| / n)**(1/a) * m`, with `n = 2**(bits-1) - 1` and
`m` the largest magnitude that is held. The powers are the maps that keep products: `(xy)**a = x**a * y**a`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import FormatError
from flow.formats.cast import encode
from flow.formats.fixed_point import FixedPoint

__all__ = ["PowerGrid"]

_TEXT = re.compile(r"p(?P<bits>\d+)a(?P<exponent>\d+(\.\d+)?)")


@dataclass(frozen=True, slots=True)
class PowerGrid:
    """Signed codes `-n..n` of `bits` bits that stand for `(|q| / n)**(1 / exponent)` times the largest magnitude.

    >>> grid = PowerGrid.parse("p4a0.5")
    >>> grid.encode(np.array([-1.0, 0.25, 0.02]), largest=1.0), grid.levels(49.0)[:4]
    (array([-7,  4,  1]), array([0., 1., 4., 9.]))

    Raises:
        FormatError: fewer than 2 or more than 16 bits, an exponent that is not above 0, or a text not like `p4a0.8`.
    """

    bits: int
    exponent: float

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16:
            raise FormatError(f"A power grid has 2..16 bits, not {self.bits}.")
        if not 0 < self.exponent < float("inf"):
            raise FormatError(f"The exponent of a power grid must be above 0, not {self.exponent}.")

    @classmethod
    def parse(cls, text: str) -> PowerGrid:
        """Read the text form: `p`, bits, `a`, exponent."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise FormatError(f"A power grid is written like p4a0.8, not {text!r}.")
        return cls(int(match["bits"]), float(match["exponent"]))

    def __str__(self) -> str:
        return f"p{self.bits}a{np.format_float_positional(self.exponent, trim='-')}"

    @property
    def high(self) -> int:
        """The highest code; the lowest is its negative."""
        return (1 << (self.bits - 1)) - 1

    def encode(self, values: NDArray[np.floating[Any]], largest: float) -> NDArray[np.int64]:
        """Codes of real numbers: rounded to the nearest, ties to even, on the scale of powers; saturating."""
        if not (0 < largest < float("inf")):
            raise FormatError(f"The largest magnitude of a power grid must be finite and above 0, not {largest}.")
        if not np.isfinite(values).all():
            bad = values[~np.isfinite(values)].flat[0]
            raise FormatError(f"A power grid holds finite numbers only, but the array contains {bad}; replace it.")
        ratio = np.minimum(np.abs(values.astype(np.float64)) / largest, 1.0)
        codes: NDArray[np.int64] = np.rint(ratio**self.exponent * self.high).astype(np.int64)
        return np.where(values < 0, -codes, codes)

    def levels(self, largest: float) -> NDArray[np.float64]:
        """float64[high + 1]: what the codes 0..high stand for."""
        levels: NDArray[np.float64] = (np.arange(self.high + 1) / self.high) ** (1 / self.exponent) * largest
        return levels

    def decode(self, codes: NDArray[np.int64], largest: float) -> NDArray[np.float64]:
        """The values of codes, any shape."""
        values: NDArray[np.float64] = np.sign(codes) * self.levels(largest)[np.abs(codes)]
        return values

    def table(self, largest: float, target: FixedPoint) -> NDArray[Any]:
        """The ROM that decodes a magnitude: a code of `target` for each of 0..high, rounded and saturated."""
        return encode(self.levels(largest), target)

    def decode_fixed(self, codes: NDArray[np.int64], largest: float, target: FixedPoint) -> NDArray[Any]:
        """Codes as codes of `target` through the table, as the hardware does it: look up, then negate."""
        looked_up: NDArray[Any] = np.sign(codes) * self.table(largest, target)[np.abs(codes)]
        return looked_up
