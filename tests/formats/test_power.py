"""The power grid: its formula, its table, the uniform quantiser at a = 1, and the Gaussian table of methods.md."""

import numpy as np
import pytest

from flow.errors import FormatError
from flow.formats import FixedPoint, PowerGrid, encode
from tests.formats.gaussian import best, grid_mse


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_exponent_1_is_the_uniform_quantiser(bits: int):
    """Bit for bit: codes and values, for Gaussians, ties and what saturates."""
    rng, grid = np.random.default_rng(bits), PowerGrid(bits, 1.0)
    for largest in (1.0, 3.7, 0.01):
        values = np.concatenate([rng.standard_normal(5000) * largest, np.arange(-9, 10) * largest / (2 * grid.high)])
        uniform = np.clip(np.rint(values / largest * grid.high), -grid.high, grid.high)
        codes = grid.encode(values, largest)
        assert codes.tolist() == uniform.astype(int).tolist()
        assert grid.decode(codes, largest).tolist() == (uniform / grid.high * largest).tolist()
        assert codes.size == 5019


@pytest.mark.parametrize("exponent", [0.5, 0.66, 0.8, 1.0, 1.5])
@pytest.mark.parametrize("bits", [3, 4, 8])
def test_every_level_is_encoded_as_itself(bits: int, exponent: float):
    grid = PowerGrid(bits, exponent)
    codes = np.arange(-grid.high, grid.high + 1)
    assert grid.encode(grid.decode(codes, 2.5), 2.5).tolist() == codes.tolist()
    assert (np.diff(grid.levels(2.5)) > 0).all()
    assert grid.levels(2.5)[-1] == 2.5


def test_powers_keep_products():
    """(xy)**a = x**a * y**a: the product of two codes is the code of the product, up to the decoding of each."""
    grid = PowerGrid(8, 0.5)
    a, b = np.arange(1, 128)[:, None], np.arange(1, 128)
    exact = grid.decode(a, 1.0) * grid.decode(b, 1.0)
    np.testing.assert_allclose((a * b / 127**2) ** 2.0, exact, rtol=1e-14)


def test_the_table_decodes():
    grid, target = PowerGrid.parse("p5a0.7"), FixedPoint(12, 9)
    table = grid.table(2.0, target)
    assert table.shape == (16,) and table[0] == 0
    assert table.tolist() == encode(grid.levels(2.0), target).tolist()
    codes = np.arange(-15, 16)
    fixed = grid.decode_fixed(codes, 2.0, target)
    assert fixed.tolist() == [int(np.sign(code)) * int(table[abs(code)]) for code in codes]
    assert (np.abs(fixed / 512 - grid.decode(codes, 2.0)) <= 2.0**-10).all()


# bits: the best exponent, its MSE and that of the best uniform grid, N(0, 1) (methods.md section 5).
GAUSSIAN = {
    3: (0.86, 0.0452, 0.0469),
    4: (0.80, 0.01183, 0.01290),
    5: (0.76, 0.00320, 0.00369),
    6: (0.72, 8.76e-4, 1.070e-3),
    8: (0.66, 6.51e-5, 8.83e-5),
}


def power_mse(bits: int, exponent: float, largest: float) -> float:
    """MSE of N(0, 1): the ends of each cell are the halves of codes, decoded."""
    high = (1 << (bits - 1)) - 1
    edges = ((np.arange(high) + 0.5) / high) ** (1 / exponent) * largest
    return grid_mse(PowerGrid(bits, exponent).levels(largest), edges)


@pytest.mark.parametrize("bits", GAUSSIAN)
def test_the_gaussian_table(bits: int):
    exponent, power, uniform = GAUSSIAN[bits]
    _, found = best(lambda largest: power_mse(bits, 1.0, largest), 1.0, 8.0)
    assert found == pytest.approx(uniform, rel=0.01)
    _, found = best(lambda a: best(lambda largest: power_mse(bits, a, largest), 1.0, 8.0)[1], 0.4, 1.2)
    assert found == pytest.approx(power, rel=0.01)
    _, given = best(lambda largest: power_mse(bits, exponent, largest), 1.0, 8.0)
    assert given == pytest.approx(found, rel=0.002)


def test_a_range_of_four_sigma():
    """The best exponent at 4 bits is .67 to .69: MSE .01948 against .02722."""
    exponent, found = best(lambda a: power_mse(4, a, 4.0), 0.4, 1.2)
    assert 0.67 <= round(exponent, 2) <= 0.69
    assert (round(found, 5), round(power_mse(4, 1.0, 4.0), 5)) == (0.01948, 0.02722)


def test_narrow_grids_win_less():
    ratios = [GAUSSIAN[bits][1] / GAUSSIAN[bits][2] for bits in GAUSSIAN]
    assert ratios == sorted(ratios, reverse=True)


BAD = [
    ("p1a0.5", "A power grid has 2..16 bits, not 1."),
    ("p4a0", "The exponent of a power grid must be above 0, not 0.0."),
    ("p4", "A power grid is written like p4a0.8, not 'p4'."),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_grid_that_cannot_be(text: str, message: str):
    with pytest.raises(FormatError) as caught:
        PowerGrid.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["p4a0.8", "p8a1", "p3a0.0625"])
def test_the_text_form_parses_back(text: str):
    assert str(PowerGrid.parse(text)) == text


def test_bad_values_are_refused():
    grid = PowerGrid.parse("p4a0.8")
    with pytest.raises(FormatError) as caught:
        grid.encode(np.array([1.0]), 0.0)
    assert str(caught.value) == "The largest magnitude of a power grid must be finite and above 0, not 0.0."
    with pytest.raises(FormatError) as caught:
        grid.encode(np.array([np.inf]), 1.0)
    assert str(caught.value) == "A power grid holds finite numbers only, but the array contains inf; replace it."
