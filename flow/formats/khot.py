"""K-hot numbers: codes that are the sum of at most K powers of two, so that a product is K shifts and K - 1 additions.

A code is a sign and a magnitude. With plain digits the magnitude has at most K ones; with signed digits it is a sum of
at most K powers of two of either sign, which its non-adjacent form (NAF) attains with the fewest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError, FormatError
from flow.formats.fixed_point import FixedPoint

__all__ = ["KHot", "digit_count", "keep_leading"]

MAX_KHOT_WIDTH = 58  # three times a magnitude, with two bits below its point, fits int64
_TEXT = re.compile(r"k(?P<k>\d+)s(?P<width>\d+)\.(?P<frac>-?\d+)(?P<signed>naf)?")


def digit_count(codes: NDArray[np.int64], signed_digits: bool) -> NDArray[np.int64]:
    """Digits that are not zero, of each magnitude: its ones, or those of its NAF, whose bits are `x ^ 3x`.

    >>> digit_count(np.array([7, -7, 11]), False), digit_count(np.array([7, -7, 11]), True)
    (array([3, 3, 3]), array([2, 2, 3]))
    """
    magnitude = np.abs(codes)
    bits = magnitude ^ (3 * magnitude) if signed_digits else magnitude
    return np.bitwise_count(bits).astype(np.int64)


@dataclass(frozen=True, slots=True)
class KHot:
    """The codes of the signed fixed point of `width` bits that have at most `k` digits.

    >>> form = KHot.parse("k2s8.0naf")
    >>> form.nearest(np.array([7, 11, 90, -128])), str(form)
    (array([   7,   10,   96, -128]), 'k2s8.0naf')

    Raises:
        FormatError: no digit is allowed, the width is not in 1..58, or the text is not like `k2s8.4naf`.
    """

    k: int
    width: int
    frac: int
    signed_digits: bool = True

    def __post_init__(self) -> None:
        if self.k < 1:
            raise FormatError(f"A K-hot number needs at least 1 digit, not {self.k}.")
        if not 1 <= self.width <= MAX_KHOT_WIDTH:
            raise FormatError(f"The width of a K-hot number must lie in 1..{MAX_KHOT_WIDTH} bits, not {self.width}.")

    @classmethod
    def parse(cls, text: str) -> KHot:
        """Read the text form: `k`, digits, the fixed point, and `naf` where digits have signs."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise FormatError(f"A K-hot format is written like k2s8.4 or k2s8.4naf, not {text!r}.")
        return cls(int(match["k"]), int(match["width"]), int(match["frac"]), match["signed"] is not None)

    def __str__(self) -> str:
        return f"k{self.k}{self.fixed_point}{'naf' if self.signed_digits else ''}"

    @property
    def fixed_point(self) -> FixedPoint:
        """The format of the codes."""
        return FixedPoint(self.width, self.frac)

    def holds(self, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which codes are codes of this format."""
        inside = (codes >= self.fixed_point.low) & (codes <= self.fixed_point.high)
        return inside & (digit_count(codes, self.signed_digits) <= self.k)

    def nearest(self, codes: NDArray[np.int64], extra: int = 0) -> NDArray[np.int64]:
        """The nearest code with at most `k` digits, saturating; of two equally near the one closer to zero.

        Whatever the position of the lowest digit, the number is one of the two multiples of that digit's weight that
        lie around `codes`: those are all tried.

        Args:
            codes: int64, any shape.
            extra: fractional bits that `codes` has beyond `frac`, 0..2.
        """
        form = self.fixed_point
        wide = np.clip(codes, form.low << extra, form.high << extra)
        limit = np.where(wide < 0, -form.low, form.high)
        magnitude, best = np.abs(wide), np.zeros_like(wide)
        for position in range(self.width):
            below = magnitude >> (position + extra)
            for candidate in (below << position, (below + 1) << position):
                legal = (digit_count(candidate, self.signed_digits) <= self.k) & (candidate <= limit)
                best = np.where(legal & _nearer(candidate << extra, best << extra, magnitude), candidate, best)
        return np.where(wide < 0, -best, best)

    def encode(self, values: NDArray[np.floating[Any]], place: str = "the array") -> NDArray[np.int64]:
        """The codes nearest to real numbers, decided exactly, saturating.

        Raises:
            DataError: a value is NaN or infinite; `place` names where it stood.
        """
        if not np.isfinite(values).all():
            bad = values[~np.isfinite(values)].flat[0]
            raise DataError(f"K-hot numbers are finite, but {place} contains {bad}; replace it first.")
        # Two bits more, the last of which says that something was cut off: all stay on their side of a midpoint.
        top = 2.0 ** (self.width - 1)
        scaled = np.clip(_scaled(values.astype(np.float64), self.frac), -top, top) * 4
        floor = np.floor(scaled).astype(np.int64)
        return self.nearest(floor | (floor != scaled), extra=2)


def _scaled(values: NDArray[np.float64], frac: int) -> NDArray[np.float64]:
    """`values * 2**frac`, with what becomes too small for float64 kept apart from zero."""
    with np.errstate(over="ignore"):  # infinity is clipped
        scaled = np.ldexp(values, frac)
    tiny = (np.abs(scaled) < 2.0**-100) & (values != 0)
    return np.where(tiny, np.copysign(2.0**-100, values), scaled)


def _nearer(candidate: NDArray[np.int64], best: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.bool_]:
    new, old = np.abs(candidate - target), np.abs(best - target)
    closer: NDArray[np.bool_] = (new < old) | ((new == old) & (candidate < best))
    return closer


def keep_leading(codes: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Magnitudes cut to their `k` leading ones: the projection that is cheapest and worst.

    >>> keep_leading(np.array([7, -13]), 2)
    array([  6, -12])
    """
    magnitude, kept = np.abs(codes), np.zeros_like(codes)
    for position in range(int(magnitude.max(initial=0)).bit_length() - 1, -1, -1):
        bit = magnitude & (1 << position)
        kept += np.where(np.bitwise_count(kept) < k, bit, 0)
    return np.where(codes < 0, -kept, kept)
