"""L-Mul: a floating-point product approximated by one addition of packed codes ("Addition is all you need").

Two functions carry the name. The *formula* is `(1 + xm + ym + offset) * 2**(xe + ye)`; the *packed adder*, which is
what hardware builds, adds the codes as integers, so a carry out of the mantissas raises the exponent. They agree below
`xm + ym + offset = 1` and differ from there on: the formula keeps slope 1, the adder gets slope 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import FormatError
from flow.formats.minifloat import Minifloat

__all__ = [
    "LMulErrors",
    "best_offset",
    "formula_errors",
    "lmul_formula",
    "lmul_packed",
    "packed_errors",
    "paper_offset",
]

Codes = NDArray[Any]


def paper_offset(mantissa: int) -> int:
    """The paper's `2**-l(m)` in units of the last mantissa bit: l = m up to 3, 3 for 4, 4 above.

    >>> [paper_offset(m) for m in range(1, 8)]
    [1, 1, 1, 2, 2, 4, 8]
    """
    if mantissa < 1:
        raise FormatError(f"L-Mul needs at least 1 mantissa bit, not {mantissa}.")
    return 1 << (mantissa - min(mantissa, 3 if mantissa <= 4 else 4))


def _fields(codes: Codes, form: Minifloat) -> tuple[Codes, Codes, Codes]:
    """Sign, packed exponent and mantissa, and whether the code is zero or subnormal, which both count as zero."""
    if form.exponent < 1 or form.mantissa < 1:
        raise FormatError(f"L-Mul needs an exponent bit and a mantissa bit, which {form} lacks.")
    given = np.asarray(codes).astype(np.int64)
    form.integers(given)  # refuses what is no number
    packed = given % (1 << (form.exponent + form.mantissa))
    return given // (1 << (form.exponent + form.mantissa)), packed, packed < (1 << form.mantissa)


def lmul_packed(x: Codes, y: Codes, form: Minifloat, offset: int) -> Codes:
    """Codes of the packed adder, `x + y - (bias << m) + offset` with the sign apart; shapes broadcast.

    Zeros and subnormals give zero, as does a result below the normal numbers; one above the largest saturates.

    >>> form = Minifloat.parse("e4m3fn")
    >>> lmul_packed(np.array([0x3C, 0x7E, 0x01]), np.array([0xBC, 0x7E, 0x7E]), form, 1)
    array([193, 126,   0])
    """
    sign_x, packed_x, zero_x = _fields(x, form)
    sign_y, packed_y, zero_y = _fields(y, form)
    total = packed_x + packed_y - form.bias * (1 << form.mantissa) + offset
    magnitude = np.minimum(total, form.highest_code)
    magnitude = np.where(zero_x | zero_y | (total < (1 << form.mantissa)), 0, magnitude)
    return np.where(magnitude == 0, 0, magnitude + (sign_x ^ sign_y) * form.sign_code)


def lmul_formula(x: Codes, y: Codes, form: Minifloat, offset: int) -> NDArray[np.float64]:
    """The value of the unnormalised formula, exactly; zeros and subnormals count as zero."""
    sign_x, packed_x, zero_x = _fields(x, form)
    sign_y, packed_y, zero_y = _fields(y, form)
    one = 1 << form.mantissa
    significand = one + packed_x % one + packed_y % one + offset
    exponent = packed_x // one + packed_y // one - 2 * form.bias - form.mantissa
    value = np.ldexp(significand.astype(np.float64), exponent)
    return np.where(zero_x | zero_y, 0.0, np.where(sign_x ^ sign_y == 1, -value, value))


@dataclass(frozen=True, slots=True)
class LMulErrors:
    """Relative errors over all pairs of mantissas, exponents without end: exact rationals."""

    probability: Fraction  # share of pairs whose result is not the exact product
    mean_magnitude: Fraction  # MRE
    mean: Fraction
    largest: Fraction


def _errors(mantissa: int, offset: int, packed: bool) -> LMulErrors:
    """Products of `(2**m + i) * (2**m + j)` against what the sum of mantissas gives, in units of `2**-2m`."""
    one = 1 << mantissa
    errors = []
    for i in range(one):
        for j in range(one):
            total = one + i + j + offset
            if packed and total >= 2 * one:
                total = 2 * (total - one)
            exact = (one + i) * (one + j)
            errors.append(Fraction(total * one - exact, exact))
    count = len(errors)
    return LMulErrors(
        Fraction(sum(error != 0 for error in errors), count),
        sum((abs(error) for error in errors), Fraction(0)) / count,
        sum(errors, Fraction(0)) / count,
        max(abs(error) for error in errors),
    )


@cache
def formula_errors(mantissa: int, offset: int) -> LMulErrors:
    """Errors of the unnormalised formula.

    >>> formula_errors(3, paper_offset(3)).probability
    Fraction(31, 32)
    """
    return _errors(mantissa, offset, packed=False)


@cache
def packed_errors(mantissa: int, offset: int) -> LMulErrors:
    """Errors of the packed adder."""
    return _errors(mantissa, offset, packed=True)


def best_offset(mantissa: int) -> int:
    """The offset with which the packed adder has the smallest mean square of the relative error, by trying.

    With operands that are on the grid already this is below the paper's for up to 4 bits, and for 7.

    >>> [best_offset(m) for m in range(1, 8)]
    [0, 0, 0, 1, 2, 4, 7]
    """
    one = 1 << mantissa
    fraction = np.arange(one)
    total = fraction[:, None] + fraction
    exact = (one + fraction)[:, None] * (one + fraction)

    def mean_square(offset: int) -> float:
        sums = total + one + offset
        packed = np.where(sums >= 2 * one, 2 * (sums - one), sums)
        return float((((packed * one - exact) / exact) ** 2).mean())

    return min(range(one // 4 + 2), key=mean_square)
