"""`flow.formats.operators` against the operators of the vendor's ap_fixed headers, compiled."""

import numpy as np
import pytest

from flow.errors import DataError
from flow.formats import FixedPoint, operators
from tests.formats.ap_program import READ, ap_type, decoded, execute, random_codes

COUNT, NAMES = 100, ("add", "subtract", "multiply", "divide", "negate", "shift_left", "shift_right")
TEMPLATES = """\
template <class A, class B> static void check(int sum, int product, int quotient, int negative, int shift) {
    for (int i = 0; i < %d; ++i) {
        A x;
        B y;
        x.V = a[i];
        y.V = b[i];
        put((x + y).V, sum);
        put((x - y).V, sum);
        put((x * y).V, product);
        put((x / y).V, quotient);
        put((-x).V, negative);
        put((x << shift).V, 1);
        put((x >> shift).V, 1);
    }
}
"""


def results(a: FixedPoint, b: FixedPoint) -> list[FixedPoint]:
    """The format of each result, in the order of NAMES."""
    return [
        operators.add_format(a, b),
        operators.subtract_format(a, b),
        operators.multiply_format(a, b),
        operators.divide_format(a, b),
        operators.negate_format(a),
        a,
        a,
    ]


def expected(x, a: FixedPoint, y, b: FixedPoint, shift: int) -> list[np.ndarray]:
    return [
        operators.add(x, a, y, b),
        operators.subtract(x, a, y, b),
        operators.multiply(x, a, y, b),
        operators.divide(x, a, y, b),
        operators.negate(x, a),
        operators.shift_left(x, a, shift),
        operators.shift_right(x, a, shift),
    ]


def pairs(rng: np.random.Generator, count: int) -> list[tuple[FixedPoint, FixedPoint, int]]:
    """Widths 1..64, frac -64..128 and mostly near each other, all four pairs of signs, a shift of up to the width."""
    made = []
    for i in range(count):
        width, frac = int(rng.integers(1, 65)), int(rng.integers(-64, 129))
        near = int(rng.integers(-64, 129)) if i % 5 == 0 else int(np.clip(frac + rng.integers(-20, 21), -64, 128))
        a, b = FixedPoint(width, frac, i % 2 == 0), FixedPoint(int(rng.integers(1, 65)), near, i % 4 < 2)
        made.append((a, b, int(rng.integers(0, width))))
    return made


def campaign(folder, seed: int, count: int) -> int:
    """Compares every operator on COUNT codes of each of `count` pairs of formats; returns how many results."""
    rng, calls, sent = np.random.default_rng(seed), [], []
    listed = pairs(rng, count)
    for a, b, shift in listed:
        sent += [random_codes(rng, a, COUNT), random_codes(rng, b, COUNT)]
        sent[-1][sent[-1] == 0] = 1 if b.high else -1
        if b.signed:
            sent[-2][2], sent[-1][2] = a.low, -1  # the one quotient for which the headers lack a bit
        limbs = [-(-form.width // 64) for form in results(a, b)]
        arguments = ", ".join(str(n) for n in (limbs[0], limbs[2], limbs[3], limbs[4], shift))
        calls += [READ.format(COUNT), f"    check<{ap_type(a)}, {ap_type(b)}>({arguments});"]
    found, start, compared = execute(folder, COUNT, TEMPLATES % COUNT, calls, sent), 0, 0
    for (a, b, shift), x, y in zip(listed, sent[::2], sent[1::2], strict=True):
        forms = results(a, b)
        edges = np.cumsum([0] + [-(-form.width // 64) for form in forms])
        block = found[start : start + COUNT * edges[-1]].reshape(COUNT, edges[-1])
        start += block.size
        for i, ours in enumerate(expected(x, a, y, b, shift)):
            theirs = decoded(block[:, edges[i] : edges[i + 1]], forms[i])
            assert ours.tolist() == theirs.tolist(), f"seed {seed}: {NAMES[i]} of {a} and {b}, shift {shift}"
            assert forms[i].holds(int(ours.min()), int(ours.max()))
            compared += ours.size
    assert start == found.size
    return compared


def test_every_operator(tmp_path):
    assert campaign(tmp_path / "program", seed=0, count=12) == 12 * 7 * COUNT


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_every_operator_on_many_formats(seed, tmp_path):
    assert campaign(tmp_path / "program", seed=seed, count=20) == 20 * 7 * COUNT


def test_int64_codes_give_int64_codes_and_the_same_ones():
    """Formats whose results fit 62 bits stay int64; the object path gives the same codes."""
    rng = np.random.default_rng(3)
    a, b = FixedPoint(20, 5), FixedPoint(11, -3, signed=False)
    x, y = rng.integers(a.low, a.high, 500, endpoint=True), rng.integers(1, b.high, 500, endpoint=True)
    for narrow, wide in zip(
        expected(x, a, y, b, 7), expected(x.astype(object), a, y.astype(object), b, 7), strict=True
    ):
        assert narrow.dtype == np.int64
        assert narrow.tolist() == wide.tolist()


def test_a_negative_count_shifts_the_other_way_and_a_long_one_leaves_the_sign():
    form, codes = FixedPoint(8, 4), np.array([100, -100])
    assert operators.shift_left(codes, form, -2).tolist() == operators.shift_right(codes, form, 2).tolist() == [25, -25]
    assert operators.shift_right(codes, form, -1).tolist() == operators.shift_left(codes, form, 1).tolist() == [-56, 56]
    assert operators.shift_right(codes, form, 99).tolist() == [0, -1]
    assert operators.shift_left(codes, form, 99).tolist() == [0, 0]


def test_operands_broadcast():
    form = FixedPoint(8, 0)
    assert operators.multiply(np.arange(3)[:, None], form, np.arange(4), form).tolist() == [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [0, 2, 4, 6],
    ]


def test_the_types_that_were_measured_by_hand():
    """Facts noted from compiled headers: add, subtract, multiply with an int, and division of -1.25 by 4."""
    parse = FixedPoint.parse
    assert str(operators.add_format(parse("s12.8"), parse("u8.5"))) == "s13.8"
    assert str(operators.multiply_format(parse("s12.8"), parse("s32.0"))) == "s44.8"
    assert str(operators.add_format(parse("s12.8"), parse("s32.0"))) == "s41.8"
    codes = operators.divide(np.array([-10]), parse("s12.3"), np.array([4]), parse("s4.0"))
    assert codes.tolist() == [-2]  # -0.25, where a shift gives -0.375


def test_the_one_quotient_that_wraps():
    """The lowest code by -1: the result has room for it, the integers that the headers divide in have not."""
    narrow, wide = FixedPoint(4, 0), FixedPoint(6, 0)
    assert operators.divide(np.array([-8]), narrow, np.array([-1]), narrow).tolist() == [-8]
    assert operators.divide(np.array([-8]), narrow, np.array([-1]), wide).tolist() == [8]
    assert str(operators.divide_format(narrow, narrow)) == "s5.0"


def test_division_by_zero_is_refused():
    form = FixedPoint(8, 0)
    with pytest.raises(DataError) as caught:
        operators.divide(np.array([1, 2, 3]), form, np.array([0, 1, 0]), form)
    assert str(caught.value) == "A divisor must not be zero, but 2 of 3 codes of s8.0 are."
