from __future__ import annotations

from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.errors import FormatError
from flow.formats import FixedPoint
from flow.formats.fixed_point import MAX_WIDTH


@settings(derandomize=True, max_examples=300)
@given(st.integers(1, MAX_WIDTH), st.integers(-2000, 2000), st.booleans())
def test_the_text_form_parses_back(width: int, frac: int, signed: bool):
    form = FixedPoint(width, frac, signed)
    assert FixedPoint.parse(str(form)) == form


@pytest.mark.parametrize(
    "text", ["", "8.4", "x8.4", "s8", "s8.", "s.4", "s-8.4", "s8.4 ", " s8.4", "s8.4\n", "S8.4", "s8.+4", "s8.4.2"]
)
def test_other_texts_are_refused(text: str):
    with pytest.raises(FormatError) as caught:
        FixedPoint.parse(text)
    assert str(caught.value) == f"A fixed-point format is written like s8.4 or u6.-2, not {text!r}."


@pytest.mark.parametrize("width", [0, -1, 1025])
def test_widths_that_cannot_exist_are_refused(width: int):
    with pytest.raises(FormatError) as caught:
        FixedPoint(width, 0)
    assert str(caught.value) == f"A fixed-point width must lie in 1..1024 bits, not {width}."


@pytest.mark.parametrize(
    ("text", "low", "high", "integer", "step"),
    [
        ("s1.0", -1, 0, 1, Fraction(1)),
        ("u1.0", 0, 1, 1, Fraction(1)),
        ("s8.4", -128, 127, 4, Fraction(1, 16)),
        ("u6.-2", 0, 63, 8, Fraction(4)),
        ("s4.9", -8, 7, -5, Fraction(1, 512)),
        ("u64.64", 0, 2**64 - 1, 0, Fraction(1, 2**64)),
    ],
)
def test_what_a_format_says_of_itself(text: str, low: int, high: int, integer: int, step: Fraction):
    form = FixedPoint.parse(text)
    assert (form.low, form.high, form.integer, form.step) == (low, high, integer, step)
    assert form.high - form.low + 1 == 1 << form.width


def test_holding_is_the_narrowest_for_every_small_range():
    checked = 0
    for low in range(-40, 41):
        for high in range(low, 41):
            form = FixedPoint.holding(low, high, 3)
            assert form.holds(low, high)
            assert form.signed is (low < 0)
            if form.width > 1:
                assert not FixedPoint(form.width - 1, 3, form.signed).holds(low, high)
            checked += 1
    assert checked == 81 * 82 // 2


def test_holds_means_both_ends():
    form = FixedPoint(4, 0)
    assert [form.holds(*ends) for ends in ((-8, 7), (-9, 7), (-8, 8), (0, 0))] == [True, False, False, True]


def test_formats_are_values():
    assert FixedPoint(8, 4) == FixedPoint.parse("s8.4")
    assert len({FixedPoint(8, 4), FixedPoint(8, 4, signed=True), FixedPoint(8, 4, signed=False)}) == 2
    with pytest.raises(FrozenInstanceError):
        FixedPoint(8, 4).width = 9
