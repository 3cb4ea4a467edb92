"""Encoding, sums and products of minifloats against fractions: five roundings, overflow, specials."""

from bisect import bisect_right
from fractions import Fraction

import numpy as np
import pytest

from flow.errors import DataError
from flow.formats import (
    FloatRounding,
    Minifloat,
    accumulator_width,
    add_minifloat,
    convert_minifloat,
    encode_integers,
    encode_minifloat,
    multiply_minifloat,
    product_width,
)
from tests.formats.test_minifloat import SPLITS, every_form


def chosen(below: Fraction, above: Fraction, even: bool, value: Fraction, rounding: FloatRounding) -> Fraction:
    """The neighbour that a mode takes; `even` says that the one nearer to zero has an even code."""
    if below == above:
        return below
    nearer, farther = (below, above) if value >= 0 else (above, below)
    if rounding in (FloatRounding.UP, FloatRounding.DOWN):
        return above if rounding is FloatRounding.UP else below
    if rounding is FloatRounding.TOWARD_ZERO:
        return nearer
    if abs(value - nearer) != abs(value - farther):
        return min(nearer, farther, key=lambda each: abs(value - each))
    return farther if rounding is FloatRounding.NEAREST_AWAY or not even else nearer


def reference(form: Minifloat, value: Fraction, rounding: FloatRounding) -> Fraction:
    """The number of `form` for `value`, by search among all of its numbers, saturating."""
    grid = _grid(form)
    magnitude = abs(value)
    if magnitude >= grid[-1]:
        return grid[-1] if value > 0 else -grid[-1]
    i = bisect_right(grid, magnitude) - 1
    low, high = grid[i], grid[i] if grid[i] == magnitude else grid[i + 1]
    if value < 0:
        low, high = -high, -low
    return chosen(low, high, i % 2 == 0, value, rounding)


_GRIDS: dict[Minifloat, list[Fraction]] = {}


def _grid(form: Minifloat) -> list[Fraction]:
    if form not in _GRIDS:
        _GRIDS[form] = [form.value(code) for code in range(form.highest_code + 1)]
    return _GRIDS[form]


def probes(form: Minifloat) -> np.ndarray:
    """Every value, every midpoint, both float64 neighbours of each, far values; both signs."""
    grid = form.decode(np.arange(form.highest_code + 1))
    points = np.concatenate([grid, (grid[1:] + grid[:-1]) / 2, grid[-1:] * 3, [1e-300, 1e300]])
    points = np.concatenate([points, np.nextafter(points, np.inf), np.nextafter(points[1:], 0)])
    return np.concatenate([points, -points])


def compare_with_search(forms: list[Minifloat], rounding: FloatRounding) -> int:
    """Encodes the probes of each format and compares with the search; returns how many."""
    compared = 0
    for form in forms:
        values = probes(form)
        codes = encode_minifloat(values, form, rounding)
        found = form.decode(codes)
        for value, code, back in zip(values.tolist(), codes.tolist(), found.tolist(), strict=True):
            assert Fraction(back) == reference(form, Fraction(value), rounding), (form, value)
            assert code == 0 or back != 0 or (value < 0 or np.signbit(value)) == bool(code & form.sign_code)
        compared += values.size
    return compared


@pytest.mark.parametrize("rounding", FloatRounding, ids=lambda mode: mode.value)
def test_every_rounding(rounding: FloatRounding):
    """One format in seven, which still has every split."""
    forms = every_form()[::7]
    assert {(form.exponent, form.mantissa) for form in forms} == {(e, m) for e, m in SPLITS}
    assert compare_with_search(forms, rounding) > 20_000


@pytest.mark.slow
@pytest.mark.parametrize("rounding", FloatRounding, ids=lambda mode: mode.value)
def test_every_rounding_of_every_split_ending_and_bias(rounding: FloatRounding):
    assert compare_with_search(every_form(), rounding) > 200_000


def test_every_number_is_encoded_as_itself():
    for form in every_form():
        codes = np.arange(1 << form.bits)
        numbers = codes[np.isfinite(form.decode(codes))]
        assert encode_minifloat(form.decode(numbers), form).tolist() == numbers.tolist()
        assert convert_minifloat(numbers, form, form).tolist() == numbers.tolist()


MODES = {"ne": FloatRounding.NEAREST_EVEN, "tz": FloatRounding.TOWARD_ZERO, "up": FloatRounding.UP}
# (format, value, rounding, saturate) -> value: IEEE 754 section 7.4 for the directed modes.
OVERFLOWS = [
    ("e5m2ieee", 61439.0, "ne", False, 57344.0),
    ("e5m2ieee", 61440.0, "ne", False, np.inf),
    ("e5m2ieee", -1e9, "ne", False, -np.inf),
    ("e5m2ieee", 1e9, "ne", True, 57344.0),
    ("e5m2ieee", 1e9, "tz", False, 57344.0),
    ("e5m2ieee", np.inf, "tz", False, np.inf),
    ("e5m2ieee", np.inf, "ne", True, 57344.0),
    ("e5m2ieee", 57345.0, "up", False, np.inf),
    ("e5m2ieee", -1e9, "up", False, -57344.0),
    ("e4m3fn", 464.0, "ne", False, 448.0),
    ("e4m3fn", 465.0, "ne", False, np.nan),
    ("e4m3fn", -465.0, "ne", True, -448.0),
    ("e4m3fnuz", 1e9, "ne", False, np.nan),
    ("e4m3", 1e9, "ne", False, 480.0),
    ("e4m3", -np.inf, "ne", False, -480.0),
    ("ue4m3fn", -1.0, "ne", True, 0.0),
    ("ue4m3fn", -1.0, "ne", False, np.nan),
    ("ue4m3fn", -0.0, "ne", False, 0.0),
    ("e4m3fn", np.nan, "ne", True, np.nan),
]


@pytest.mark.parametrize(("text", "value", "rounding", "saturate", "want"), OVERFLOWS)
def test_overflow(text: str, value: float, rounding: str, saturate: bool, want: float):
    form = Minifloat.parse(text)
    found = form.decode(encode_minifloat(np.array([value]), form, MODES[rounding], saturate))
    np.testing.assert_array_equal(found, [want])


def test_signs_of_zero():
    signed, without = Minifloat.parse("e4m3fn"), Minifloat.parse("e4m3fnuz")
    assert encode_minifloat(np.array([0.0, -0.0, -1e-9]), signed).tolist() == [0, 128, 128]
    assert encode_minifloat(np.array([0.0, -0.0, -1e-9]), without).tolist() == [0, 0, 0]
    one, minus = np.array([0x38]), np.array([0xB8])
    assert add_minifloat(one, signed, minus, signed, signed).tolist() == [0]
    assert add_minifloat(one, signed, minus, signed, signed, FloatRounding.DOWN).tolist() == [128]


@pytest.mark.parametrize("rounding", FloatRounding, ids=lambda mode: mode.value)
@pytest.mark.parametrize(("text", "other"), [("e2m1", "e3m2"), ("e4m0", "e2m2b-3"), ("e3m1", "e1m3")])
def test_all_sums_and_products(text: str, other: str, rounding: FloatRounding):
    a, b = Minifloat.parse(text), Minifloat.parse(other)
    target, compared = Minifloat.parse("e3m2"), 0
    x, y = np.arange(1 << a.bits)[:, None], np.arange(1 << b.bits)
    for function, exact in ((add_minifloat, Fraction.__add__), (multiply_minifloat, Fraction.__mul__)):
        found = target.decode(function(x, a, y, b, target, rounding))
        for i in range(1 << a.bits):
            for j in range(1 << b.bits):
                assert Fraction(found[i, j]) == reference(target, exact(a.value(i), b.value(j)), rounding)
        compared += found.size
    assert compared == 2 << (a.bits + b.bits)


def test_a_sum_that_float64_cannot_hold_is_rounded_once():
    """1 + 2**-60 is above the midpoint that float64 makes of it: nearest must go up, towards zero must not."""
    wide, narrow = Minifloat.parse("e7m8"), Minifloat.parse("e7m1")
    x = encode_minifloat(np.array([1.25]), wide)  # halfway between 1 and 1.5
    y = encode_minifloat(np.array([2.0**-60]), wide)
    minus = encode_minifloat(np.array([-(2.0**-60)]), wide)
    assert narrow.decode(add_minifloat(x, wide, y, wide, narrow)).tolist() == [1.5]
    assert narrow.decode(add_minifloat(x, wide, minus, wide, narrow)).tolist() == [1.0]
    one = encode_minifloat(np.array([1.0]), wide)
    assert narrow.decode(add_minifloat(one, wide, y, wide, narrow, FloatRounding.UP)).tolist() == [1.5]
    assert narrow.decode(add_minifloat(one, wide, minus, wide, narrow, FloatRounding.DOWN)).tolist() == [0.75]


@pytest.mark.parametrize("text", ["e8m7b256", "e8m7b-256", "e8m7ieee", "e5m10ieee", "e0m15", "e1m14b256"])
def test_sixteen_bits_and_the_farthest_biases(text: str):
    """Random codes, every rounding, sums and products against fractions."""
    form, rng, compared = Minifloat.parse(text), np.random.default_rng(7), 0
    codes = rng.integers(0, form.highest_code, (2, 40), endpoint=True) + rng.integers(0, 2, (2, 40)) * form.sign_code
    near = rng.integers(0, form.highest_code, 40) + np.array([[0], [1]])  # neighbours, whose sums nearly tie
    for x, y in (codes, near):
        for rounding in FloatRounding:
            for function, exact in ((add_minifloat, Fraction.__add__), (multiply_minifloat, Fraction.__mul__)):
                found = form.decode(function(x, form, y, form, form, rounding))
                for i in range(40):
                    want = reference(form, exact(form.value(int(x[i])), form.value(int(y[i]))), rounding)
                    assert Fraction(found[i]) == want
                compared += found.size
    assert compared == 2 * 5 * 2 * 40


def test_exact_integers_of_any_width():
    form = Minifloat.parse("e8m3")
    tie = (1 << 100) + (1 << 96)
    integers = np.array([tie, tie + 1, tie - 1, -tie - 1, 3, 0, 1 << 3000], dtype=object)
    found = form.decode(encode_integers(integers, 90, form))
    assert found.tolist() == [1024.0, 1152.0, 1024.0, -1152.0, 3 * 2.0**-90, 0.0, float(form.high)]
    assert form.decode(encode_integers(np.array([1]), 5000, form, FloatRounding.UP)).tolist() == [float(form.step)]


def test_integers_are_rounded_as_fractions_are():
    rng, form, compared = np.random.default_rng(5), Minifloat.parse("e4m3fn"), 0
    for rounding in FloatRounding:
        integers = [int.from_bytes(rng.bytes(12), "little") >> int(rng.integers(0, 96)) for _ in range(300)]
        integers = np.array([n * int(rng.choice([-1, 1])) for n in integers], dtype=object)
        found = form.decode(encode_integers(integers, 40, form, rounding))
        for integer, value in zip(integers, found, strict=True):
            assert Fraction(value) == reference(form, Fraction(integer, 2**40), rounding)
        compared += found.size
    assert compared == 5 * 300


# Exact signed product widths (methods.md section 7), each reached by the two largest numbers.
@pytest.mark.parametrize(("text", "width"), [("e2m1", 9), ("e2m3", 13), ("e3m2", 19), ("e4m3fn", 37), ("e5m2ieee", 65)])
def test_product_widths(text: str, width: int):
    form = Minifloat.parse(text)
    assert product_width(form, form) == width
    top = form.highest_integer**2
    assert -(1 << (width - 1)) <= -top and top < 1 << (width - 1) and top >= 1 << (width - 2)


# minifloat.md A.3: the closed form of the paper, and the exact width found there by brute force.
WIDTHS = [
    ("e2m1", 4608, 22, 21), ("e2m3", 4608, 26, 25), ("e3m2", 4608, 32, 31), ("e3m4", 4608, 36, 36),
    ("e4m3", 4608, 50, 49), ("e5m2", 4608, 80, 79), ("e2m1", 784, 19, 18), ("e2m3", 784, 23, 23),
    ("e3m2", 784, 29, 29), ("e4m3", 784, 47, 47),
]  # fmt: skip


@pytest.mark.parametrize(("text", "terms", "paper", "exact"), WIDTHS)
def test_accumulator_widths(text: str, terms: int, paper: int, exact: int):
    form = Minifloat.parse(text)
    assert 2 * (2**form.exponent + form.mantissa) + (terms - 1).bit_length() - 1 == paper
    assert accumulator_width(form, form, terms) == exact


def test_a_nan_without_a_code_is_refused():
    with pytest.raises(DataError) as caught:
        encode_minifloat(np.array([1.0, np.nan]), Minifloat.parse("e3m2"), place="weight of 'conv1'")
    assert str(caught.value) == "Format e3m2 has no NaN, but weight of 'conv1' contains one; replace it first."


def test_a_nan_that_an_operator_makes_is_refused_with_its_place():
    ieee, none = Minifloat.parse("e5m2ieee"), Minifloat.parse("e3m2")
    infinity = np.array([ieee.infinity_code])
    with pytest.raises(DataError) as caught:
        multiply_minifloat(infinity, ieee, np.array([0]), ieee, none)
    assert str(caught.value) == (
        "Format e3m2 has no NaN, but a product of e5m2ieee and e5m2ieee contains one; replace it first."
    )
    with pytest.raises(DataError) as caught:
        add_minifloat(infinity, ieee, infinity + ieee.sign_code, ieee, none)
    assert str(caught.value) == (
        "Format e3m2 has no NaN, but a sum of e5m2ieee and e5m2ieee contains one; replace it first."
    )
