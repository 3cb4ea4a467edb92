from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from flow.formats import Rounding, round_shift
from tests.formats.oracle import rounded

# Compiled ap_fixed headers gave these; the columns are k = x / lsb.
COLUMNS = [-2.5, -1.5, -1.25, -0.5, 0.5, 1.5, 1.75, 2.5]
TABLE = {
    Rounding.TRN: [-3, -2, -2, -1, 0, 1, 1, 2],
    Rounding.TRN_ZERO: [-2, -1, -1, 0, 0, 1, 1, 2],
    Rounding.RND: [-2, -1, -1, 0, 1, 2, 2, 3],
    Rounding.RND_ZERO: [-2, -1, -1, 0, 0, 1, 2, 2],
    Rounding.RND_INF: [-3, -2, -1, -1, 1, 2, 2, 3],
    Rounding.RND_MIN_INF: [-3, -2, -1, -1, 0, 1, 2, 2],
    Rounding.RND_CONV: [-2, -2, -1, 0, 0, 2, 2, 2],
}


def test_the_table_covers_every_mode():
    assert list(TABLE) == list(Rounding)


@pytest.mark.parametrize("mode", Rounding, ids=lambda mode: mode.value)
def test_the_measured_table(mode: Rounding):
    codes = (np.array(COLUMNS) * 4).astype(np.int64)
    assert round_shift(codes, 2, mode).tolist() == TABLE[mode]
    assert [rounded(Fraction(k), mode) for k in COLUMNS] == TABLE[mode]


@pytest.mark.parametrize("dtype", [np.int64, object], ids=["int64", "object"])
@pytest.mark.parametrize("mode", Rounding, ids=lambda mode: mode.value)
def test_every_code_of_up_to_eight_bits_at_every_shift(mode: Rounding, dtype: type):
    codes, compared = np.arange(-128, 256), 0
    for shift in range(-3, 11):
        found = round_shift(codes.astype(dtype), shift, mode).tolist()
        assert found == [rounded(Fraction(int(code)) / Fraction(2) ** shift, mode) for code in codes]
        compared += len(found)
    assert compared == 14 * 384


@pytest.mark.parametrize("mode", Rounding, ids=lambda mode: mode.value)
def test_rounding_never_turns_around(mode: Rounding):
    """Monotone: exact ranges rest on it."""
    codes = round_shift(np.arange(-600, 600), 5, mode)
    assert (np.diff(codes) >= 0).all()
    assert len(codes) == 1200
