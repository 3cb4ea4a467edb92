from __future__ import annotations

import numpy as np
import pytest

from flow.errors import FormatError
from flow.formats import FixedPoint, Overflow, overflow
from tests.formats.oracle import legal, overflowed

S4, U4 = FixedPoint(4, 0), FixedPoint(4, 0, signed=False)

# Compiled ap_fixed headers gave these, for four bits: {code: result}.
MEASURED = [
    (S4, Overflow.WRAP, {7: 7, 8: -8, 9: -7, 15: -1, 16: 0, -8: -8, -9: 7, -16: 0, -17: -1}),
    (S4, Overflow.SAT, {7: 7, 8: 7, 100: 7, -8: -8, -9: -8}),
    (S4, Overflow.SAT_ZERO, {7: 7, 8: 0, 100: 0, -8: -8, -9: 0}),
    (S4, Overflow.SAT_SYM, {7: 7, 8: 7, -7: -7, -8: -7, -9: -7}),
    (S4, Overflow.WRAP_SM, {7: 7, 8: 7, 9: 6, 15: 0, 16: -1, -8: -8, -9: -8, -10: -7, -16: -1, -17: 0}),
    (U4, Overflow.WRAP, {15: 15, 16: 0, 17: 1, -1: 15, -16: 0}),
    (U4, Overflow.SAT, {15: 15, 16: 15, -1: 0}),
    (U4, Overflow.SAT_SYM, {15: 15, 16: 15, -1: 0}),
    (U4, Overflow.SAT_ZERO, {15: 15, 16: 0, -1: 0}),
]


@pytest.mark.parametrize(("target", "mode", "table"), MEASURED, ids=lambda item: getattr(item, "value", None))
def test_the_measured_table(target: FixedPoint, mode: Overflow, table: dict[int, int]):
    assert overflow(np.array(list(table)), target, mode).tolist() == list(table.values())
    assert [overflowed(code, target, mode) for code in table] == list(table.values())


def test_the_measured_table_covers_every_mode():
    assert {(target, mode) for target, mode, _ in MEASURED} == {(t, m) for t in (S4, U4) for m in legal(t)}


def test_wrap_sm_is_a_triangle_wave_step_by_step():
    """Walk upwards from zero: at the top and at the bottom the wave holds for one step and turns."""
    for width in range(1, 7):
        target, place, step, walk = FixedPoint(width, 0), 0, 1, []
        for _ in range(3 << (width + 1)):
            walk.append(place)
            if target.low <= place + step <= target.high:
                place += step
            else:
                step = -step
        assert overflow(np.arange(len(walk)), target, Overflow.WRAP_SM).tolist() == walk


@pytest.mark.parametrize("dtype", [np.int64, object], ids=["int64", "object"])
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_every_width_to_six_bits(signed: bool, dtype: type):
    codes, compared = np.arange(-300, 300), 0
    for target in (FixedPoint(width, 0, signed) for width in range(1, 7)):
        for mode in legal(target):
            found = overflow(codes.astype(dtype), target, mode).tolist()
            assert found == [overflowed(int(code), target, mode) for code in codes]
            compared += len(found)
    assert compared == 6 * (5 if signed else 4) * 600


def test_wrap_sm_of_an_unsigned_format_is_refused():
    with pytest.raises(FormatError) as caught:
        overflow(np.array([1]), U4, Overflow.WRAP_SM)
    assert str(caught.value) == "Overflow mode WRAP_SM exists for signed formats only, not u4.0; use WRAP."
