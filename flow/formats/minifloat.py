"""The minifloat: a sign, a few exponent bits, a few mantissa bits, and what its last codes mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import FormatError
from flow.formats.fixed_point import FixedPoint

__all__ = ["MAX_BIAS", "MAX_BITS", "Minifloat", "Specials"]

MAX_BITS = 16
# With at most 8 exponent bits every value, and every product of two, is a float64 without rounding.
MAX_EXPONENT, MAX_BIAS = 8, 256
_TEXT = re.compile(r"(?P<unsigned>u?)e(?P<e>\d+)m(?P<m>\d+)(b(?P<bias>-?\d+))?(?P<specials>ieee|fnuz|fn|)")


class Specials(Enum):
    """Which codes are no numbers; the values are the endings of the text form."""

    NONE = ""  # every code is a number: the formats of the minifloat study, and FP4 and FP6 of OCP
    IEEE = "ieee"  # the highest exponent holds the infinities and NaNs
    FN = "fn"  # finite with one NaN per sign, all ones: E4M3 of OCP
    FNUZ = "fnuz"  # finite with one NaN, which is the code of minus zero


# OCP calls these `fn` although they have no NaN: a second format of the same name would be a trap.
_FN_WITHOUT_NAN = {(2, 1), (2, 3), (3, 2)}


@dataclass(frozen=True, slots=True)
class Minifloat:
    """Codes of `[sign] exponent mantissa` bits; exponent field 0 holds zero and the subnormals.

    A code with fields E, M stands for `(2**m + M) * 2**(E - bias - m)`, or `M * 2**(1 - bias - m)` where E is 0.
    Every value is an integer times `step`, and `integers` gives it.

    >>> Minifloat.parse("e4m3fn").high
    Fraction(448, 1)
    >>> str(Minifloat(3, 2, bias=5)), str(Minifloat.standard(5, 2, Specials.IEEE)), Minifloat.parse("e2m1fn").bits
    ('e3m2b5', 'e5m2ieee', 4)
    >>> Minifloat.parse("e2m1").decode(np.arange(8))
    array([0. , 0.5, 1. , 1.5, 2. , 3. , 4. , 6. ])

    Raises:
        FormatError: the fields, the bias or the specials cannot be, or the text is not like `e4m3fn`.
    """

    exponent: int
    mantissa: int
    bias: int
    specials: Specials = Specials.NONE
    signed: bool = True

    def __post_init__(self) -> None:
        _check_fields(self)
        _check_specials(self)

    @classmethod
    def standard(
        cls, exponent: int, mantissa: int, specials: Specials = Specials.NONE, signed: bool = True
    ) -> Minifloat:
        """The format with the bias that its text form leaves out: `2**(e-1) - 1`, one more for FNUZ."""
        return cls(exponent, mantissa, _standard_bias(exponent, specials), specials, signed)

    @classmethod
    def parse(cls, text: str) -> Minifloat:
        """Read the text form: `[u]e<exponent>m<mantissa>[b<bias>][ieee|fn|fnuz]`."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise FormatError(f"A minifloat is written like e3m2, e4m3fn, e4m3b11fnuz or ue5m3fn, not {text!r}.")
        exponent, mantissa, specials = int(match["e"]), int(match["m"]), Specials(match["specials"])
        if specials is Specials.FN and not match["unsigned"] and (exponent, mantissa) in _FN_WITHOUT_NAN:
            specials = Specials.NONE
        bias = _standard_bias(exponent, specials) if match["bias"] is None else int(match["bias"])
        return cls(exponent, mantissa, bias, specials, signed=not match["unsigned"])

    def __str__(self) -> str:
        bias = "" if self.bias == _standard_bias(self.exponent, self.specials) else f"b{self.bias}"
        return f"{'' if self.signed else 'u'}e{self.exponent}m{self.mantissa}{bias}{self.specials.value}"

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return self.exponent + self.mantissa + self.signed

    @property
    def frac(self) -> int:
        """Fractional bits of the smallest subnormal: `step` is `2**-frac`."""
        return self.bias - 1 + self.mantissa

    @property
    def step(self) -> Fraction:
        """The smallest subnormal, of which every value is a multiple."""
        return Fraction(2) ** -self.frac

    @property
    def highest_code(self) -> int:
        """The code of the largest number; positive codes are in the order of their values."""
        ones = (1 << (self.exponent + self.mantissa)) - 1
        lost = {Specials.IEEE: 1 << self.mantissa, Specials.FN: 1}
        return ones - lost.get(self.specials, 0)

    @property
    def high(self) -> Fraction:
        """The largest number."""
        return self.highest_integer * self.step

    @property
    def highest_integer(self) -> int:
        """The largest number, in steps."""
        field, mantissa = self.highest_code >> self.mantissa, self.highest_code % (1 << self.mantissa)
        return (mantissa + (1 << self.mantissa)) << (field - 1) if field else mantissa

    @property
    def smallest_normal(self) -> Fraction:
        """The smallest number with a leading one."""
        return Fraction(2) ** (1 - self.bias)

    @property
    def sign_code(self) -> int:
        """The weight of the sign bit; 0 where there is none."""
        return (1 << (self.exponent + self.mantissa)) if self.signed else 0

    @property
    def infinity_code(self) -> int | None:
        """The code of plus infinity, if there is one."""
        return self.highest_code + 1 if self.specials is Specials.IEEE else None

    @property
    def nan_code(self) -> int | None:
        """The code that a NaN is given, if there is one: quiet and positive where there are several."""
        if self.specials is Specials.IEEE:
            return self.highest_code + 1 + (1 << (self.mantissa - 1))
        return {Specials.FN: self.highest_code + 1, Specials.FNUZ: self.sign_code}.get(self.specials)

    @property
    def fixed_point(self) -> FixedPoint:
        """The narrowest fixed-point format that holds every number of this one.

        >>> str(Minifloat.parse("e3m2").fixed_point), str(Minifloat.parse("e1m2").fixed_point)
        ('s10.4', 's4.1')
        """
        lowest = -self.highest_integer if self.signed else 0
        return FixedPoint.holding(lowest, self.highest_integer, self.frac)

    def decode(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """The values of `codes`, any shape, exactly; infinities and NaNs as such, minus zero as -0.0."""
        floats, _ = _tables(self)
        found: NDArray[np.float64] = floats[_checked(self, codes)]
        return found

    def integers(self, codes: NDArray[Any]) -> NDArray[Any]:
        """The values of `codes` as codes of `fixed_point`: exact multiples of `step`, int64 up to 62 bits, else object.

        Raises:
            FormatError: some code stands for an infinity or a NaN.
        """
        floats, integers = _tables(self)
        special = ~np.isfinite(floats[_checked(self, codes)])
        if special.any():
            code = int(np.asarray(codes)[special].flat[0])
            raise FormatError(
                f"Only numbers are multiples of a step, but code {code:#x} of {self} is none; replace it."
            )
        found: NDArray[Any] = integers[codes]
        return found

    def value(self, code: int) -> Fraction:
        """The value of one code; raises FormatError as `integers` does."""
        return int(self.integers(np.array([code]))[0]) * self.step


def _standard_bias(exponent: int, specials: Specials) -> int:
    half = (1 << exponent) >> 1
    return half if specials is Specials.FNUZ else max(half - 1, 0)


def _check_fields(form: Minifloat) -> None:
    if not (0 <= form.exponent <= MAX_EXPONENT and form.mantissa >= 0):
        raise FormatError(
            f"A minifloat has 0..{MAX_EXPONENT} exponent bits and at least 0 mantissa bits, "
            f"not {form.exponent} and {form.mantissa}."
        )
    if not 1 <= form.exponent + form.mantissa < MAX_BITS:
        raise FormatError(
            f"Exponent and mantissa of a minifloat must have 1..{MAX_BITS - 1} bits together, "
            f"not {form.exponent} + {form.mantissa}."
        )
    if abs(form.bias) > MAX_BIAS:
        raise FormatError(f"The bias of a minifloat must lie in -{MAX_BIAS}..{MAX_BIAS}, not {form.bias}.")


def _check_specials(form: Minifloat) -> None:
    fields = f"e{form.exponent}m{form.mantissa}"
    if form.specials is Specials.IEEE and not (form.exponent and form.mantissa):
        raise FormatError(f"IEEE specials need an exponent bit and a mantissa bit, which {fields} lacks; use another.")
    if form.specials is Specials.FNUZ and not form.signed:
        raise FormatError(f"FNUZ puts its NaN at minus zero, which unsigned u{fields} lacks; use FN.")
    if form.specials is Specials.FN and form.signed and (form.exponent, form.mantissa) in _FN_WITHOUT_NAN:
        raise FormatError(f"OCP's {fields}fn has no NaN, so FN cannot mean one; use NONE.")


def _checked(form: Minifloat, codes: NDArray[Any]) -> NDArray[Any]:
    """`codes` once they are known to be codes: a negative one would count from the end of a table."""
    given = np.asarray(codes)
    if given.size and not (given.min() >= 0 and given.max() < 1 << form.bits):
        outside = given[(given < 0) | (given >= 1 << form.bits)].flat[0]
        raise FormatError(f"A code of {form} must lie in 0..{(1 << form.bits) - 1}, not {outside}.")
    return given


@cache
def _tables(form: Minifloat) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """What each code stands for: float64[2**bits], and the integer in steps (0 where it is no number)."""
    ones = (1 << (form.exponent + form.mantissa)) - 1
    integers = []
    for code in range(1 << form.bits):
        field, mantissa = (code & ones) >> form.mantissa, code & ((1 << form.mantissa) - 1)
        magnitude = (mantissa + (1 << form.mantissa)) << (field - 1) if field else mantissa
        numeric = (code & ones) <= form.highest_code and code != form.nan_code
        integers.append((-magnitude if code > ones else magnitude) if numeric else 0)
    floats = np.array([float(integer * form.step) for integer in integers])
    floats[_specials(form)] = np.nan
    if form.infinity_code is not None:
        floats[form.infinity_code] = np.inf
    if form.signed:
        floats[ones + 1 :] = np.copysign(floats[ones + 1 :], -1.0)
        if form.infinity_code is not None:
            floats[form.infinity_code + ones + 1] = -np.inf
    exact = np.array(integers, dtype=np.int64 if form.highest_integer.bit_length() <= 62 else object)
    for table in (floats, exact):
        table.flags.writeable = False
    return floats, exact


def _specials(form: Minifloat) -> NDArray[np.bool_]:
    """Which codes are no numbers."""
    codes = np.arange(1 << form.bits)
    above: NDArray[np.bool_] = codes % (1 << (form.exponent + form.mantissa)) > form.highest_code
    return above | (codes == form.nan_code) if form.nan_code is not None else above
