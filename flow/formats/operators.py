"""What the operators of ap_fixed return: the format of the result, and its codes.

Nothing is rounded and nothing overflows before the next assignment, with two exceptions that the headers make: a
division truncates towards zero at the last bit of its result, and a shift keeps the format of its operand, so bits
fall off at either end. Formulas: `RType` in ap_fixed_base.h; a C `int` operand counts as `s32.0`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError
from flow.formats.cast import INT64_BITS
from flow.formats.fixed_point import FixedPoint
from flow.formats.overflow import Overflow, overflow

__all__ = [
    "add",
    "add_format",
    "divide",
    "divide_format",
    "multiply",
    "multiply_format",
    "negate",
    "negate_format",
    "shift_left",
    "shift_right",
    "subtract",
    "subtract_format",
]

Codes = NDArray[Any]


def add_format(a: FixedPoint, b: FixedPoint) -> FixedPoint:
    """The format of `a + b`: one integer bit more than the wider, and one more where signs differ.

    >>> str(add_format(FixedPoint.parse("s12.8"), FixedPoint.parse("s16.7")))
    's18.8'
    """
    integer = max(a.integer + (b.signed and not a.signed), b.integer + (a.signed and not b.signed)) + 1
    frac = max(a.frac, b.frac)
    return FixedPoint(integer + frac, frac, a.signed or b.signed)


def subtract_format(a: FixedPoint, b: FixedPoint) -> FixedPoint:
    """The format of `a - b`: that of the sum, but always signed.

    >>> str(subtract_format(FixedPoint.parse("u8.5"), FixedPoint.parse("u8.5")))
    's9.5'
    """
    both = add_format(a, b)
    return FixedPoint(both.width, both.frac)


def multiply_format(a: FixedPoint, b: FixedPoint) -> FixedPoint:
    """The format of `a * b`: widths and fractional bits add up, signed if either is.

    >>> str(multiply_format(FixedPoint.parse("s8.4"), FixedPoint.parse("u4.0")))
    's12.4'
    """
    return FixedPoint(a.width + b.width, a.frac + b.frac, a.signed or b.signed)


def negate_format(a: FixedPoint) -> FixedPoint:
    """The format of `-a`: one integer bit more, signed.

    >>> str(negate_format(FixedPoint.parse("u8.4")))
    's9.4'
    """
    return FixedPoint(a.width + 1, a.frac)


def divide_format(a: FixedPoint, b: FixedPoint) -> FixedPoint:
    """The format of `a / b`: room for the largest quotient, which is that by the smallest code of `b`.

    >>> str(divide_format(FixedPoint.parse("s12.3"), FixedPoint.parse("s4.0")))
    's13.3'
    """
    width = a.width + b.signed + max(b.frac, 0)
    return FixedPoint(width, a.frac - min(b.frac, 0), a.signed or b.signed)


def _as(codes: Codes, bits: int) -> Codes:
    """Codes in a type that holds `bits` bits."""
    return codes.astype(object) if bits > INT64_BITS else codes.astype(np.int64)


def _aligned(codes: Codes, form: FixedPoint, target: FixedPoint) -> Codes:
    lifted: Codes = _as(codes, target.width) << (target.frac - form.frac)
    return lifted


def add(x: Codes, a: FixedPoint, y: Codes, b: FixedPoint) -> Codes:
    """Codes of `x + y` in `add_format(a, b)`; `x` and `y` are codes of `a` and `b` whose shapes broadcast."""
    target = add_format(a, b)
    total: Codes = _aligned(x, a, target) + _aligned(y, b, target)
    return total


def subtract(x: Codes, a: FixedPoint, y: Codes, b: FixedPoint) -> Codes:
    """Codes of `x - y` in `subtract_format(a, b)`."""
    target = subtract_format(a, b)
    difference: Codes = _aligned(x, a, target) - _aligned(y, b, target)
    return difference


def multiply(x: Codes, a: FixedPoint, y: Codes, b: FixedPoint) -> Codes:
    """Codes of `x * y` in `multiply_format(a, b)`."""
    width = multiply_format(a, b).width
    product: Codes = _as(x, width) * _as(y, width)
    return product


def negate(x: Codes, a: FixedPoint) -> Codes:
    """Codes of `-x` in `negate_format(a)`."""
    negative: Codes = -_as(x, a.width + 1)
    return negative


def _dividing(a: FixedPoint, b: FixedPoint) -> FixedPoint:
    """The integers in which the headers divide: a bit short of the one quotient `low / -1` of two signed codes."""
    width = a.width + max(b.frac, 0) + (b.signed and not a.signed)
    return FixedPoint(max(width, b.width + (a.signed and not b.signed)), 0, a.signed or b.signed)


def divide(x: Codes, a: FixedPoint, y: Codes, b: FixedPoint) -> Codes:
    """Codes of `x / y` in `divide_format(a, b)`, truncated towards zero.

    The lowest code of `a` divided by the code -1 wraps to itself, as in the headers, unless `b` is the wider.

    Raises:
        DataError: some divisor is zero.

    >>> divide(np.array([-5]), FixedPoint.parse("s12.3"), np.array([4]), FixedPoint.parse("s4.0"))
    array([-1])
    """
    if (y == 0).any():
        raise DataError(f"A divisor must not be zero, but {int((y == 0).sum())} of {y.size} codes of {b} are.")
    between = _dividing(a, b)
    dividend, divisor = _as(x, between.width + 2) << max(b.frac, 0), _as(y, between.width + 2)
    magnitude = abs(dividend) // abs(divisor)
    quotient = np.where((dividend < 0) != (divisor < 0), -magnitude, magnitude)
    return _as(overflow(quotient, between, Overflow.WRAP), divide_format(a, b).width)


def shift_left(x: Codes, a: FixedPoint, bits: int) -> Codes:
    """Codes of `x << bits`, in `a`: the top bits fall off; a negative count shifts right.

    >>> shift_left(np.array([100, -5]), FixedPoint.parse("s8.4"), 1)
    array([-56, -10])
    """
    if bits < 0:
        return shift_right(x, a, -bits)
    kept = min(bits, a.width)
    return _as(overflow(_as(x, a.width + kept + 2) << kept, a, Overflow.WRAP), a.width)


def shift_right(x: Codes, a: FixedPoint, bits: int) -> Codes:
    """Codes of `x >> bits`, in `a`: the lowest bits fall off, which is the floor; a negative count shifts left."""
    if bits < 0:
        return shift_left(x, a, -bits)
    floor: Codes = _as(x, a.width) >> min(bits, a.width)
    return floor
