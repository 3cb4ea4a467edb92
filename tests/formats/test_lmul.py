"""L-Mul: the packed adder and the formula, their exact errors, and where the two part."""

from fractions import Fraction

import numpy as np
import pytest

from flow.errors import FormatError
from flow.formats import (
    Minifloat,
    best_offset,
    encode_minifloat,
    formula_errors,
    lmul_formula,
    lmul_packed,
    packed_errors,
    paper_offset,
)

# mantissa bits: share of inexact results and mean relative error of the formula (methods.md section 2).
FORMULA = {
    1: (Fraction(1), 0.3194),
    2: (Fraction(15, 16), 0.1111),
    3: (Fraction(62, 64), 0.0689),
    4: (Fraction(254, 256), 0.0694),
    5: (1 - Fraction(3, 1024), 0.0731),
    6: (1 - Fraction(3, 4096), 0.0744),
}
# The packed adder: share of inexact results, mean relative error, its mean with sign, the largest.
PACKED = {
    1: (1, 0.3750, 0.375, 0.5),
    2: (1, 0.1467, 0.147, 0.25),
    3: (0.9531, 0.0524, 0.049, 0.125),
    4: (0.9883, 0.0514, 0.049, 0.125),
    5: (0.9951, 0.0267, 0.004, 0.073),
    6: (0.9988, 0.0266, 0.004, 0.073),
}


@pytest.mark.parametrize("mantissa", FORMULA)
def test_errors_of_the_formula(mantissa: int):
    errors = formula_errors(mantissa, paper_offset(mantissa))
    probability, mean = FORMULA[mantissa]
    assert errors.probability == probability
    assert round(float(errors.mean_magnitude), 4) == mean


@pytest.mark.parametrize("mantissa", PACKED)
def test_errors_of_the_packed_adder(mantissa: int):
    errors = packed_errors(mantissa, paper_offset(mantissa))
    probability, magnitude, mean, largest = PACKED[mantissa]
    assert round(float(errors.probability), 4) == probability
    assert round(float(errors.mean_magnitude), 4) == magnitude
    assert round(float(errors.mean), 3) == mean
    assert round(float(errors.largest), 3) == largest


@pytest.mark.parametrize(("mantissa", "mean"), [(1, 0.0278), (2, 0.0357), (3, 0.0378)])
def test_a_plain_integer_addition_is_better_up_to_three_bits(mantissa: int, mean: float):
    errors = packed_errors(mantissa, 0)
    assert round(float(errors.mean_magnitude), 4) == mean
    assert errors.largest == Fraction(1, 9)
    assert errors.mean_magnitude < packed_errors(mantissa, paper_offset(mantissa)).mean_magnitude


def test_the_best_offset():
    """Offset 0 up to 3 bits, 1 for 4 (MRE .0270, the paper's .0514), the paper's for 5 and 6, 7 for 7."""
    assert [best_offset(m) for m in range(1, 8)] == [0, 0, 0, 1, 2, 4, 7]
    assert round(float(packed_errors(4, 1).mean_magnitude), 4) == 0.0270


def test_the_two_functions_are_the_same_below_one_and_differ_above():
    """All pairs of a mantissa of four bits: equal where xm + ym + offset < 1, twice the excess above."""
    form, offset = Minifloat.parse("e5m4"), 2
    codes = (form.bias << 4) + np.arange(16)
    x, y = np.broadcast_arrays(codes[:, None], codes)
    packed, formula = form.decode(lmul_packed(x, y, form, offset)), lmul_formula(x, y, form, offset)
    excess = (x % 16 + y % 16 + offset - 16) / 16
    np.testing.assert_array_equal(packed - formula, np.maximum(excess, 0))
    assert int((excess > 0).sum()) == 136  # i + j + 2 > 16


def packed_by_fields(x: int, y: int, form: Minifloat, offset: int) -> int:
    """One product, mantissa and exponent apart."""
    one = 1 << form.mantissa
    field_x, field_y = (code % form.sign_code // one for code in (x, y))
    if field_x == 0 or field_y == 0:
        return 0
    carry, mantissa = divmod(x % one + y % one + offset, one)
    exponent = field_x + field_y - form.bias + carry
    if exponent < 1:
        return 0
    sign = (x ^ y) & form.sign_code
    return sign + min(exponent * one + mantissa, form.highest_code)


@pytest.mark.parametrize("text", ["e4m3fn", "e2m1", "e3m2b-2", "e5m2ieee", "e3m1b6"])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_all_pairs_of_codes(text: str, offset: int):
    form = Minifloat.parse(text)
    codes = np.arange(1 << form.bits)
    codes = codes[np.isfinite(form.decode(codes))]
    found = lmul_packed(codes[:, None], codes, form, offset)
    assert found.tolist() == [[packed_by_fields(x, y, form, offset) for y in codes.tolist()] for x in codes.tolist()]
    assert found.size == codes.size**2


def test_e4m3_exhaustively():
    """All pairs of E4M3 normals with a normal product and a sum that does not saturate: EP .9535, MRE .0525."""
    form = Minifloat.parse("e4m3fn")
    codes = np.arange(256)
    codes = codes[np.isfinite(form.decode(codes))]
    x, y = (each.ravel() for each in np.meshgrid(codes, codes, indexing="ij"))
    packed = lmul_packed(x, y, form, paper_offset(3))
    exact = form.decode(x) * form.decode(y)
    normal = (np.abs(exact) >= float(form.smallest_normal)) & (np.abs(exact) <= float(form.high))
    normal &= (x % 128 >= 8) & (y % 128 >= 8)
    inside = normal & (packed % 128 < form.highest_code)
    errors = np.abs(form.decode(packed[inside]) / exact[inside] - 1)
    assert inside.sum() == 41_524
    assert round(float(errors.mean()), 4) == 0.0525
    assert round(float((errors > 0).mean()), 4) == 0.9535
    assert errors.max() == 0.125


def test_the_formula_is_exact_arithmetic():
    form = Minifloat.parse("e4m3fn")
    x = encode_minifloat(np.array([1.5, -1.75, 448.0, 0.001, 0.0]), form)
    y = encode_minifloat(np.array([1.5, 1.75, 448.0, 1.0, 5.0]), form)
    assert lmul_formula(x, y, form, 1).tolist() == [2.125, -2.625, 2.625 * 2**16, 0.0, 0.0]


BAD = [
    (lambda: paper_offset(0), "L-Mul needs at least 1 mantissa bit, not 0."),
    (
        lambda: lmul_packed(np.array([1]), np.array([1]), Minifloat.parse("e3m0"), 0),
        "L-Mul needs an exponent bit and a mantissa bit, which e3m0 lacks.",
    ),
    (
        lambda: lmul_packed(np.array([0x7F]), np.array([1]), Minifloat.parse("e4m3fn"), 0),
        "Only numbers are multiples of a step, but code 0x7f of e4m3fn is none; replace it.",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_what_has_no_packed_sum(call, message: str):
    with pytest.raises(FormatError) as caught:
        call()
    assert str(caught.value) == message
