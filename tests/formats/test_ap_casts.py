"""`flow.formats.cast` against compiled ap_fixed headers where formats are wide and where top bits saturate."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from flow.errors import FormatError
from flow.formats import FixedPoint, Overflow, Rounding, cast, overflow
from tests.formats.ap_program import READ, ap_type, decoded, execute, random_codes

TEMPLATES = """\
template <class X, class ROUNDED, class Y> static void check(int count) {
    for (int i = 0; i < count; ++i) {
        X x;
        x.V = a[i];
        Y y = ROUNDED(x);
        put(y.V, 1);
    }
}
"""


@dataclass(frozen=True)
class Case:
    """One assignment of codes of `source` to `target`."""

    source: FixedPoint
    target: FixedPoint
    rounding: Rounding
    mode: Overflow
    saturated: int

    def text(self, count: int) -> str:
        target = ap_type(self.target, self.rounding, self.mode, self.saturated)
        between = target
        if self.mode is Overflow.WRAP_SM and not self.saturated:
            # One assignment to WRAP_SM takes its top bit from the code before rounding; test_ap_fixed.py has that.
            width = max(self.source.width, self.target.width) + max(self.target.frac - self.source.frac, 0) + 3
            between = ap_type(FixedPoint(width, self.target.frac), self.rounding)
        return f"    check<{ap_type(self.source)}, {between}, {target}>({count});"


def draw(rng: np.random.Generator, i: int) -> Case:
    """Widths 1..64 and frac -64..128, the binary points mostly within each other's bits; modes taken in turn."""
    source = FixedPoint(int(rng.integers(1, 65)), int(rng.integers(-64, 129)), bool(rng.integers(2)))
    near = source.frac - int(rng.integers(-6, source.width + 3)) if i % 8 else int(rng.integers(-64, 129))
    mode, signed = list(Overflow)[i // 7 % 5], bool(rng.integers(2))
    width = int(rng.integers(1, 65 if i % 3 else 13))
    if mode in (Overflow.SAT_SYM, Overflow.WRAP_SM):
        # A single signed bit saturates symmetrically to -1 in the headers; test_ap_fixed.py has that.
        signed, width = signed or mode is Overflow.WRAP_SM, max(width, 2)
    target = FixedPoint(width, int(np.clip(near, -64, 128)), signed)
    saturated = 0
    if mode in (Overflow.WRAP, Overflow.WRAP_SM) and i % 4:
        saturated = min(int(rng.integers(1, 4)), width) if i % 4 < 3 else int(rng.integers(1, width + 1))
    return Case(source, target, list(Rounding)[i % 7], mode, saturated)


def around_the_ends(rng: np.random.Generator, case: Case, codes: np.ndarray) -> np.ndarray:
    """A third of `codes` a few half steps away from the ends of the target, where the source reaches them."""
    shift, count = case.source.frac - case.target.frac, len(codes) // 3
    ends = [case.target.low, case.target.high, 2 * case.target.high + 1, 2 * case.target.low, 0]
    half = 1 << max(shift - 1, 0)
    for i in range(count):
        end = ends[int(rng.integers(len(ends)))]
        lifted = end << shift if shift >= 0 else end >> -shift
        code = lifted + int(rng.integers(-4, 5)) * half + int(rng.integers(-1, 2))
        if case.source.holds(code, code):
            codes[i] = code
    return codes


def campaign(folder, seed: int, assignments: int, count: int) -> Counter:
    """Compares `count` codes in each of `assignments` random casts; counts the codes by mode."""
    rng = np.random.default_rng(seed)
    cases = [draw(rng, i) for i in range(assignments)]
    calls, sent = [], []
    for case in cases:
        codes = around_the_ends(rng, case, random_codes(rng, case.source, count))
        sent += [codes, np.zeros(count, dtype=object)]
        calls += [READ.format(count), case.text(count)]
    found = execute(folder, count, TEMPLATES, calls, sent).reshape(assignments, count, 1)
    compared = Counter()
    for case, codes, theirs in zip(cases, sent[::2], found, strict=True):
        ours = cast(codes, case.source.frac, case.target, case.rounding, case.mode, case.saturated)
        np.testing.assert_array_equal(ours, decoded(theirs, case.target), err_msg=f"seed {seed} {case}")
        compared[case.rounding, case.mode, bool(case.saturated)] += ours.size
    return compared


@pytest.mark.slow
def test_wide_formats_and_saturated_bits(tmp_path):
    compared = campaign(tmp_path / "program", seed=0, assignments=140, count=300)
    assert compared.total() == 140 * 300
    assert len(compared) == 7 * (5 + 2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_many_wide_formats_and_saturated_bits(seed, tmp_path):
    compared = campaign(tmp_path / "program", seed=seed, assignments=140, count=1000)
    assert compared.total() == 140 * 1000
    assert len(compared) == 7 * (5 + 2)


def bits_saturated(code: int, target: FixedPoint, saturated: int) -> int:
    """WRAP with `saturated` bits, written bit by bit, as the vendor describes it."""
    if target.low <= code <= target.high:
        return code
    bits = [(code >> i) & 1 for i in range(target.width)]
    top = int(code >= 0) if target.signed else 1
    for i in range(target.width - saturated, target.width):
        bits[i] = top
    if target.signed:
        bits[-1] = int(code < 0)
    return sum(bit << i for i, bit in enumerate(bits)) - (bits[-1] << target.width if target.signed else 0)


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_wrap_with_every_count_of_saturated_bits(signed: bool):
    codes, compared = np.arange(-200, 200), 0
    for target in (FixedPoint(width, 0, signed) for width in range(1, 7)):
        for saturated in range(1, target.width + 1):
            found = overflow(codes, target, Overflow.WRAP, saturated)
            assert found.tolist() == [bits_saturated(int(code), target, saturated) for code in codes]
            compared += found.size
    assert compared == 400 * (1 + 2 + 3 + 4 + 5 + 6)


def test_all_bits_saturated_is_saturation():
    codes, target = np.arange(-200, 200), FixedPoint(5, 0)
    for mode in (Overflow.WRAP, Overflow.WRAP_SM):
        assert (overflow(codes, target, mode, 5) == overflow(codes, target, Overflow.SAT)).all()


def test_saturated_bits_of_other_modes_are_refused():
    with pytest.raises(FormatError) as caught:
        overflow(np.array([1]), FixedPoint(4, 0), Overflow.SAT, saturated=2)
    assert str(caught.value) == (
        "Saturated bits exist for the overflow modes WRAP and WRAP_SM only, not SAT; use 0, not 2."
    )


@pytest.mark.parametrize("saturated", [-1, 5])
def test_more_saturated_bits_than_bits_are_refused(saturated: int):
    with pytest.raises(FormatError) as caught:
        cast(np.array([1]), 0, FixedPoint(4, 0), Rounding.TRN, Overflow.WRAP, saturated)
    assert str(caught.value) == f"The saturated bits of WRAP must lie in 0..4, the width of s4.0, not {saturated}."


def test_wrap_sm_with_saturated_bits_of_an_unsigned_format_is_refused():
    with pytest.raises(FormatError) as caught:
        overflow(np.array([1]), FixedPoint(4, 0, signed=False), Overflow.WRAP_SM, 2)
    assert str(caught.value) == "Overflow mode WRAP_SM exists for signed formats only, not u4.0; use WRAP."
