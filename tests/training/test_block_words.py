"""Blocks while training against flow.formats, their codes, and what passes back."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from flow.errors import DataError, UnsupportedError
from flow.formats import FloatRounding, block_scales, decode_blocks, encode_elements
from flow.ir import to_text
from flow.lowering import lower
from flow.training import calibrating, freeze_points, quantize
from flow.training.block_words import BlockQuantizer
from flow.training.words import BlockWord

WORDS = ["mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2", "mxint8", "nvfp4", "bke2m1b16xue5m3fn"]
SHAPES = [(4, 64), (3, 40), (2, 7), (3, 20, 2, 3), (1, 33, 1, 1)]


def made(text):
    return BlockQuantizer(BlockWord.parse(text), "fc.weight")


def drawn(shape, seed=0):
    """Values over several octaves, with zeros, a block of zeros where there is more than one, and exact ties."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, shape) * 2.0 ** rng.integers(-6, 4, shape)
    x[rng.random(shape) < 0.1] = 0.0
    x[0, 32:] = 0.0
    return np.where(rng.random(shape) < 0.3, np.round(x * 8) / 8, x).astype(np.float32)


def reference(x, form, rounding=FloatRounding.NEAREST_EVEN):
    """flow.formats along axis 1, with the tensor's scale raised to a power of two."""
    rows, tensor = np.moveaxis(x.astype(np.float64), 1, -1), 1.0
    if form.tensor_scale:
        top = np.float32(np.abs(rows).max() / (form.highest * float(form.scale.high)))
        tensor = 2.0 ** np.ceil(np.log2(np.float64(top)))
    coded = encode_elements(rows, form, block_scales(rows, form, tensor), tensor, rounding)
    return np.moveaxis(decode_blocks(coded), -1, 1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("text", WORDS)
def test_values_and_codes_equal_flow_formats(text, shape):
    compared = 0
    for seed in range(4):
        quantizer, x = made(text), drawn(shape, seed) * np.float32(2.0 ** (seed * 7 - 10))
        expected = reference(x, quantizer.word.form)
        assert np.array_equal(quantizer(torch.from_numpy(x)).double().numpy(), expected)
        codes = quantizer.codes(torch.from_numpy(x))
        assert codes.dtype == np.int64
        assert np.array_equal(np.ldexp(codes.astype(np.float64), -quantizer.format.frac), expected)
        assert quantizer.format.holds(int(codes.min()), int(codes.max()))
        compared += x.size
    assert compared == 4 * np.prod(shape)


@pytest.mark.parametrize("text", ["nvfp4", "bke2m1b16xue5m3fn"])
def test_values_one_float_beside_a_tie_round_to_their_own_side(text):
    """Quotients by scales that are no powers of two are rounded, but not onto the ties of the elements."""
    rng, compared = np.random.default_rng(0), 0
    ties = np.array([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0])
    for _ in range(300):
        x = np.zeros((1, 16), dtype=np.float32)
        x[0, 0] = 6.0 * rng.uniform(1, 2)
        quantizer = made(text)
        factor = float(np.abs(reference(x, quantizer.word.form)).max() / 6.0)
        near = (ties * factor).astype(np.float32)
        x[0, 1:8], x[0, 8:15] = np.nextafter(near, np.float32(0)), np.nextafter(near, np.float32(99))
        expected = reference(x, quantizer.word.form)
        assert np.array_equal(quantizer(torch.from_numpy(x)).double().numpy(), expected)
        assert bool((expected[0, 1:8] < expected[0, 8:15]).all())
        compared += 14
    assert compared == 4200


@pytest.mark.parametrize("text", WORDS)
def test_codes_have_no_bit_that_none_needs(text):
    quantizer = made(text)
    codes = quantizer.codes(torch.from_numpy(drawn((4, 64))))
    assert quantizer.format.width == int(np.abs(codes).max()).bit_length() + 1
    assert bool((codes % 2 == 1).any())
    assert quantizer.codes(torch.zeros(2, 3)).tolist() == [[0] * 3] * 2


def test_the_gradient_passes_unchanged():
    quantizer, x = made("mxfp4"), torch.from_numpy(drawn((4, 64))).requires_grad_()
    upstream = torch.from_numpy(drawn((4, 64), 9))
    quantizer(x).backward(upstream)
    assert torch.equal(x.grad, upstream)


def test_there_is_nothing_to_calibrate_or_freeze():
    quantizer, x = made("nvfp4"), torch.from_numpy(drawn((4, 64)))
    before = quantizer(x)
    with calibrating(quantizer):
        assert torch.equal(quantizer(x), before)
    freeze_points(quantizer)
    assert torch.equal(quantizer(x), before)
    assert quantizer.points() == [] and list(quantizer.parameters()) == []
    assert quantizer.bits().item() == 4.5


def test_the_format_travels_with_the_state():
    quantizer, other = made("mxfp6_e3m2"), made("mxfp6_e3m2")
    quantizer(torch.from_numpy(drawn((4, 64))))
    assert other.format != quantizer.format
    other.load_state_dict(quantizer.state_dict())
    assert other.format == quantizer.format


@pytest.mark.parametrize("text", ["mxfp4", "mxint8", "nvfp4"])
def test_a_drawn_element_is_one_of_both_neighbours_and_right_on_average(text):
    """The mean of n draws lies within 6 standard deviations of the value or of the largest element."""
    quantizer, x, draws = made(text), torch.from_numpy(drawn((2, 64), 3)), 500
    quantizer.stochastic = True
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = torch.stack([quantizer.train()(x) for _ in range(draws)]).double()
    below, above = (torch.from_numpy(reference(x.numpy(), quantizer.word.form, way)) for way in _WAYS)
    assert bool(((found == below) | (found == above)).all())
    target = x.double().clamp(below, above)
    deviation = ((target - below) * (above - target) / draws).sqrt()
    assert bool(((found.mean(0) - target).abs() <= 6 * deviation).all())
    assert int((below < above).sum()) > 40
    assert torch.equal(quantizer.eval()(x).double(), torch.from_numpy(reference(x.numpy(), quantizer.word.form)))


_WAYS = (FloatRounding.DOWN, FloatRounding.UP)


def test_scales_too_far_apart_for_one_fixed_point_tensor_are_refused():
    x = torch.zeros(1, 64)
    x[0, 0], x[0, 40] = 1e12, 1e-12
    message = (
        "A constant has at most 62 bits in fixed point, but the scales of mxe2m1b32 lie so far apart in 'fc.weight' "
        "that it needs 81; choose a narrower format or clip the weights."
    )
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}$"):
        made("mxfp4").codes(x)


def test_nan_has_no_code_and_shows_in_the_values():
    x = torch.tensor([[1.0, float("nan")]])
    assert bool(made("mxfp4")(x).isnan().any())
    message = "Blocks hold finite numbers only, but 'fc.weight' holds NaN or infinity."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        made("mxfp4").codes(x)


def test_lowering_moves_no_format():
    """Weights whose fine bits are unused: the format of the cast is that of the codes, so that accumulators stay."""
    model = nn.Sequential(nn.Linear(64, 4, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.from_numpy(drawn((4, 64))).sign() * 4)
    qmodel = quantize(model, torch.from_numpy(drawn((8, 64), 1)), weights="mxfp8_e4m3", accumulators="s9")
    before = {place: str(form) for place, form in qmodel.formats().items()}
    first = lower(qmodel)
    assert {place: str(form) for place, form in qmodel.formats().items()} == before
    assert to_text(first) == to_text(lower(qmodel))
    assert str(first.values["0"].format.frac) == before["0.acc"].partition(".")[2]
