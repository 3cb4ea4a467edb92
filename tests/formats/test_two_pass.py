"""The two-pass softmax: nothing depends on an integer added to all inputs, and how near it is to the real one."""

import itertools

import numpy as np
import pytest

from flow.errors import DataError, FormatError
from flow.formats import FixedPoint, TwoPassSoftmax


@pytest.mark.parametrize("frac", [0, 3, 6])
def test_an_integer_added_to_all_inputs_changes_no_bit(frac: int):
    """Codes of s24, 40 rows of 10, moved by every integer from -100 to 100 and by the farthest."""
    softmax = TwoPassSoftmax(FixedPoint(24, frac))
    codes = np.random.default_rng(frac).integers(-8 << frac, 8 << frac, (40, 10))
    want, compared = softmax(codes), 0
    far = (softmax.source.high >> frac) - 8
    for moved in (*range(-100, 101), far, -far):
        found = softmax(codes + (moved << frac))
        np.testing.assert_array_equal(found, want)
        compared += found.size
    assert compared == 203 * 400
    assert len(np.unique(want)) > 30


def every_row(form: FixedPoint, length: int) -> np.ndarray:
    """int64[2**(width * length), length]."""
    return np.array(list(itertools.product(range(form.low, form.high + 1), repeat=length)))


@pytest.mark.parametrize(("text", "length"), [("s5.2", 3), ("u4.1", 4), ("s4.0", 4), ("s3.-1", 4)])
@pytest.mark.parametrize("mantissa", [1, 4])
def test_every_short_row_of_a_small_format(text: str, length: int, mantissa: int):
    """Moved by every integer that keeps it within the format: not a bit of its results moves, and none exceeds 1."""
    form = FixedPoint.parse(text)
    softmax, rows = TwoPassSoftmax(form, mantissa), every_row(form, length)
    want, compared = softmax(rows), 0
    step = 1 << max(form.frac, 0)
    for moved in range(step, form.high - form.low + 1, step):
        inside = rows.max(axis=1) + moved <= form.high
        np.testing.assert_array_equal(softmax(rows[inside] + moved), want[inside])
        compared += int(inside.sum())
    assert compared > len(rows) // 2
    assert want.min() >= 0 and want.max() <= 1 << mantissa
    assert softmax.target.holds(int(want.min()), int(want.max()))


@pytest.mark.parametrize("mantissa", [8, 12, 16, 20])
def test_the_distance_to_the_real_softmax(mantissa: int):
    """Below 2**-mantissa of the floor, and 14 truncations of the last bit of the mantissa."""
    softmax = TwoPassSoftmax(FixedPoint(12, 6), mantissa)
    codes = np.random.default_rng(1).integers(softmax.source.low, softmax.source.high, (200, 10), endpoint=True)
    powers = 2.0 ** (codes / 64)
    exact = powers / powers.sum(axis=-1, keepdims=True)
    found = softmax(codes) * 2.0**-mantissa
    assert (np.abs(found - exact) <= 2.0**-mantissa * (1 + 14 * exact)).all()
    assert found.size == 2000


@pytest.mark.parametrize("source", [FixedPoint(62, 0), FixedPoint(16, 8), FixedPoint(8, 0, signed=False)])
def test_no_overflow_at_the_ends_of_the_format(source: FixedPoint):
    softmax = TwoPassSoftmax(source, 20)
    one = 1 << 20  # a reciprocal is cut off: an exact whole may be one code short
    assert softmax(np.array([source.low, source.high]))[0] == softmax(np.array([source.high, source.low]))[1] == 0
    for row in ([source.low, source.high], [source.high, source.low], [source.low], [source.high]):
        assert one - 1 <= softmax(np.array(row)).max() <= one
    for end in (source.low, source.high):
        assert set(softmax(np.full(4, end)).tolist()) <= {one // 4 - 1, one // 4}


def test_the_order_of_rows_is_kept():
    softmax = TwoPassSoftmax(FixedPoint(8, 4))
    codes = np.arange(-60, 60).reshape(2, 3, 20)
    assert softmax(codes).shape == (2, 3, 20)
    assert softmax(codes)[1, 2].tolist() == softmax(codes[1, 2]).tolist()


BAD = [
    (
        (FixedPoint(20, 13), 16),
        "The inputs of a softmax have at most 12 fractional bits, not those of s20.13; cast them before.",
    ),
    ((FixedPoint(8, 4), 21), "The mantissa of a softmax has 1..20 bits, not 21."),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_a_softmax_that_cannot_be(arguments, message: str):
    with pytest.raises(FormatError) as caught:
        TwoPassSoftmax(*arguments)
    assert str(caught.value) == message


def test_codes_of_another_format_are_refused():
    with pytest.raises(DataError) as caught:
        TwoPassSoftmax(FixedPoint(8, 4))(np.array([0, 200]))
    assert str(caught.value) == "The inputs of a softmax must be codes of s8.4, not 0..200."
