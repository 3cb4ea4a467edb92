"""`flow.formats.cast` against the vendor's own ap_fixed headers, compiled: every rounding with every overflow."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from flow.formats import AP_OVERFLOW, AP_ROUNDING, FixedPoint, Overflow, Rounding, cast, round_shift
from flow.tools import ap_headers, program, run

COUNT = 200
# Where more bits are dropped than there are, the headers read one beyond the last, which they do not use but assert.
FLAGS = ("-std=c++11", "-O0", "-DNDEBUG")
HEAD = """\
#include <ap_fixed.h>
#include <cstdio>
typedef long long code;
static std::FILE *in, *out;
template <class X, class ROUNDED, class Y> static void check(const code *source, int count) {
    for (int i = 0; i < count; ++i) {
        X x;
        x.V = source[i];
        Y y = ROUNDED(x);
        code result = y.V.get_VAL();
        std::fwrite(&result, sizeof result, 1, out);
    }
}
"""
MAIN = """\
int main(int, char **argv) {
    static code source[%(count)d];
    in = std::fopen(argv[1], "rb");
    out = std::fopen(argv[2], "wb");
    if (!in || !out) return 1;
%(calls)s
    return std::fclose(out);
}
"""


def ap_type(form: FixedPoint, rounding: Rounding = Rounding.TRN, mode: Overflow = Overflow.WRAP) -> str:
    """The base class of ap_fixed and ap_ufixed, where all their arithmetic is; g++ is a third faster with it."""
    sign, modes = str(form.signed).lower(), f"{AP_ROUNDING[rounding]}, {AP_OVERFLOW[mode]}"
    return f"ap_fixed_base<{form.width}, {form.integer}, {sign}, {modes}, 0>"


@dataclass(frozen=True)
class Case:
    """One assignment: codes of `source` to `target`; in two steps where `rounded` names the type between."""

    source: FixedPoint
    target: FixedPoint
    rounding: Rounding
    mode: Overflow
    rounded: FixedPoint | None = None

    def text(self) -> str:
        target = ap_type(self.target, self.rounding, self.mode)
        between = ap_type(self.rounded, self.rounding) if self.rounded else target
        return f"check<{ap_type(self.source)}, {between}, {target}>"


def pairs(rng: np.random.Generator, count: int) -> list[tuple[FixedPoint, FixedPoint]]:
    """Random formats whose bits mostly meet; widths 1..32, frac -8..40, all four pairs of signs."""
    made = []
    for i in range(count):
        wide, narrow = int(rng.integers(1, 33)), int(rng.integers(1, 33) if i % 3 else rng.integers(1, 9))
        frac = int(rng.integers(-8, 41))
        near = int(np.clip(frac - rng.integers(-6, wide + 3), -8, 40))
        made.append((FixedPoint(wide, frac, i % 2 == 0), FixedPoint(narrow, near, i % 4 < 2)))
    return made


def between(source: FixedPoint, target: FixedPoint) -> FixedPoint:
    """A type that holds every code of `source` rounded to the binary point of `target`."""
    return FixedPoint(max(source.width, target.width) + max(target.frac - source.frac, 0) + 3, target.frac)


def cases(source: FixedPoint, target: FixedPoint) -> Iterator[Case]:
    """All pairs of modes that exist; WRAP_SM in one assignment and in two."""
    for rounding, mode in itertools.product(Rounding, Overflow):
        if mode is not Overflow.WRAP_SM:
            yield Case(source, target, rounding, mode)
        elif target.signed:
            yield Case(source, target, rounding, mode)
            yield Case(source, target, rounding, mode, between(source, target))


def interesting(rng: np.random.Generator, source: FixedPoint, target: FixedPoint) -> np.ndarray:
    """int64[COUNT]: the ends, uniform codes, and codes a step around ties and around the ends of `target`."""
    shift = source.frac - target.frac
    uniform = rng.integers(source.low, source.high, COUNT // 2, endpoint=True)
    half = 1 << min(max(shift - 1, 0), 40)
    steps = rng.integers(-3 << min(target.width, 16), 3 << min(target.width, 16), COUNT // 4)
    ends = np.array([target.low, target.high, target.low * 2, target.high * 2, target.low * 3, 0])
    ends = cast(ends[rng.integers(0, len(ends), COUNT)], target.frac, FixedPoint(60, source.frac))
    codes = np.concatenate([uniform, steps * half, ends])[:COUNT]
    codes[COUNT // 2 :] += rng.integers(-1, 2, COUNT - COUNT // 2)
    codes = cast(codes, source.frac, source)  # back into the format, by wrapping
    codes[:4] = source.low, source.high, 0, -1 if source.signed else 1
    return codes


def reflected_by_the_truncated_bit(codes: np.ndarray, case: Case) -> np.ndarray:
    """What one assignment to WRAP_SM gives: the bit that decides on reflection is that of the code before rounding."""
    shift = case.source.frac - case.target.frac
    wide = codes.astype(object)
    rounded, floor = round_shift(wide, shift, case.rounding), round_shift(wide, shift, Rounding.TRN)
    low = cast(rounded, 0, FixedPoint(case.target.width, 0))
    inverted = ((floor >> case.target.width) % 2 == 1) != (low < 0)
    inside = (case.target.low <= rounded) & (rounded <= case.target.high)
    return np.where(inverted & ~inside, -1 - low, low).astype(np.int64)


def expected(codes: np.ndarray, case: Case) -> np.ndarray:
    """`cast`, but for the two places where the headers leave the definition "round first, then overflow"."""
    if case.mode is Overflow.WRAP_SM and case.rounded is None:
        return reflected_by_the_truncated_bit(codes, case)
    if case.mode is Overflow.SAT_SYM and case.target.signed and case.target.width == 1:
        # -2^0 + 1 is 0, but the headers let a single signed bit be -1.
        return cast(codes, case.source.frac, case.target, case.rounding, Overflow.SAT)
    return cast(codes, case.source.frac, case.target, case.rounding, case.mode)


def compile_and_run(folder, listed: list[list[Case]], codes: list[np.ndarray]) -> np.ndarray:
    """int64[cases, COUNT]: one program for some pairs of formats, which reads their codes from a file."""
    calls = []
    for group in listed:
        calls.append(f"    if (std::fread(source, sizeof(code), {COUNT}, in) != {COUNT}) return 1;")
        calls.extend(f"    {case.text()}(source, {COUNT});" for case in group)
    folder.mkdir()
    (folder / "main.cpp").write_text(HEAD + MAIN % {"count": COUNT, "calls": "\n".join(calls)})
    (folder / "codes.bin").write_bytes(np.concatenate(codes).tobytes())
    run([program("g++"), *FLAGS, "-isystem", ap_headers(), folder / "main.cpp", "-o", folder / "main"])
    run([folder / "main", folder / "codes.bin", folder / "results.bin"])
    return np.fromfile(folder / "results.bin", dtype=np.int64).reshape(-1, COUNT)


def campaign(folder, seed: int, count: int, share: int, jobs: int = 2) -> tuple[int, int, int]:
    """Compares `count` pairs of formats, each with one in `share` of the mode pairs, another part for each.

    Returns how many codes were compared, in how many assignments, and how many of them changed the value.
    """
    rng = np.random.default_rng(seed)
    formats = pairs(rng, count)
    groups = [list(cases(*pair))[i // 4 % share :: share] for i, pair in enumerate(formats)]
    codes = [interesting(rng, *pair) for pair in formats]
    parts = [(folder / str(job), groups[job::jobs], codes[job::jobs]) for job in range(jobs)]
    with ThreadPoolExecutor(jobs) as pool:
        found = np.concatenate(list(pool.map(lambda part: compile_and_run(*part), parts)))
    listed = [pair for _, group, sent in parts for case in zip(group, sent, strict=True) for pair in spread(*case)]
    assert found.shape == (len(listed), COUNT)
    assert {(case.rounding, case.mode) for case, _ in listed} == set(itertools.product(Rounding, Overflow))
    changed = 0
    for (case, sent), actual in zip(listed, found, strict=True):
        np.testing.assert_array_equal(actual, expected(sent, case), err_msg=f"seed {seed} {case}")
        changed += int((np.ldexp(actual, -case.target.frac) != np.ldexp(sent, -case.source.frac)).sum())
    return found.size, len(listed), changed


def spread(group: list[Case], sent: np.ndarray) -> list[tuple[Case, np.ndarray]]:
    return [(case, sent) for case in group]


def test_every_mode_pair(tmp_path):
    compared, assignments, changed = campaign(tmp_path, seed=0, count=60, share=4)
    assert assignments == (16 * 11 + 14 * 10) + 30 * 7  # a share of 42 for signed targets, of 28 for unsigned ones
    assert compared == assignments * COUNT == 105_200
    assert changed > compared // 2  # the comparison is about codes that do not fit, not about copies


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_every_mode_pair_on_many_formats(seed, tmp_path):
    compared, assignments, _ = campaign(tmp_path, seed=seed, count=60, share=1)
    assert compared == assignments * COUNT == 60 * 35 * COUNT


def test_every_code_of_eight_bits(tmp_path):
    """Exhaustive: every code of eight bits to every mode pair of narrow formats, one of a single bit."""
    listed, sent = [], []
    for source, target in (("s8.4", "s4.1"), ("u8.4", "s1.1"), ("s8.4", "u3.2"), ("s8.4", "s2.6")):
        form = FixedPoint.parse(source)
        every = np.arange(form.low, form.high + 1)
        for half in (every[:128], every[128:]):
            listed.append(list(cases(form, FixedPoint.parse(target))))
            sent.append(np.resize(half, COUNT))
    found = compile_and_run(tmp_path / "every", listed, sent)
    rows = [row for group, codes in zip(listed, sent, strict=True) for row in spread(group, codes)]
    assert found.shape == (len(rows), COUNT)
    for (case, codes), actual in zip(rows, found, strict=True):
        np.testing.assert_array_equal(actual, expected(codes, case), err_msg=str(case))
    assert len(rows) * 128 == 256 * (3 * 42 + 28)
