"""OCP MX, NVFP4 and minifloat scales: each block recomputed with ml_dtypes, and the corners."""

import math

import ml_dtypes
import numpy as np
import pytest

from flow.errors import DataError, FormatError
from flow.formats import (
    BlockFormat,
    FixedPoint,
    FloatRounding,
    Minifloat,
    PowerOfTwo,
    block_scales,
    decode_blocks,
    encode_blocks,
    encode_elements,
)

# MX format: bits per element (methods.md section 7), emax, and the element of ml_dtypes.
MX = {
    "mxe2m1b32": (4.25, 2, ml_dtypes.float4_e2m1fn),
    "mxe2m3b32": (6.25, 2, ml_dtypes.float6_e2m3fn),
    "mxe3m2b32": (6.25, 4, ml_dtypes.float6_e3m2fn),
    "mxe4m3fnb32": (8.25, 8, ml_dtypes.float8_e4m3fn),
    "mxe5m2ieeeb32": (8.25, 15, ml_dtypes.float8_e5m2),
}


def sample(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """float64 Gaussians (float32 values) whose size changes over 40 octaves along the last axis."""
    octaves = 2.0 ** rng.integers(-20, 20, (*shape[:-1], 1))
    return (rng.standard_normal(shape) * octaves).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("text", MX)
def test_mx(text: str):
    """Scale by frexp of the largest magnitude, elements by the conversion of ml_dtypes, clipped first."""
    bits, emax, element = MX[text]
    form = BlockFormat.parse(text)
    assert (form.bits_per_element, form.highest_exponent) == (bits, emax)
    values = sample(np.random.default_rng(1), 60, 64)
    coded, compared = encode_blocks(values, form), 0
    back = decode_blocks(coded)
    for row in range(60):
        for block in range(2):
            cut = slice(32 * block, 32 * block + 32)
            shared = math.frexp(np.abs(values[row, cut]).max())[1] - 1 - emax
            assert coded.scales[row, block] == shared + 127
            inside = np.clip(values[row, cut] / 2.0**shared, -form.highest, form.highest)
            want = inside.astype(np.float32).astype(element)
            assert coded.elements[row, cut].tolist() == want.view(np.uint8).tolist()
            assert back[row, cut].tolist() == (want.astype(np.float64) * 2.0**shared).tolist()
            compared += 32
    assert compared == 60 * 64


def test_mxint8():
    form = BlockFormat.parse("mxs8.6b32")
    assert (form.bits_per_element, form.highest_exponent, form.highest) == (8.25, 0, 1 + 63 / 64)
    values = sample(np.random.default_rng(2), 50, 32)
    coded = encode_blocks(values, form)
    shared = np.frexp(np.abs(values).max(axis=1))[1] - 1
    assert (coded.scales[:, 0] == shared + 127).all()
    want = np.clip(np.rint(values * 2.0 ** (6 - shared[:, None])), -127, 127)
    assert coded.elements.tolist() == want.tolist()
    assert coded.elements.size == 1600
    assert coded.elements.min() == -127  # the most negative code is not used


@pytest.mark.parametrize("rounding", FloatRounding, ids=lambda mode: mode.value)
def test_mxint8_rounds_in_every_mode(rounding: FloatRounding):
    values = np.array([64.0, 0.5, -0.5, 1.5, -1.5, 0.25, -0.25])  # the scale is 64, an element's step 1
    want = {
        FloatRounding.NEAREST_EVEN: [64, 0, 0, 2, -2, 0, 0],
        FloatRounding.NEAREST_AWAY: [64, 1, -1, 2, -2, 0, 0],
        FloatRounding.TOWARD_ZERO: [64, 0, 0, 1, -1, 0, 0],
        FloatRounding.UP: [64, 1, 0, 2, -1, 1, 0],
        FloatRounding.DOWN: [64, 0, -1, 1, -2, 0, -1],
    }[rounding]
    assert encode_blocks(values, BlockFormat.parse("mxs8.6b8"), rounding).elements.tolist() == want


def test_nvfp4():
    """Tensor scale amax / (6 * 448) as float32, E4M3 block scales, E2M1 elements, all by ml_dtypes."""
    form = BlockFormat.parse("nve2m1b16")
    assert form.bits_per_element == 4.5
    values = sample(np.random.default_rng(3), 40, 48)
    coded = encode_blocks(values, form)
    tensor = float(np.float32(np.abs(values).max() / 2688))
    assert coded.tensor == tensor
    blocks = values.reshape(40, 3, 16)
    scales = (np.abs(blocks).max(axis=-1) / tensor / 6).astype(np.float32).astype(ml_dtypes.float8_e4m3fn)
    assert coded.scales.tolist() == scales.view(np.uint8).tolist()
    factors = scales.astype(np.float64)[..., None] * tensor
    quotients = np.clip(np.divide(blocks, factors, out=np.zeros_like(blocks), where=factors > 0), -6, 6)
    elements = quotients.astype(np.float32).astype(ml_dtypes.float4_e2m1fn)
    assert coded.elements.tolist() == elements.view(np.uint8).reshape(40, 48).tolist()
    assert decode_blocks(coded).tolist() == (elements.astype(np.float64) * factors).reshape(40, 48).tolist()
    assert (coded.scales == 0).any() and coded.scales.max() == 0x7E
    assert coded.elements.size == 1920


def test_ue5m3_scales_need_no_tensor_scale():
    form = BlockFormat.parse("bke2m1b16xue5m3fn")
    values = sample(np.random.default_rng(4), 200, 16) / 2**6
    coded = encode_blocks(values, form)
    assert coded.tensor == 1.0
    scale = Minifloat.parse("ue5m3fn")
    assert (scale.bits, float(scale.high), scale.highest_code, scale.nan_code) == (8, 114688, 0xFE, 0xFF)
    assert float(scale.step) == 2.0**-17
    # The positive half of a signed format with the same fields has the same values.
    nearest = scale.decode(coded.scales[:, 0])
    wanted = np.abs(values).max(axis=1) / 6
    normal = wanted > float(scale.smallest_normal)
    assert (np.abs(nearest - wanted)[normal] <= wanted[normal] / 16).all()
    assert normal.sum() > 100


def test_the_power_of_two_scale_is_that_of_ml_dtypes():
    codes = np.arange(256)
    theirs = codes.astype(np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(np.float64)
    np.testing.assert_array_equal(PowerOfTwo().decode(codes), theirs)
    assert PowerOfTwo().integers(codes[:255]).tolist() == [2**code for code in range(255)]
    assert str(PowerOfTwo()) == "e8m0"


def test_scales_at_both_ends():
    form = BlockFormat.parse("mxe2m1b1")
    values = np.array([2.0**-200, 2.0**-125, 2.0**-124, 2.0**129, 2.0**130, 0.0])
    assert block_scales(values, form).tolist() == [0, 0, 1, 254, 255, 0]
    coded = encode_blocks(values, form)
    assert coded.elements.tolist() == [0, 6, 6, 6, 0, 0]
    np.testing.assert_array_equal(decode_blocks(coded), [0, 2.0**-125, 2.0**-124, 2.0**129, np.nan, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_block_with_a_nan_or_an_infinity_is_nan(bad: float):
    values = np.array([1.0, bad, 2.0, 3.0])
    coded = encode_blocks(values, BlockFormat.parse("mxe2m1b2"))
    assert coded.scales.tolist() == [255, 126]
    np.testing.assert_array_equal(decode_blocks(coded), [np.nan, np.nan, 2.0, 3.0])
    assert encode_blocks(values, BlockFormat.parse("bke2m1b2xue5m3fn")).scales[0] == 255


def test_a_block_of_zeros():
    for text in (*MX, "mxs8.6b32", "nve2m1b16", "bke2m1b16xue5m3fn"):
        coded = encode_blocks(np.zeros((2, 64)), BlockFormat.parse(text))
        assert not coded.elements.any() and not coded.scales.any() and coded.tensor == 1.0
        assert decode_blocks(coded).tolist() == np.zeros((2, 64)).tolist()


def test_a_short_last_block_and_chosen_scales():
    form = BlockFormat.parse("mxe2m1b4")
    coded = encode_blocks(np.array([[1.0, 2.0, 3.0, 4.0, 0.5]]), form)
    assert (coded.elements.shape, coded.scales.tolist()) == ((1, 5), [[127, 124]])
    chosen = encode_elements(np.array([[1.0, 2.0, 3.0, 4.0, 0.5]]), form, np.array([[128, 127]]))
    assert decode_blocks(chosen).tolist() == [[1.0, 2.0, 3.0, 4.0, 0.5]]


TEXTS = [
    ("mxe2m1b32", BlockFormat(Minifloat.parse("e2m1"))),
    ("mxe3m2b5b32", BlockFormat(Minifloat(3, 2, 5))),
    ("mxs8.6b32", BlockFormat(FixedPoint(8, 6))),
    ("nve2m1b16", BlockFormat(Minifloat.parse("e2m1"), 16, Minifloat.parse("ue4m3fn"), tensor_scale=True)),
    ("bke2m1b16xue5m3fn", BlockFormat(Minifloat.parse("e2m1"), 16, Minifloat.parse("ue5m3fn"))),
    ("bke2m1b16xue4m3fn", BlockFormat(Minifloat.parse("e2m1"), 16, Minifloat.parse("ue4m3fn"))),
    ("bks4.0b8xe8m0+t", BlockFormat(FixedPoint(4, 0), 8, PowerOfTwo(), tensor_scale=True)),
    ("bke2m1b16xue5m3b9fn+t", BlockFormat(Minifloat.parse("e2m1"), 16, Minifloat.parse("ue5m3b9fn"), True)),
]


@pytest.mark.parametrize(("text", "form"), TEXTS)
def test_the_text_form_parses_back(text: str, form: BlockFormat):
    assert BlockFormat.parse(text) == form
    assert str(form) == text


WRITTEN = "A block format is written like mxe2m1b32, mxs8.6b32, nve2m1b16 or bke2m1b16xue5m3fn, not {!r}."
BAD = [
    ("mxe2m1", WRITTEN.format("mxe2m1")),
    ("bke2m1b16", WRITTEN.format("bke2m1b16")),
    ("mxe2m1b16xue5m3fn", WRITTEN.format("mxe2m1b16xue5m3fn")),
    ("mxe2m1b0", "A block must have at least 1 element, not 0."),
    ("mxu8.6b32", "The elements of a block have a sign, which u8.6 lacks."),
    ("bke2m1b16xue5m3ieee", "A block scale is an unsigned minifloat without infinities, not ue5m3ieee."),
    ("mxe2b32", "A minifloat is written like e3m2, e4m3fn, e4m3b11fnuz or ue5m3fn, not 'e2'."),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_format_that_cannot_be(text: str, message: str):
    with pytest.raises(FormatError) as caught:
        BlockFormat.parse(text)
    assert str(caught.value) == message


def test_a_code_beyond_the_last_scale_is_refused():
    with pytest.raises(FormatError) as caught:
        PowerOfTwo().decode(np.array([256]))
    assert str(caught.value) == "A code of e8m0 must lie in 0..255, not 256."


def test_a_nan_scale_is_no_integer():
    with pytest.raises(FormatError) as caught:
        PowerOfTwo().integers(np.array([255]))
    assert str(caught.value) == "Only numbers are multiples of a step, but code 0xff of e8m0 is none; replace it."


def test_a_nan_where_the_scale_has_none_is_refused():
    with pytest.raises(DataError) as caught:
        encode_blocks(np.array([np.nan]), BlockFormat.parse("bke2m1b16xue5m3"))
    assert str(caught.value) == (
        "Scale ue5m3 of bke2m1b16xue5m3 has no NaN, but a block holds one or an infinity; replace it."
    )


def test_a_tensor_scale_that_is_no_float32_is_refused():
    with pytest.raises(DataError) as caught:
        encode_blocks(np.array([1e-50]), BlockFormat.parse("nve2m1b16"))
    assert str(caught.value) == (
        "The tensor scale of nve2m1b16 must be a float32 above 0, but the largest value is 1e-50."
    )
