"""Minifloats against ml_dtypes: every code, every conversion, all operand pairs of + and *."""

import operator

import ml_dtypes
import numpy as np
import pytest

from flow.formats import ML_DTYPES, Minifloat, add_minifloat, convert_minifloat, encode_minifloat, multiply_minifloat

SMALL = {name: form for name, form in ML_DTYPES.items() if form.bits <= 8}
NAMES = sorted(SMALL)


def as_dtype(name: str, codes: np.ndarray) -> np.ndarray:
    return codes.astype(np.uint16 if ML_DTYPES[name].bits > 8 else np.uint8).view(np.dtype(getattr(ml_dtypes, name)))


def codes_of(array: np.ndarray) -> np.ndarray:
    return array.view(np.uint16 if array.itemsize == 2 else np.uint8).astype(np.int64)


def same(form: Minifloat, ours: np.ndarray, theirs: np.ndarray) -> int:
    """Compares codes, with any NaN equal to any other; returns how many."""
    left, right = np.isnan(form.decode(ours)), np.isnan(form.decode(theirs))
    np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(ours[~left], theirs[~left])
    return ours.size


def test_every_format_of_the_oracle_but_the_scale_is_known():
    theirs = {name for name in dir(ml_dtypes) if name.startswith(("float", "bfloat"))}
    assert theirs - set(ML_DTYPES) == {"float8_e8m0fnu"}


@pytest.mark.parametrize("name", ML_DTYPES)
def test_every_code(name: str):
    form = ML_DTYPES[name]
    codes = np.arange(1 << form.bits)
    with np.errstate(invalid="ignore"):  # a signalling NaN is cast
        theirs = as_dtype(name, codes).astype(np.float64)
    np.testing.assert_array_equal(form.decode(codes), theirs)
    numbers = ~np.isnan(theirs)
    np.testing.assert_array_equal(np.signbit(form.decode(codes))[numbers], np.signbit(theirs)[numbers])
    info = ml_dtypes.finfo(getattr(ml_dtypes, name))
    assert (float(form.high), float(form.smallest_normal)) == (float(info.max), float(info.smallest_normal))
    assert float(form.step) == float(info.smallest_subnormal)
    assert (form.exponent, form.mantissa) == (info.nexp, info.nmant)


def float32_probes(form: Minifloat, count: int) -> np.ndarray:
    """float32: every number and midpoint of `form` with both neighbours, random bit patterns, infinities."""
    grid = form.decode(np.arange(form.highest_code + 1))
    last = np.array([grid[-1] * 2 - grid[-2], (3 * grid[-1] - grid[-2]) / 2, grid[-1] * 4])
    with np.errstate(over="ignore"):  # beyond bfloat16 there is no float32
        points = np.concatenate([grid, (grid[1:] + grid[:-1]) / 2, last]).astype(np.float32)
    points = np.concatenate([points, np.nextafter(points, np.float32(np.inf)), np.nextafter(points, np.float32(0))])
    bits = np.random.default_rng(form.bits).integers(0, 2**32, count, dtype=np.uint64).astype(np.uint32)
    noise = bits.view(np.float32)
    near = np.random.default_rng(1).uniform(-1.5, 1.5, count).astype(np.float32) * np.float32(form.high / 2)
    both = np.concatenate([points, noise[~np.isnan(noise)], near, np.array([np.inf, 0.0], dtype=np.float32)])
    return np.concatenate([both, -both])


@pytest.mark.parametrize("name", ML_DTYPES)
def test_every_conversion_from_float32(name: str):
    """All numbers, ties and their neighbours, and 20,000 random floats and their negatives."""
    form = ML_DTYPES[name]
    values = float32_probes(form, 10_000)
    with np.errstate(over="ignore"):
        theirs = codes_of(values.astype(np.dtype(getattr(ml_dtypes, name))))
    assert same(form, encode_minifloat(values, form, saturate=False), theirs) > 39_000


def test_saturation_is_the_oracle_clipped():
    compared = 0
    for name, form in SMALL.items():
        values = float32_probes(form, 1000)
        high = np.float32(form.high)
        theirs = codes_of(np.clip(values, -high, high).astype(np.dtype(getattr(ml_dtypes, name))))
        compared += same(form, encode_minifloat(values, form, saturate=True), theirs)
    assert compared > 40_000


@pytest.mark.parametrize("name", ML_DTYPES)
def test_every_conversion_from_every_other_format(name: str):
    """All codes of the other formats; NaNs only where the target has one."""
    target, compared, expected = ML_DTYPES[name], 0, 0
    for other, source in ML_DTYPES.items():
        codes = np.arange(1 << source.bits)
        if target.nan_code is None:
            codes = codes[~np.isnan(source.decode(codes))]
        with np.errstate(over="ignore", invalid="ignore"):
            theirs = codes_of(as_dtype(other, codes).astype(np.dtype(getattr(ml_dtypes, name))))
        compared += same(target, convert_minifloat(codes, source, target, saturate=False), theirs)
        expected += codes.size
    assert compared == expected > 60_000


OPERATORS = {"+": (operator.add, add_minifloat), "*": (operator.mul, multiply_minifloat)}


@pytest.mark.parametrize("sign", OPERATORS)
@pytest.mark.parametrize("name", NAMES)
def test_all_operand_pairs(sign: str, name: str):
    form, (theirs, ours) = SMALL[name], OPERATORS[sign]
    codes = np.arange(1 << form.bits)
    x, y = codes[:, None], codes[None, :]
    with np.errstate(over="ignore", invalid="ignore"):
        want = codes_of(theirs(as_dtype(name, x), as_dtype(name, y)))
    assert same(form, ours(x, form, y, form, form, saturate=False), want) == 4**form.bits
