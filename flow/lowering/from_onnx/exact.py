"""Floats and fractions as integer codes, exactly; and the nearest such number where there is none."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.formats import FixedPoint
from flow.ir import Tensor

__all__ = ["dyadic_tensor", "exponent", "exponents", "fractions", "nearest_dyadic"]

Fractions = NDArray[Any]  # objects


def fractions(values: NDArray[Any] | float) -> Fractions:
    """The exact value of every float, an object array of the same shape."""
    array = np.asarray(values)
    result = np.empty(array.shape, dtype=object)
    result.reshape(-1)[:] = [Fraction(value) for value in array.reshape(-1).tolist()]
    return result


def exponent(value: Fraction) -> int | None:
    """`k` where `value` is `2**k`, else None.

    >>> exponent(Fraction(1, 8)), exponent(Fraction(3))
    (-3, None)
    """
    top, bottom = value.numerator, value.denominator
    if top < 1 or top & (top - 1) or bottom & (bottom - 1):
        return None
    return top.bit_length() - bottom.bit_length()


def exponents(values: Fractions) -> NDArray[np.int64] | None:
    """`exponent` of every value, or None where one is no power of two."""
    found = [exponent(value) for value in values.reshape(-1)]
    return None if None in found else np.array(found, dtype=np.int64).reshape(values.shape)


def dyadic_tensor(values: Fractions, most: int, least_frac: int = 0) -> Tensor | None:
    """The values as codes of the narrowest format with at least `least_frac` fractional bits.

    None where a value is no multiple of a power of two, or the format needs more than `most` bits.
    """
    flat = values.reshape(-1).tolist()
    if any(value.denominator & (value.denominator - 1) for value in flat):
        return None
    frac = max([value.denominator.bit_length() - 1 for value in flat] + [least_frac])
    codes = [int(value * Fraction(2) ** frac) for value in flat]
    width = max(abs(code) for code in codes).bit_length() + 1
    if width > most + 1:
        return None
    form = FixedPoint.holding(min(codes), max(codes), frac)
    return Tensor(np.array(codes, dtype=np.int64).reshape(values.shape), form) if form.width <= most else None


def nearest_dyadic(value: Fraction, bits: int) -> Fraction:
    """The number next to `value` with at most `bits` significant bits; a tie goes to the even one.

    >>> nearest_dyadic(Fraction(1, 3), 4)
    Fraction(11, 32)
    """
    if value == 0:
        return value
    top = abs(value.numerator).bit_length() - value.denominator.bit_length()
    scale = Fraction(2) ** (bits - top)
    rounded = round(value * scale)
    while abs(rounded).bit_length() > bits:
        scale /= 2
        rounded = round(value * scale)
    return rounded / scale
