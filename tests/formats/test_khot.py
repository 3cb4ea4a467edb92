"""K-hot projection against a search among all codes, up to 12 bits; its worst errors; numbers between codes."""

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest

from flow.errors import DataError, FormatError
from flow.formats import FixedPoint, KHot, digit_count, keep_leading


def sums(k: int, width: int, signed_digits: bool) -> set[int]:
    """All codes of s<width>.0 that are a sign times a sum of at most k powers of two (of either sign)."""
    found, form = {0}, FixedPoint(width, 0)
    signs = (1, -1) if signed_digits else (1,)
    for count in range(1, min(k, width) + 1):
        for places in combinations(range(width + 1), count):
            for chosen in product(signs, repeat=count):
                found.add(sum(sign << place for sign, place in zip(chosen, places, strict=True)))
    return {code for each in found for code in (each, -each) if form.low <= code <= form.high}


def nearest(codes: set[int], wanted: np.ndarray) -> np.ndarray:
    """The code at the least distance, of two the one closer to zero."""
    grid = np.array(sorted(codes, key=lambda code: (abs(code), code)))
    best = np.argmin(np.abs(wanted[:, None] - grid), axis=1)  # the first of equals is the one closer to zero
    return grid[best]


@pytest.mark.parametrize("signed_digits", [False, True], ids=["ones", "naf"])
@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 12])
def test_the_nearest_of_every_code(width: int, signed_digits: bool):
    form = FixedPoint(width, 0)
    codes, compared = np.arange(form.low, form.high + 1), 0
    for k in range(1, min(width, 4) + 1):
        allowed = sums(k, width, signed_digits)
        khot = KHot(k, width, 0, signed_digits)
        found = khot.nearest(codes)
        np.testing.assert_array_equal(found, nearest(allowed, codes))
        assert set(codes[khot.holds(codes)].tolist()) == allowed
        assert khot.holds(found).all()
        compared += found.size
    assert compared == 2**width * min(width, 4)


@pytest.mark.parametrize("signed_digits", [False, True], ids=["ones", "naf"])
def test_numbers_between_codes_are_decided_exactly(signed_digits: bool):
    """Eighths of a code, midpoints nudged by the last bit of a float64, and far numbers; ten bits, K = 2."""
    khot = KHot(2, 10, 3, signed_digits)
    eighths = np.arange(-520 * 8, 520 * 8)
    found = khot.encode(eighths / 64)
    allowed = sums(2, 10, signed_digits)
    want = nearest({code * 8 for code in allowed}, eighths) // 8
    np.testing.assert_array_equal(found, want)
    assert found.size == 8320
    grid = np.array(sorted(code for code in allowed if code >= 0))
    middle = (grid[1:] + grid[:-1]) / 2 / 8
    assert khot.encode(np.nextafter(middle, 99)).tolist() == grid[1:].tolist()
    assert khot.encode(np.nextafter(middle, 0)).tolist() == khot.encode(middle).tolist() == grid[:-1].tolist()
    assert khot.encode(np.array([1e300, -1e300, 1e-300, -0.0])).tolist() == [grid[-1], -512, 0, 0]


def test_wide_and_shifted_formats():
    """A code of 58 bits, and a binary point far to the right."""
    wide = KHot(3, 58, 0)
    code = (1 << 56) + (1 << 40) - (1 << 7)
    assert wide.nearest(np.array([code, code + 1, -code])).tolist() == [code, code, -code]
    assert KHot(1, 8, -100).encode(np.array([2.0**103 * 1.4])).tolist() == [8]
    assert KHot(1, 8, 200).encode(np.array([2.0**-198, 1.0])).tolist() == [4, 64]


# The worst relative error of the nearest code, reached by 3, 7, 15 and by 3, 11, 43; half, a quarter.. when cut.
@pytest.mark.parametrize(
    ("k", "ones", "naf", "cut"),
    [
        (1, Fraction(1, 3), Fraction(1, 3), Fraction(1, 2)),
        (2, Fraction(1, 7), Fraction(1, 11), Fraction(1, 4)),
        (3, Fraction(1, 15), Fraction(1, 43), Fraction(1, 8)),
    ],
)
def test_worst_relative_errors(k: int, ones: Fraction, naf: Fraction, cut: Fraction):
    codes = np.arange(1, 1 << 14)  # of a format with a bit to spare, so that none saturates
    errors = {signed: np.abs(KHot(k, 18, 0, signed).nearest(codes) - codes).tolist() for signed in (False, True)} | {
        "cut": np.abs(keep_leading(codes, k) - codes).tolist()
    }
    for kind, bound in ((False, ones), (True, naf)):
        assert max(Fraction(e, int(c)) for e, c in zip(errors[kind], codes, strict=True)) == bound
    worst = max(Fraction(e, int(c)) for e, c in zip(errors["cut"], codes, strict=True))
    assert cut * Fraction(99, 100) < worst < cut
    assert sum(errors[True]) <= sum(errors[False]) <= sum(errors["cut"])


def test_digits_of_the_non_adjacent_form():
    """The NAF written out digit by digit has as many digits, and no representation has fewer."""
    codes = np.arange(-300, 300)
    written = []
    for code in np.abs(codes).tolist():
        digits = []
        while code:
            digit = 2 - code % 4 if code % 2 else 0
            digits.append(digit)
            code = (code - digit) // 2
        written.append(sum(digit != 0 for digit in digits))
    assert digit_count(codes, signed_digits=True).tolist() == written
    for k in range(1, 4):
        assert {int(c) for c in codes[np.array(written) <= k]} == {c for c in sums(k, 12, True) if -300 <= c < 300}


def test_keeping_the_leading_ones():
    assert keep_leading(np.array([0, 1, 7, 13, -13, 255]), 2).tolist() == [0, 1, 6, 12, -12, 192]
    assert keep_leading(np.array([13]), 1).tolist() == [8]


@pytest.mark.parametrize("text", ["k2s8.4", "k1s12.-3naf", "k3s18.8naf"])
def test_the_text_form_parses_back(text: str):
    assert str(KHot.parse(text)) == text


BAD = [
    ("k0s8.4", "A K-hot number needs at least 1 digit, not 0."),
    ("k1s59.4", "The width of a K-hot number must lie in 1..58 bits, not 59."),
    ("2hot", "A K-hot format is written like k2s8.4 or k2s8.4naf, not '2hot'."),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_format_that_cannot_be(text: str, message: str):
    with pytest.raises(FormatError) as caught:
        KHot.parse(text)
    assert str(caught.value) == message


def test_a_nan_is_refused():
    with pytest.raises(DataError) as caught:
        KHot.parse("k2s8.4").encode(np.array([0.0, np.nan]), "weight of 'fc'")
    assert str(caught.value) == "K-hot numbers are finite, but weight of 'fc' contains nan; replace it first."
