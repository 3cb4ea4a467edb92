"""The float emulation of minifloats against flow.formats and ml_dtypes: every format of 3 to 8 bits, every mode."""

import itertools

import ml_dtypes
import numpy as np
import pytest
import torch

from flow.errors import FormatError
from flow.formats import ML_DTYPES, FloatRounding, Minifloat, Specials, encode_minifloat
from flow.training.minifloat_grid import nearest_numbers, placed


def forms(bits):
    """Every split with at most 7 exponent bits, with and without a sign, with all specials that exist."""
    found = {}
    for signed, exponent, specials in itertools.product((True, False), range(8), Specials):
        text = f"{'' if signed else 'u'}e{exponent}m{bits - signed - exponent}{specials.value}"
        try:
            form = Minifloat.parse(text)
        except FormatError:
            continue
        found[str(form)] = form
    return list(found.values())


def samples(form, rng):
    """float32 on, between and beside the numbers, beyond them, and random ones of two sizes."""
    numbers = form.decode(np.arange(1 << form.bits))
    numbers = np.unique(numbers[np.isfinite(numbers)])
    halves, far = (numbers[1:] + numbers[:-1]) / 2, [0.0, 1e30, -1e30, 1e-40, -1e-45, np.inf, -np.inf]
    grid = np.concatenate([numbers, halves, numbers * 1.25, far]).astype(np.float32)
    beside = [np.nextafter(grid, np.float32(end)) for end in (np.inf, -np.inf)]
    drawn = [rng.normal(0, float(scale), 150) for scale in (form.high / 3, 2 * form.smallest_normal)]
    return np.concatenate([grid, *beside, *drawn]).astype(np.float32)


def emulated(x, form, rounding, dtype=torch.float32):
    grid = placed(form, torch.tensor(form.frac), dtype)
    return nearest_numbers(torch.from_numpy(x).to(dtype), grid, rounding).double().numpy()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bits", range(3, 9))
def test_every_format_equals_the_encoder_in_every_mode(bits, dtype):
    rng, compared = np.random.default_rng(bits), 0
    for form in forms(bits):
        x = samples(form, rng)
        for rounding in FloatRounding:
            expected = form.decode(encode_minifloat(x, form, rounding))
            found = emulated(x, form, rounding, dtype)
            assert np.array_equal(found, expected), (str(form), rounding, x[found != expected][:3])
            compared += x.size
    assert compared > 20_000


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float4_e2m1fn", "float6_e3m2fn", "float6_e2m3fn"])
def test_the_formats_of_ocp_equal_ml_dtypes(name):
    """ml_dtypes makes infinity or NaN of what is too large, so only values that round to a number are compared."""
    form = ML_DTYPES[name]
    x = samples(form, np.random.default_rng(0))
    x = x[np.abs(x) <= float(form.high)]
    expected = x.astype(getattr(ml_dtypes, name)).astype(np.float64)
    assert np.isfinite(expected).all() and x.size > 200
    assert np.array_equal(emulated(x, form, FloatRounding.NEAREST_EVEN), expected)


@pytest.mark.parametrize("text", ["e4m3", "e2m1", "e3m0", "e0m4", "e7m0", "ue3m3"])
def test_positions_move_all_numbers_by_powers_of_two(text):
    form, compared = Minifloat.parse(text), 0
    x = samples(form, np.random.default_rng(1))
    x = x[np.isfinite(x) & (np.abs(x) < 1e25) & ((np.abs(x) > 1e-25) | (x == 0))]
    at = torch.tensor([form.frac - 9, form.frac, form.frac + 30]).view(3, 1)
    rows = torch.from_numpy(x) * torch.tensor([2.0**9, 1.0, 2.0**-30]).view(3, 1)
    found = nearest_numbers(rows, placed(form, at, torch.float32), FloatRounding.NEAREST_EVEN)
    for row, shift in zip(found, (9, 0, -30), strict=True):
        assert np.array_equal(np.ldexp(row.double().numpy(), -shift), emulated(x, form, FloatRounding.NEAREST_EVEN))
        compared += x.size
    assert compared > 200


def test_large_tensors_are_worked_on_in_parts_with_the_same_result():
    form = Minifloat.parse("e3m2")
    x = torch.randn(3, 100_003, generator=torch.Generator().manual_seed(0)).mT
    grid = placed(form, torch.tensor(form.frac), torch.float32)
    whole = nearest_numbers(x, grid, FloatRounding.NEAREST_EVEN)
    rows = [nearest_numbers(row, grid, FloatRounding.NEAREST_EVEN) for row in x.split(1000)]
    assert torch.equal(whole, torch.cat(rows)) and whole.shape == x.shape


def test_nan_stays():
    grid = placed(Minifloat.parse("e3m0"), torch.tensor(2), torch.float32)
    found = nearest_numbers(torch.tensor([float("nan"), 1.0]), grid, FloatRounding.NEAREST_EVEN)
    assert found.isnan().tolist() == [True, False]


@pytest.mark.parametrize("text", ["e4m3", "e2m1", "e3m0", "e0m3"])
def test_a_drawn_number_is_one_of_both_neighbours_and_right_on_average(text):
    """The mean of n draws lies within 6 standard deviations of the value: p = 2e-9 for each of the 40 values."""
    form, draws = Minifloat.parse(text), 4000
    inside = float(form.high) * 0.9
    x = torch.from_numpy(np.random.default_rng(0).uniform(-inside, inside, 40)).float()
    grid = placed(form, torch.tensor(form.frac), torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        drawn = nearest_numbers(x.expand(draws, -1).contiguous(), grid, None).double()
    below = torch.from_numpy(emulated(x.numpy(), form, FloatRounding.DOWN))
    above = torch.from_numpy(emulated(x.numpy(), form, FloatRounding.UP))
    assert bool(((drawn == below) | (drawn == above)).all())
    deviation = ((x.double() - below) * (above - x.double()) / draws).sqrt()
    assert bool(((drawn.mean(0) - x.double()).abs() <= 6 * deviation).all())
    assert int(((drawn == below).any(0) & (drawn == above).any(0)).sum()) > 30


def test_numbers_stay_what_they_are_whatever_is_drawn():
    form = Minifloat.parse("e3m2")
    numbers = torch.from_numpy(form.decode(np.arange(64))).float().repeat(500)
    grid = placed(form, torch.tensor(form.frac), torch.float32)
    assert torch.equal(nearest_numbers(numbers, grid, None), numbers)
