"""Dynamic fixed point: one power-of-two exponent per tensor, from its largest magnitude (INT16 in libxsmm's code).

`frexp(max|x|)` gives `f * 2**e` with f in [0.5, 1); the codes have `(width - 1 - headroom) - e` fractional bits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError, FormatError
from flow.formats.cast import cast, encode
from flow.formats.fixed_point import FixedPoint
from flow.formats.overflow import Overflow
from flow.formats.rounding import Rounding

__all__ = ["DynamicFixedPoint", "add_dynamic", "narrow_dynamic", "safe_macs", "spilled_dot"]

_TEXT = re.compile(r"dfp(?P<width>\d+)(h(?P<headroom>\d+))?")


@dataclass(frozen=True, slots=True)
class DynamicFixedPoint:
    """Signed codes of `width` bits whose top `headroom` bits below the sign stay free for sums.

    >>> form = DynamicFixedPoint.parse("dfp16h2")
    >>> str(form), str(form.fitted(np.array([0.3, -5.0])))
    ('dfp16h2', 's16.10')

    Raises:
        FormatError: no bit is left for the magnitude, or the text is not like `dfp16h2`.
    """

    width: int = 16
    headroom: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.headroom <= self.width - 2:
            raise FormatError(
                f"The headroom of a dynamic fixed point of {self.width} bits must lie in 0..{self.width - 2}, "
                f"not {self.headroom}."
            )

    @classmethod
    def parse(cls, text: str) -> DynamicFixedPoint:
        """Read the text form: `dfp`, width, and `h` with the headroom where there is some."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise FormatError(f"A dynamic fixed point is written like dfp16 or dfp16h2, not {text!r}.")
        return cls(int(match["width"]), int(match["headroom"] or 0))

    def __str__(self) -> str:
        return f"dfp{self.width}" + (f"h{self.headroom}" if self.headroom else "")

    @property
    def largest(self) -> int:
        """The largest magnitude before rounding can add one: `2**(width - 1 - headroom)`."""
        return 1 << (self.width - 1 - self.headroom)

    def fitted(self, values: NDArray[np.floating[Any]]) -> FixedPoint:
        """The fixed-point format that this tensor gets; that of 0.5 for a tensor of zeros.

        Raises:
            DataError: a value is NaN or infinite.
        """
        if not np.isfinite(values).all():
            bad = values[~np.isfinite(values)].flat[0]
            raise DataError(f"Dynamic fixed point holds finite numbers only, but the tensor contains {bad}.")
        exponent = int(np.frexp(np.abs(values).max(initial=0.0))[1])
        return FixedPoint(self.width, self.width - 1 - self.headroom - exponent)

    def encode(
        self, values: NDArray[np.floating[Any]], rounding: Rounding = Rounding.RND_INF
    ) -> tuple[NDArray[Any], FixedPoint]:
        """Codes and their format; a largest value that rounds up to `2**(width - 1)` saturates, never wraps."""
        target = self.fitted(values)
        return encode(values, target, rounding, Overflow.SAT), target


def safe_macs(accumulator: int, largest_a: int, largest_b: int) -> int:
    """Products of magnitude up to `largest_a * largest_b` that a signed register of `accumulator` bits always holds.

    >>> safe_macs(32, 1 << 15, 1 << 15), safe_macs(32, (1 << 15) - 1, (1 << 15) - 1), safe_macs(32, 1 << 13, 1 << 13)
    (1, 2, 31)
    """
    return ((1 << (accumulator - 1)) - 1) // (largest_a * largest_b)


def add_dynamic(x: NDArray[Any], a: FixedPoint, y: NDArray[Any], b: FixedPoint) -> tuple[NDArray[Any], FixedPoint]:
    """A sum in the coarser of two binary points: the other operand is shifted right, its low bits fall off."""
    width = max(a.width, b.width) + 1
    target = FixedPoint(width, min(a.frac, b.frac))
    return cast(x, a.frac, target) + cast(y, b.frac, target), target


def narrow_dynamic(
    codes: NDArray[Any], form: FixedPoint, width: int = 16, rounding: Rounding = Rounding.RND_INF
) -> tuple[NDArray[Any], FixedPoint]:
    """Codes of a wide register as codes of `width` bits, by the smallest right shift after which the largest fits."""
    largest = max((abs(int(end)) for end in (codes.min(), codes.max())), default=0) if codes.size else 0
    shift = max(largest.bit_length() - (width - 1), 0)
    target = FixedPoint(width, form.frac - shift)
    return cast(codes, form.frac, target, rounding, Overflow.SAT), target


def spilled_dot(x: NDArray[Any], y: NDArray[Any], frac: int, every: int, accumulator: int = 32) -> np.float32:
    """A dot product of codes [n] whose integer register wraps and is spilled into a float32 after `every` products.

    `frac` is the sum of both operands' fractional bits. Within `safe_macs` no register wraps.
    """
    products = x.astype(np.int64) * y.astype(np.int64)
    starts = np.arange(0, products.size, every)
    parts = np.add.reduceat(products, starts) if products.size else np.zeros(0, dtype=np.int64)
    total = np.float32(0)
    for part in cast(parts, 0, FixedPoint(accumulator, 0)):
        total = np.float32(total + np.float32(np.ldexp(float(part), -frac)))
    return total
