"""Dot products of block formats against fractions; every width reached by vectors of the largest number."""

from fractions import Fraction

import numpy as np
import pytest

from flow.errors import DataError, FormatError
from flow.formats import (
    BlockFormat,
    BlockTensor,
    FixedPoint,
    Minifloat,
    block_dot_width,
    block_dots,
    decode_blocks,
    dot_blocks,
    encode_blocks,
)

# Signed product widths (methods.md section 7); a block of 32 needs five bits more.
WIDTHS = {"e2m1": 9, "e2m3": 13, "s8.6": 15, "e3m2": 19, "e4m3fn": 37, "e5m2ieee": 65}


def largest(form: BlockFormat, count: int, sign: int = 1) -> BlockTensor:
    """A vector of `count` elements, all the largest or all its negative; scales 1."""
    element = form.element
    if isinstance(element, FixedPoint):
        code = element.high * sign
    else:
        code = element.highest_code + (element.sign_code if sign < 0 else 0)
    return BlockTensor(form, np.full(count, code), np.full(-(-count // form.block), 127))


@pytest.mark.parametrize("text", WIDTHS)
def test_the_widths_are_reached_by_all_max_vectors(text: str):
    form = BlockFormat.parse(f"mx{text}b32")
    assert block_dot_width(form, form, 1) == WIDTHS[text]
    assert block_dot_width(form, form) == WIDTHS[text] + 5
    for sign in (1, -1):
        (total,) = block_dots(largest(form, 32), largest(form, 32, sign)).tolist()
        assert total == sign * 32 * form.highest_integer**2
        needed = FixedPoint.holding(min(total, 0), abs(total) - (total < 0), 0)
        assert (needed.width + (not needed.signed)) == WIDTHS[text] + 5


def test_int8_with_its_most_negative_code_takes_one_bit_more():
    assert FixedPoint.holding(0, 128 * 128, 0).width + 1 == 16


@pytest.mark.parametrize("terms", [1, 7, 32, 100, 4608])
@pytest.mark.parametrize("text", WIDTHS)
def test_long_vectors_fit_the_width_of_their_length(text: str, terms: int):
    form = BlockFormat.parse(f"mx{text}b{terms}")
    (total,) = block_dots(largest(form, terms), largest(form, terms, -1)).tolist()
    width = block_dot_width(form, form)
    assert -(1 << (width - 1)) <= total < -(1 << (width - 2))
    assert width <= WIDTHS[text] + (terms - 1).bit_length()


PAIRS = [
    ("mxe2m1b32", "mxe2m1b32"),
    ("mxe2m3b32", "mxs8.6b32"),
    ("mxe5m2ieeeb32", "mxe4m3fnb32"),
    ("nve2m1b16", "nve2m1b16"),
    ("bke3m2b16xue5m3fn", "mxe2m1b16"),
    ("bke7m0b8xue4m3fn+t", "bke7m0b8xue4m3fn+t"),
]


@pytest.mark.parametrize("length", [1, 16, 100])
@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_dots_are_exact(left: str, right: str, length: int):
    """Ten rows each, against the sum of fractions of the decoded values; and in any order of the blocks."""
    rng = np.random.default_rng(length)
    a = encode_blocks(rng.standard_normal((10, length)) * 9, BlockFormat.parse(left))
    b = encode_blocks(rng.standard_normal((10, length)) / 7, BlockFormat.parse(right))
    found, frac = dot_blocks(a, b)
    x, y = decode_blocks(a), decode_blocks(b)
    for row in range(10):
        exact = sum(Fraction(p) * Fraction(q) for p, q in zip(x[row], y[row], strict=True))
        assert Fraction(int(found[row])) * Fraction(2) ** -frac * Fraction(a.tensor) * Fraction(b.tensor) == exact
    assert np.abs(x).max() > 0 and found.shape == (10,)


def test_the_order_of_addition_does_not_matter():
    rng, form = np.random.default_rng(0), BlockFormat.parse("mxe3m2b1")
    a, b = (encode_blocks(rng.standard_normal(500) * 100, form) for _ in range(2))
    total, _ = dot_blocks(a, b)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(500)
        shuffled = (BlockTensor(form, each.elements[order], each.scales[order]) for each in (a, b))
        assert dot_blocks(*shuffled)[0] == total


def test_lengths_and_blocks_must_agree():
    a, b = largest(BlockFormat.parse("mxe2m1b32"), 32), largest(BlockFormat.parse("mxe2m1b16"), 32)
    with pytest.raises(DataError) as caught:
        block_dots(a, b)
    assert str(caught.value) == (
        "A dot product needs equal lengths and equal blocks, not 32 of mxe2m1b32 and 32 of mxe2m1b16."
    )


def test_a_nan_has_no_exact_dot():
    form = BlockFormat(Minifloat.parse("e4m3fn"), 1)
    bad = encode_blocks(np.array([np.nan]), form)
    with pytest.raises(FormatError) as caught:
        dot_blocks(bad, bad)
    assert str(caught.value) == "Only numbers are multiples of a step, but code 0xff of e8m0 is none; replace it."
