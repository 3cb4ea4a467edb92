"""The two-pass softmax: nothing depends on an integer added to all inputs, and how near it is to the real one."""

import numpy as np
import pytest

from flow.errors import DataError, FormatError
from flow.formats import FixedPoint, TwoPassSoftmax

U16 = FixedPoint(16, 16, signed=False)


@pytest.mark.parametrize("frac", [0, 3, 6])
def test_an_integer_added_to_all_inputs_changes_no_bit(frac: int):
    """Codes of s24, 40 rows of 10, moved by every integer from -100 to 100 and by the farthest."""
    softmax = TwoPassSoftmax(FixedPoint(24, frac), U16)
    codes = np.random.default_rng(frac).integers(-8 << frac, 8 << frac, (40, 10))
    want, compared = softmax(codes), 0
    far = (softmax.source.high >> frac) - 8
    for moved in (*range(-100, 101), far, -far):
        found = softmax(codes + (moved << frac))
        np.testing.assert_array_equal(found, want)
        compared += found.size
    assert compared == 203 * 400
    assert len(np.unique(want)) > 30


@pytest.mark.parametrize("mantissa", [8, 12, 16, 20])
def test_the_distance_to_the_real_softmax(mantissa: int):
    """Below 2**-16 of the floor, and 12 truncations of the last bit of the mantissa."""
    softmax = TwoPassSoftmax(FixedPoint(12, 6), U16, mantissa)
    codes = np.random.default_rng(1).integers(softmax.source.low, softmax.source.high, (200, 10), endpoint=True)
    powers = 2.0 ** (codes / 64)
    exact = powers / powers.sum(axis=-1, keepdims=True)
    found = softmax(codes) / 2.0**16
    assert (np.abs(found - exact) <= 2.0**-16 + 12 * 2.0**-mantissa * exact).all()
    assert found.size == 2000


@pytest.mark.parametrize("source", [FixedPoint(62, 0), FixedPoint(16, 8), FixedPoint(8, 0, signed=False)])
def test_no_overflow_at_the_ends_of_the_format(source: FixedPoint):
    softmax = TwoPassSoftmax(source, U16, 20)
    assert softmax(np.array([source.low, source.high])).tolist() == [0, 65535]
    assert softmax(np.array([source.high, source.low])).tolist() == [65535, 0]
    for end in (source.low, source.high):  # a reciprocal is cut off: an exact quarter may be one code short
        assert set(softmax(np.full(4, end)).tolist()) <= {16383, 16384}
    assert softmax(np.array([source.low])).tolist() == [65535]


def test_the_order_of_rows_is_kept():
    softmax = TwoPassSoftmax(FixedPoint(8, 4), U16)
    codes = np.arange(-60, 60).reshape(2, 3, 20)
    assert softmax(codes).shape == (2, 3, 20)
    assert softmax(codes)[1, 2].tolist() == softmax(codes[1, 2]).tolist()


BAD = [
    ((FixedPoint(20, 13), U16, 16), "The inputs of a softmax table have 0..12 fractional bits, not those of s20.13."),
    ((FixedPoint(8, 4), U16, 21), "The mantissa of a softmax table has 1..20 bits, not 21."),
    (
        (FixedPoint(8, 4), U16, 5),
        "The outputs of a softmax have at most three times the bits of its mantissa, 0..15, as fractional bits, "
        "not those of u16.16.",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_a_softmax_that_cannot_be(arguments, message: str):
    with pytest.raises(FormatError) as caught:
        TwoPassSoftmax(*arguments)
    assert str(caught.value) == message


def test_codes_of_another_format_are_refused():
    with pytest.raises(DataError) as caught:
        TwoPassSoftmax(FixedPoint(8, 4), U16)(np.array([0, 200]))
    assert str(caught.value) == "The inputs of a softmax must be codes of s8.4, not 0..200."
