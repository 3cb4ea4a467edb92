"""Dynamic fixed point: the exponent, its error, and how many products an INT32 register holds."""

import math

import numpy as np
import pytest

from flow.errors import DataError, FormatError
from flow.formats import (
    DynamicFixedPoint,
    FixedPoint,
    Overflow,
    Rounding,
    add_dynamic,
    cast,
    narrow_dynamic,
    safe_macs,
    spilled_dot,
)


@pytest.mark.parametrize("headroom", [0, 2])
def test_the_exponent_and_the_error(headroom: int):
    """scf = 15 - headroom - e of frexp(max|x|); the error is at most half a step, a whole one where it saturates."""
    rng, form, compared = np.random.default_rng(headroom), DynamicFixedPoint(16, headroom), 0
    for _ in range(50):
        values = rng.standard_normal(200) * 2.0 ** rng.integers(-30, 30)
        codes, target = form.encode(values)
        scf = 15 - headroom - math.frexp(np.abs(values).max())[1]
        assert target == FixedPoint(16, scf)
        assert (np.abs(codes) <= form.largest).all() and np.abs(codes).max() >= form.largest // 2
        errors = np.abs(np.ldexp(codes.astype(np.float64), -scf) - values)
        assert (errors <= 2.0 ** -(scf + 1)).all()
        compared += codes.size
    assert compared == 10_000


def test_a_fraction_near_one_saturates_and_does_not_wrap():
    values = np.array([1 - 2.0**-20, -(1 - 2.0**-20)])
    codes, target = DynamicFixedPoint().encode(values)
    assert (target, codes.tolist()) == (FixedPoint(16, 15), [32767, -32768])
    wrapped = cast(np.rint(values * 2**20).astype(np.int64), 20, target, Rounding.RND_INF, Overflow.WRAP)
    assert wrapped.tolist() == [-32768, -32768]


def test_a_tensor_of_zeros_has_a_format():
    codes, target = DynamicFixedPoint(16, 2).encode(np.zeros(4))
    assert (codes.tolist(), target) == ([0, 0, 0, 0], FixedPoint(16, 13))


# methods.md section 3: safe products in INT32 by the sum of both operands' headroom; in brackets if they saturate.
SAFE = {0: 1, 1: 3, 2: 7, 3: 15, 4: 31, 6: 127}


def headrooms(total: int) -> tuple[DynamicFixedPoint, DynamicFixedPoint]:
    return DynamicFixedPoint(16, total // 2), DynamicFixedPoint(16, total - total // 2)


@pytest.mark.parametrize("total", SAFE)
def test_safe_macs(total: int):
    a, b = headrooms(total)
    assert safe_macs(32, a.largest, b.largest) == SAFE[total]


def test_safe_macs_of_saturated_codes():
    assert safe_macs(32, 2**15 - 1, 2**15 - 1) == 2
    assert safe_macs(32, 2**13 - 1, 2**13 - 1) == 32


@pytest.mark.parametrize("total", SAFE)
def test_an_all_max_vector_overflows_one_beyond_the_bound(total: int):
    a, b = headrooms(total)
    for count, holds in ((SAFE[total], True), (SAFE[total] + 1, False)):
        exact = count * a.largest * b.largest
        (register,) = cast(np.array([exact]), 0, FixedPoint(32, 0)).tolist()
        assert (register == exact) is holds


@pytest.mark.parametrize("total", [2, 4, 6])
def test_the_register_equals_big_integers_up_to_the_bound(total: int):
    a, b = headrooms(total)
    rng = np.random.default_rng(total)
    for _ in range(100):
        x = rng.integers(-a.largest, a.largest, SAFE[total], endpoint=True)
        y = rng.integers(-b.largest, b.largest, SAFE[total], endpoint=True)
        exact = sum(int(p) * int(q) for p, q in zip(x, y, strict=True))
        assert cast(np.array([exact]), 0, FixedPoint(32, 0)).tolist() == [exact]
        assert spilled_dot(x, y, 20, SAFE[total]) == np.float32(np.ldexp(float(exact), -20))


def test_spilling_too_rarely_wraps():
    x = np.full(16, 2**14)
    assert spilled_dot(x, x, 28, every=4) == 16.0
    assert spilled_dot(x, x, 28, every=8) == -16.0  # 8 * 2**28 is one more than the register holds
    assert spilled_dot(x[:0], x[:0], 28, every=8) == 0.0


def test_addition_takes_the_coarser_point():
    total, form = add_dynamic(np.array([100, -101]), FixedPoint(16, 8), np.array([5, 5]), FixedPoint(16, 6))
    assert (total.tolist(), form) == ([30, -21], FixedPoint(17, 6))


def test_narrowing_takes_the_smallest_shift():
    codes, form = narrow_dynamic(np.array([2**20, -3]), FixedPoint(32, 10), 16)
    assert (codes.tolist(), form) == ([2**14, 0], FixedPoint(16, 4))
    codes, form = narrow_dynamic(np.array([2**15 - 1, -(2**15)]), FixedPoint(32, 10), 16, Rounding.TRN)
    assert (codes.tolist(), form) == ([2**14 - 1, -(2**14)], FixedPoint(16, 9))
    codes, form = narrow_dynamic(np.array([7]), FixedPoint(32, 10), 16)
    assert (codes.tolist(), form) == ([7], FixedPoint(16, 10))


@pytest.mark.parametrize("text", ["dfp16", "dfp16h2", "dfp8h1"])
def test_the_text_form_parses_back(text: str):
    assert str(DynamicFixedPoint.parse(text)) == text


BAD = [
    ("dfp1", "The headroom of a dynamic fixed point of 1 bits must lie in 0..-1, not 0."),
    ("dfp16h15", "The headroom of a dynamic fixed point of 16 bits must lie in 0..14, not 15."),
    ("dfp", "A dynamic fixed point is written like dfp16 or dfp16h2, not 'dfp'."),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_format_that_cannot_be(text: str, message: str):
    with pytest.raises(FormatError) as caught:
        DynamicFixedPoint.parse(text)
    assert str(caught.value) == message


def test_a_tensor_that_is_not_finite_is_refused():
    with pytest.raises(DataError) as caught:
        DynamicFixedPoint().encode(np.array([1.0, np.inf]))
    assert str(caught.value) == "Dynamic fixed point holds finite numbers only, but the tensor contains inf."
