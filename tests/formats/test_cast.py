from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from flow.errors import DataError
from flow.formats import FixedPoint, Overflow, Rounding, cast, cast_bound, cast_floats, encode
from tests.formats.oracle import converted, legal, overflowed, rounded

many = settings(derandomize=True, deadline=None, max_examples=400)
wide_formats = st.builds(FixedPoint, st.integers(1, 64), st.integers(-64, 128), st.booleans())


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("rounding", Rounding, ids=lambda mode: mode.value)
def test_every_code_of_every_width_to_six_bits(rounding: Rounding, signed: bool):
    """All codes of s1..s6 and u1..u6, shifts -3..5, targets of 1..6 bits, every overflow mode."""
    codes, compared = np.arange(-32, 64), 0
    for shift in range(-3, 6):
        middle = [rounded(Fraction(int(code)) / Fraction(2) ** shift, rounding) for code in codes]
        for width in range(1, 7):
            target = FixedPoint(width, -shift, signed)
            for mode in legal(target):
                found = cast(codes, 0, target, rounding, mode)
                assert found.dtype == np.int64
                assert found.tolist() == [overflowed(code, target, mode) for code in middle]
                compared += found.size
    assert compared == 96 * 9 * 6 * (5 if signed else 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rounding", Rounding, ids=lambda mode: mode.value)
def test_every_code_of_every_width_to_six_bits_in_floats(rounding: Rounding, dtype: type):
    codes, compared = np.arange(-32, 64), 0
    for shift, width, signed in itertools.product(range(-3, 6), range(1, 7), (True, False)):
        target = FixedPoint(width, -shift, signed)
        for mode in legal(target):
            found = cast_floats(codes.astype(dtype), 0, target, rounding, mode)
            assert found.dtype == dtype
            assert np.array_equal(found, cast(codes, 0, target, rounding, mode))
            compared += found.size
    assert compared == 96 * 9 * 6 * 9


@many
@given(
    st.sampled_from([(np.float32, 24), (np.float64, 53)]),
    st.integers(0, 2**53) | st.integers(2**24 - 9, 2**24 + 9) | st.integers(0, 2**24),
    st.integers(-30, 60),
    st.builds(FixedPoint, st.integers(1, 52), st.integers(-4, 8), st.booleans()),
    st.sampled_from(Rounding),
    st.data(),
)
def test_casts_in_floats_are_exact_up_to_their_bound(carrier, top: int, frac: int, target: FixedPoint, rounding, data):
    """The highest magnitudes that the bound lets through, with every mode: the codes are those of integers."""
    dtype, bits = carrier
    mode = data.draw(st.sampled_from(legal(target)))
    while cast_bound(top, frac, target, mode).bit_length() > bits and top:
        top //= 2
    assume(cast_bound(top, frac, target, mode).bit_length() <= bits)
    near = data.draw(st.lists(st.integers(0, min(top, 40)), min_size=1, max_size=4))
    codes = np.array([*range(-min(top, 5), min(top, 5)), *(sign * (top - d) for d in near for sign in (-1, 1))])
    found = cast_floats(codes.astype(dtype), frac, target, rounding, mode)
    assert np.array_equal(found.astype(np.int64), cast(codes, frac, target, rounding, mode))


def test_beyond_its_bound_a_cast_in_floats_is_wrong():
    """Just below a half, whose sum with a half takes 25 bits: float32 makes 1 of it, so the bound is no formality."""
    codes, target = np.array([(1 << 24) - 1]), FixedPoint(8, 0)
    assert cast_bound((1 << 24) - 1, 25, target, Overflow.SAT).bit_length() == 25
    found = [cast_floats(codes.astype(dtype), 25, target, Rounding.RND, Overflow.SAT) for dtype in (np.float32, float)]
    assert [one.tolist() for one in found] == [[1], [0]]
    assert cast(codes, 25, target, Rounding.RND, Overflow.SAT).tolist() == [0]


def test_rounding_comes_before_overflow():
    """7.5 into four integer bits: RND makes 8 of it, which then saturates or wraps."""
    codes, target = np.array([15]), FixedPoint(4, 0)
    assert cast(codes, 1, target, Rounding.RND, Overflow.SAT).tolist() == [7]
    assert cast(codes, 1, target, Rounding.RND, Overflow.WRAP).tolist() == [-8]


def test_the_defaults_are_those_of_ap_fixed():
    assert cast(np.array([-5, 31]), 1, FixedPoint(4, 0)).tolist() == [-3, -1]


@many
@given(
    st.lists(st.integers(-(2**70), 2**70) | st.integers(-20, 20), min_size=1, max_size=6),
    st.integers(-64, 128),
    wide_formats,
    st.sampled_from(Rounding),
    st.data(),
)
def test_wide_codes_and_formats(codes, frac: int, target: FixedPoint, rounding: Rounding, data):
    mode = data.draw(st.sampled_from(legal(target)))
    found = cast(np.array(codes, dtype=object), frac, target, rounding, mode)
    assert found.dtype == (np.int64 if target.width <= 62 else object)
    assert found.tolist() == [converted(code, frac, target, rounding, mode) for code in codes]


@many
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 20), min_size=1, max_size=6),
    st.integers(-64, 128),
    wide_formats,
    st.sampled_from(Rounding),
    st.data(),
)
def test_every_int64_code(codes, frac: int, target: FixedPoint, rounding: Rounding, data):
    """The bounds at which cast() leaves int64 for Python's integers are the right ones."""
    mode = data.draw(st.sampled_from(legal(target)))
    found = cast(np.array(codes, dtype=np.int64), frac, target, rounding, mode)
    assert found.tolist() == [converted(code, frac, target, rounding, mode) for code in codes]


@pytest.mark.parametrize("width", [60, 61, 62, 63, 64])
@pytest.mark.parametrize("shift", [-64, -62, -1, 0, 1, 61, 62, 63, 64])
def test_the_ends_of_the_machine_word(width: int, shift: int):
    ends = [sign * (1 << bits) + d for bits in (0, 60, 61, 62) for sign in (-1, 1) for d in (-1, 0, 1)]
    compared = 0
    for target in (FixedPoint(width, -shift), FixedPoint(width, -shift, signed=False)):
        for rounding in Rounding:
            for mode in legal(target):
                found = cast(np.array(ends), 0, target, rounding, mode).tolist()
                assert found == [converted(code, 0, target, rounding, mode) for code in ends]
                compared += len(found)
    assert compared == 24 * 7 * 9


@many
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
    wide_formats,
    st.sampled_from(Rounding),
    st.data(),
)
@example([0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308], FixedPoint(8, 4), Rounding.TRN, None)
def test_encode_is_exact_for_every_double(values, target: FixedPoint, rounding: Rounding, data):
    mode = Overflow.SAT if data is None else data.draw(st.sampled_from(legal(target)))
    expected = [overflowed(rounded(Fraction(v) / target.step, rounding), target, mode) for v in values]
    assert encode(np.array(values), target, rounding, mode).tolist() == expected


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_encode_takes_every_float_type_and_shape(dtype: type):
    values = (np.arange(-40, 40) / 16).astype(dtype)
    target = FixedPoint(6, 3)
    expected = [converted(code, 4, target, Rounding.RND, Overflow.SAT) for code in range(-40, 40)]
    assert encode(values.reshape(2, 4, 10), target).ravel().tolist() == expected
    assert encode(values[:0], target).tolist() == []
    assert encode(np.array(0.75, dtype=dtype), target).tolist() == 6


def test_codes_survive_the_way_through_floats():
    target = FixedPoint(9, 5)
    codes = np.arange(target.low, target.high + 1)
    assert np.array_equal(encode(codes * float(target.step), target), codes)
    assert codes.size == 512


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_refused(bad: float):
    with pytest.raises(DataError) as caught:
        encode(np.array([1.0, bad]), FixedPoint(8, 4), place="sample 3 of 'digits'")
    assert str(caught.value) == (
        f"Fixed point holds finite numbers only, but sample 3 of 'digits' contains {bad}; replace it first."
    )
