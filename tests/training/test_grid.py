"""The float forms of rounding and overflow against the integer ones, mode by mode."""

import itertools

import numpy as np
import pytest
import torch

from flow.errors import DataError, FormatError
from flow.formats import FixedPoint, Overflow, Rounding, encode
from flow.training import Quantizer, Word
from flow.training.grid import round_codes

MODES = [
    (rounding, mode, signed)
    for rounding, mode, signed in itertools.product(Rounding, Overflow, (True, False))
    if signed or mode is not Overflow.WRAP_SM
]
FRACS = (-3, 0, 2, 9)


def quantizer(word, rounding=Rounding.RND, mode=Overflow.SAT, frac=0.0):
    made = Quantizer(word, rounding, mode)
    with torch.no_grad():
        made.frac.fill_(frac)
    return made


def samples(word, frac, rng):
    """float32 values on and around the grid: every tie, far outside, and random ones."""
    step, reach = 2.0**-frac, 3 << word.width
    grid = np.arange(-4 * reach, 4 * reach + 1) / 4
    near = np.nextafter(grid.astype(np.float32), np.float32(np.inf))
    below = np.nextafter(grid.astype(np.float32), np.float32(-np.inf))
    return np.concatenate([grid, near, below, rng.normal(0, reach / 2, 500)]).astype(np.float32) * np.float32(step)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rounding", "mode", "signed"), MODES)
def test_quantizer_equals_encode(rounding, mode, signed, dtype):
    rng, compared = np.random.default_rng(0), 0
    for width, frac in itertools.product((1, 2, 4), FRACS):
        word = Word(width, signed)
        x = torch.from_numpy(samples(word, frac, rng)).to(dtype)
        expected = encode(x.numpy(), FixedPoint(width, frac, signed), rounding, mode)
        made = quantizer(word, rounding, mode, frac).to(dtype)
        values = made(x).detach().double().numpy() * 2.0**frac
        assert np.array_equal(values, expected)
        assert np.array_equal(made.codes(x), expected)
        compared += expected.size
    assert compared > 5_000


@pytest.mark.parametrize("rounding", list(Rounding))
def test_rounding_at_the_edge_of_float32(rounding):
    half = np.float32(0.5)
    edge = [np.nextafter(half, np.float32(0)), half, np.nextafter(half, np.float32(1)), np.float32(1e-40), 8388607.5]
    x = np.array(edge + [-value for value in edge], dtype=np.float32)
    expected = encode(x, FixedPoint(32, 0), rounding, Overflow.SAT)
    found = round_codes(torch.from_numpy(x), rounding).double().numpy()
    assert np.array_equal(found, expected)
    assert found.size == 10


def test_unsigned_reflection_is_refused():
    message = "^Overflow mode WRAP_SM exists for signed words only, not u6 of 'fc.out'; use WRAP\\.$"
    with pytest.raises(FormatError, match=message):
        Quantizer(Word(6, signed=False), overflow=Overflow.WRAP_SM, place="fc.out")


def test_codes_of_nan_are_refused():
    message = "^Fixed point holds finite numbers only, but 'fc.weight' holds NaN or infinity\\.$"
    with pytest.raises(DataError, match=message):
        Quantizer(Word(6, signed=True), place="fc.weight").codes(torch.tensor([1.0, float("nan")]))


def test_a_point_that_diverged_is_refused():
    message = "^The binary point of 'fc.out' is nan; the training diverged, lower its rate\\.$"
    made = Quantizer(Word(6, signed=True), place="fc.out")
    with torch.no_grad():
        made.frac.fill_(float("nan"))
    with pytest.raises(DataError, match=message):
        made(torch.ones(3))
