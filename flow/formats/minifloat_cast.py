"""Real numbers, exact integers, sums and products as codes of a minifloat: one rounding, then overflow."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError
from flow.formats.minifloat import Minifloat

__all__ = [
    "FloatRounding",
    "accumulator_width",
    "add_minifloat",
    "convert_minifloat",
    "encode_integers",
    "encode_minifloat",
    "multiply_minifloat",
    "product_width",
]

Floats = NDArray[np.float64]
Codes = NDArray[Any]


class FloatRounding(Enum):
    """Which neighbour of a real number is taken (the five of IEEE 754)."""

    NEAREST_EVEN = "nearest_even"
    NEAREST_AWAY = "nearest_away"
    TOWARD_ZERO = "toward_zero"
    UP = "up"
    DOWN = "down"


# Each formula takes (code below the magnitude, the rest in [0, 1), negative) and says where the code is raised by one.
# A tie goes to the even code, which without mantissa bits is the even exponent, as in ml_dtypes.
_RAISE: dict[FloatRounding, Callable[[Codes, Floats, Any], Any]] = {
    FloatRounding.NEAREST_EVEN: lambda code, rest, negative: (rest > 0.5) | ((rest == 0.5) & (code % 2 == 1)),
    FloatRounding.NEAREST_AWAY: lambda code, rest, negative: rest >= 0.5,
    FloatRounding.TOWARD_ZERO: lambda code, rest, negative: np.zeros_like(rest, dtype=bool),
    FloatRounding.UP: lambda code, rest, negative: (rest > 0) & ~negative,
    FloatRounding.DOWN: lambda code, rest, negative: (rest > 0) & negative,
}


def encode_minifloat(
    values: NDArray[np.floating[Any]],
    target: Minifloat,
    rounding: FloatRounding = FloatRounding.NEAREST_EVEN,
    saturate: bool = True,
    place: str = "the array",
) -> Codes:
    """Floats as codes of `target`, rounded once.

    Args:
        values: float16, float32 or float64 of any shape.
        target: format of the result.
        rounding: which neighbour is taken.
        saturate: what lies outside becomes the largest number; otherwise it becomes infinity where the format has
            one and NaN where it has only that. Rounding away from infinity stops at the largest number (IEEE 754).
            A format in which every code is a number always saturates.
        place: where the values stood, for the message.

    Returns:
        int64 codes of the same shape.

    Raises:
        DataError: some value is NaN and `target` has none.

    >>> encode_minifloat(np.array([0.3, -5.0, 99.0]), Minifloat.parse("e2m1"))
    array([ 1, 14,  7])
    """
    wide = np.asarray(values).astype(np.float64)
    negative = np.signbit(wide) & ~np.isnan(wide)
    magnitude = _round(np.abs(wide), negative, target, rounding)
    codes = np.where(negative, magnitude + target.sign_code, magnitude)
    if target.sign_code and target.nan_code == target.sign_code:
        codes = np.where(magnitude == 0, 0, codes)  # FNUZ has no minus zero
    codes = _overflow(codes, magnitude, wide, target, rounding, saturate)
    return _invalid(codes, wide, target, saturate, place)


def _round(magnitude: Floats, negative: NDArray[np.bool_], target: Minifloat, rounding: FloatRounding) -> Codes:
    """Codes of magnitudes, as if the exponent had no end: a carry out of the mantissa goes into the exponent."""
    lowest = 1 - target.bias
    finite = np.where(np.isfinite(magnitude), magnitude, 0.0)
    _, exponents = np.frexp(finite)
    binade = np.maximum(np.where(finite > 0, exponents - 1, lowest), lowest)
    # What is below a quarter of the last place cannot be told from a quarter, and would underflow in this division.
    units = np.ldexp(finite, target.mantissa - binade)
    tiny = (exponents < binade - target.mantissa - 4) & (finite > 0)
    units = np.where(tiny, 0.25, units)
    floor = np.floor(units)
    codes = ((binade - lowest).astype(np.int64) << target.mantissa) + floor.astype(np.int64)
    raised: Codes = codes + _RAISE[rounding](codes, units - floor, negative)
    return raised


def _overflow(
    codes: Codes, magnitude: Codes, values: Floats, target: Minifloat, rounding: FloatRounding, saturate: bool
) -> Codes:
    """Replace codes beyond the largest number, and those of infinities."""
    infinite = np.isinf(values)
    outside = (magnitude > target.highest_code) | infinite
    negative = np.signbit(values)
    signs = np.where(negative, target.sign_code, 0)
    largest = target.highest_code + signs
    special = target.nan_code if target.infinity_code is None else target.infinity_code + signs
    if saturate or special is None:
        return np.where(outside, largest, codes)
    stops = {
        FloatRounding.TOWARD_ZERO: np.ones_like(negative),
        FloatRounding.UP: negative,
        FloatRounding.DOWN: ~negative,
    }.get(rounding, np.zeros_like(negative))
    return np.where(outside, np.where(stops & ~infinite, largest, special), codes)


def _invalid(codes: Codes, values: Floats, target: Minifloat, saturate: bool, place: str) -> Codes:
    """Give NaNs, and negative numbers of an unsigned format, the code they have, or say that there is none."""
    if not target.signed:
        below = values < 0
        codes = np.where(below, 0 if saturate or target.nan_code is None else target.nan_code, codes)
    nan = np.isnan(values)
    if not nan.any():
        return codes
    if target.nan_code is None:
        raise DataError(f"Format {target} has no NaN, but {place} contains one; replace it first.")
    return np.where(nan, target.nan_code, codes)


def encode_integers(
    integers: NDArray[Any],
    frac: int,
    target: Minifloat,
    rounding: FloatRounding = FloatRounding.NEAREST_EVEN,
    saturate: bool = True,
) -> Codes:
    """Fixed-point codes of any width with `frac` fractional bits, such as an exact sum, as codes of `target`.

    >>> encode_integers(np.array([2**80 + 1, -9], dtype=object), 0, Minifloat.parse("e8m2"))
    array([ 828, 1544])
    """
    flat = [_to_odd(int(integer), frac) for integer in np.asarray(integers).flat]
    values = np.array(flat, dtype=np.float64).reshape(np.shape(integers))
    return encode_minifloat(values, target, rounding, saturate)


def _to_odd(integer: int, frac: int) -> float:
    """A float64 that rounds to at most 50 bits as `integer * 2**-frac` does: what is cut off is kept as a last one.

    Beyond the exponents of every minifloat the value is moved to 2**700 or 2**-700, where nothing changes any more.
    """
    magnitude, cut = abs(integer), max(abs(integer).bit_length() - 53, 0)
    kept = magnitude >> cut
    odd = kept | (kept << cut != magnitude)
    exponent = cut - frac
    top = exponent + odd.bit_length()
    exponent -= max(top - 700, 0) + min(top + 700, 0) if odd else exponent
    return float(np.ldexp(float(-odd if integer < 0 else odd), exponent))


def add_minifloat(
    x: Codes,
    a: Minifloat,
    y: Codes,
    b: Minifloat,
    target: Minifloat,
    rounding: FloatRounding = FloatRounding.NEAREST_EVEN,
    saturate: bool = True,
) -> Codes:
    """Codes of `x + y` in `target`, rounded once; shapes broadcast, specials follow IEEE 754."""
    left, right = a.decode(x), b.decode(y)
    with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN, which is the answer
        total = left + right
        back = total - left
        error = (left - (total - back)) + (right - back)
    # Where float64 rounded, the sum is moved to the neighbour whose last bit is 1, so that the next rounding is right.
    inexact = np.isfinite(total) & (error != 0) & (total.view(np.int64) % 2 == 0)
    total = np.where(inexact, np.nextafter(total, np.where(error > 0, np.inf, -np.inf)), total)
    if rounding is FloatRounding.DOWN:
        total = np.where((total == 0) & (np.signbit(left) | np.signbit(right)), -0.0, total)
    return encode_minifloat(total, target, rounding, saturate, f"a sum of {a} and {b}")


def multiply_minifloat(
    x: Codes,
    a: Minifloat,
    y: Codes,
    b: Minifloat,
    target: Minifloat,
    rounding: FloatRounding = FloatRounding.NEAREST_EVEN,
    saturate: bool = True,
) -> Codes:
    """Codes of `x * y` in `target`, rounded once; shapes broadcast, specials follow IEEE 754."""
    with np.errstate(invalid="ignore"):  # zero times infinity is NaN, which is the answer
        product = a.decode(x) * b.decode(y)
    return encode_minifloat(product, target, rounding, saturate, f"a product of {a} and {b}")


def convert_minifloat(
    codes: Codes,
    source: Minifloat,
    target: Minifloat,
    rounding: FloatRounding = FloatRounding.NEAREST_EVEN,
    saturate: bool = True,
) -> Codes:
    """Codes of `source` as codes of `target`."""
    return encode_minifloat(source.decode(codes), target, rounding, saturate, f"the codes of {source}")


def product_width(a: Minifloat, b: Minifloat) -> int:
    """Bits, sign included, of a register that holds every product of two numbers exactly.

    >>> [product_width(f, f) for f in map(Minifloat.parse, ("e2m1", "e2m3", "e3m2", "e4m3fn", "e5m2ieee"))]
    [9, 13, 19, 37, 65]
    """
    return accumulator_width(a, b, 1)


def accumulator_width(a: Minifloat, b: Minifloat, terms: int) -> int:
    """Bits, sign included, of a register that holds every sum of `terms` products exactly.

    >>> accumulator_width(Minifloat.parse("e4m3"), Minifloat.parse("e4m3"), 4608)
    49
    """
    return (terms * a.highest_integer * b.highest_integer).bit_length() + (a.signed or b.signed)
