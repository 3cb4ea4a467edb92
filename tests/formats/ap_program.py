"""Programs against the vendor's ap_fixed headers: one call per line, codes in and out as files of 64-bit words."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flow.formats import AP_OVERFLOW, AP_ROUNDING, FixedPoint, Overflow, Rounding
from flow.tools import ap_headers, program, run

# Where more bits are dropped than there are, the headers read one beyond the last, which they do not use but assert.
FLAGS = ("-std=c++11", "-O0", "-DNDEBUG", "-w")
TEXT = """\
#include <ap_fixed.h>
#include <cstdio>
typedef long long word;
static std::FILE *in, *out;
static word a[%(count)d], b[%(count)d];
template <class V> static void put(const V &v, int limbs) {
    for (int i = 0; i < limbs; ++i) {
        word limb = v.get_pVal(i);
        std::fwrite(&limb, sizeof limb, 1, out);
    }
}
%(templates)s
int main(int, char **argv) {
    in = std::fopen(argv[1], "rb");
    out = std::fopen(argv[2], "wb");
    if (!in || !out) return 1;
%(calls)s
    return std::fclose(out);
}
"""
READ = "    if (std::fread(a, 8, {0}, in) != {0} || std::fread(b, 8, {0}, in) != {0}) return 1;"


def ap_type(
    form: FixedPoint, rounding: Rounding = Rounding.TRN, mode: Overflow = Overflow.WRAP, saturated: int = 0
) -> str:
    """The base class of ap_fixed and ap_ufixed, where all their arithmetic is; g++ is a third faster with it."""
    sign, modes = str(form.signed).lower(), f"{AP_ROUNDING[rounding]}, {AP_OVERFLOW[mode]}, {saturated}"
    return f"ap_fixed_base<{form.width}, {form.integer}, {sign}, {modes}>"


def words(codes: np.ndarray) -> bytes:
    """Codes of any integer type as little-endian 64-bit words."""
    return b"".join((int(code) & (2**64 - 1)).to_bytes(8, "little") for code in codes)


def execute(folder: Path, count: int, templates: str, calls: list[str], codes: list[np.ndarray]) -> np.ndarray:
    """uint64[...]: compile `calls`, feed them `codes` in order, and return every word they wrote."""
    folder.mkdir()
    text = TEXT % {"count": count, "templates": templates, "calls": "\n".join(calls)}
    (folder / "main.cpp").write_text(text)
    (folder / "codes.bin").write_bytes(b"".join(words(each) for each in codes))
    run([program("g++"), *FLAGS, "-isystem", ap_headers(), folder / "main.cpp", "-o", folder / "main"])
    run([folder / "main", folder / "codes.bin", folder / "results.bin"])
    return np.fromfile(folder / "results.bin", dtype="<u8")


def decoded(found: np.ndarray, form: FixedPoint) -> np.ndarray:
    """object[samples] of `uint64[samples, limbs]`: the codes of `form` whose limbs these are."""
    total = sum(found[:, i].astype(object) << (64 * i) for i in range(found.shape[1]))
    wrapped = total % (1 << form.width)
    return np.where(wrapped > form.high, wrapped - (1 << form.width), wrapped)


def random_codes(rng: np.random.Generator, form: FixedPoint, count: int) -> np.ndarray:
    """object[count] of codes of every size: the ends, small numbers, and uniform bits of uniform length."""
    bits = rng.integers(0, form.width + 1, count)
    raw = [int.from_bytes(rng.bytes(8), "little") % (1 << int(b)) for b in bits]
    signs = rng.integers(0, 2, count) * form.signed
    codes = np.array([-1 - c if s else c for c, s in zip(raw, signs, strict=True)], dtype=object)
    codes[:2] = form.low, form.high
    return np.where((codes < form.low) | (codes > form.high), codes >> 1, codes)
