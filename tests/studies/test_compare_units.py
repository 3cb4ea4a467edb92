"""The measured units compute what they are said to: every form against exact integers, on random codes and the ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from flow.estimation.characterise import rtl_sources
from flow.formats import FixedPoint, Minifloat, Overflow, Rounding, cast, encode_integers, lmul_packed
from flow.simulation.rtl_verilator import ProgramJob, run_program
from flow.studies.compare.area import Target
from flow.studies.compare.entries import Entry, Kind, all_entries
from flow.studies.compare.products import KEPT, Product
from flow.studies.compare.sweep import forms
from flow.studies.compare.units import HEADROOM, TERMS, Unit, accumulator_width, modules, units_of
from flow.synthesis import Family

ROUNDS = 200
ONCE = ("--inline-mult", "1")  # a module of several places is compiled once, not once a place
ENTRIES = {entry.name: entry for entry in all_entries()}
LANES = {Unit.MULTIPLIER: 1, Unit.MAC: 1, Unit.DOT8: 8, Unit.DOT32: 32, Unit.DOT8_BACK: 8, Unit.TILE: 16}


def signed(codes, bits):
    return codes - ((codes >> (bits - 1)) << bits)


def integers(entry: Entry, codes):
    """What codes stand for, in steps."""
    if entry.element in (Kind.INTEGER, Kind.KHOT):
        return signed(codes, entry.bits)
    if entry.element is Kind.SIGN_MAGNITUDE:
        size = entry.bits - 1
        return np.where(codes >> size, -1, 1) * (codes % (1 << size))
    return entry.form.integers(codes)


def khot_integers(entry: Entry, codes):
    """What the fields of a K-hot weight stand for."""
    size = entry.bits.bit_length()
    total = np.zeros_like(codes)
    for digit in range(entry.digits):
        field = codes >> (digit * (size + 1))
        exponent, negative = field % (1 << size), (field >> size) & 1
        total += np.where(exponent < entry.bits, (1 - 2 * negative) << np.minimum(exponent, entry.bits - 1), 0)
    return total


def multiplied(entry: Entry, product, a, b):
    """Exact products as Python integers, of the shape of the codes."""
    if entry.kind is Kind.LMUL:
        size = entry.bits - 1
        plain = lmul_packed(a % (1 << size), b % (1 << size), entry.form, entry.offset)
        return np.where((a ^ b) >> size, -1, 1) * entry.form.integers(plain)
    fields = entry.kind is Kind.KHOT and product.name in ("khot", "shift")
    right = khot_integers(entry, b) if fields else integers(entry, b)
    return integers(entry, a).astype(object) * right.astype(object)


def rounded(entry: Entry, product, sums):
    """The codes of exact sums in the entry's own format, as the usual casts of flow make them."""
    if entry.element in (Kind.INTEGER, Kind.KHOT):
        width = accumulator_width(product.low, product.high, 8)
        shift = max(width - entry.bits - HEADROOM, 0)
        form = FixedPoint(entry.bits, 0)
        return cast(sums.astype(np.int64), shift, form, Rounding.RND, Overflow.SAT) % (1 << entry.bits)
    form = entry.form if entry.exponent else Minifloat.standard(1, entry.bits - 2)
    bound = 8 * max(-product.low, product.high)
    width = bound.bit_length() + 1
    shift = max(width - ((1 << form.exponent) + form.mantissa) - HEADROOM, 0)
    return encode_integers(sums, shift + form.frac, form)


def ports(name: str, widths: tuple[int, int], scales: int, clocked: bool) -> str:
    """The connections of one module: scales stand above the elements in `a` and `b`."""
    a, b = widths
    shown = ".clk_i, .rst_ni(round_q > 1), " if clocked else ""
    shown += f".a_i(a_{name}[{a - scales - 1}:0]), .b_i(b_{name}[{b - scales - 1}:0])"
    if scales:
        shown += f", .x_i(a_{name}[{a - 1}:{a - scales}]), .z_i(b_{name}[{b - 1}:{b - scales}]), .e_o()"
    return shown


def blocks(entry: Entry, product, found, scales: list[int]) -> tuple[int, int]:
    """Sums and exponents of every block, the first in the highest bits, as the ports have them."""
    size, scale = entry.block.block, entry.block.scale
    count, sums, exponents = 32 // size, 0, 0
    for place in range(count):
        total = int(found[place * size : (place + 1) * size].sum())
        x, z = ((side >> (place * scale.bits)) % (1 << scale.bits) for side in scales)
        width = max(accumulator_width(product.low, product.high, size), flagged_width(product, size))
        if isinstance(scale, Minifloat):
            fields = [(code >> scale.mantissa, code % (1 << scale.mantissa)) for code in (x, z)]
            for field, mantissa in fields:
                total *= mantissa + (bool(field) << scale.mantissa)
            added, bits = sum(field - bool(field) for field, _ in fields), scale.exponent + 1
            width += 2 * scale.mantissa + 2
        else:
            added, bits = x + z, scale.bits + 1
        sums = (sums << width) | (total % (1 << width))
        exponents = (exponents << bits) | added
    return sums, exponents


def flagged_width(product, terms: int) -> int:
    """Bits of a sum whose sign stands apart."""
    return (terms * max(-product.low, product.high)).bit_length() + 1 if product.flagged else 0


def drawn(bits: int, scales: int, element: int) -> str:
    """Random codes with their scales above them; elements of so many bits are never the lowest, which blocks lack."""
    if not element:
        return f"{bits}'({{{', '.join('$urandom' for _ in range(-(-bits // 32)))}}})"
    code = f"{element}'($urandom_range({(1 << element) - 1}, 1)) ^ {element}'d{1 << (element - 1)}"
    return f"{{{', '.join([drawn(scales, 0, 0), *[code] * ((bits - scales) // element)])}}}"


def khot_drawn(entry: Entry, lanes: int) -> str:
    """Random fields of K-hot weights, which come to no more than the lowest or highest integer of the word."""
    size, text = entry.bits.bit_length(), []
    for digit in range(lanes * entry.digits):
        most = entry.bits - (1 if entry.digits == 1 else 2 + min(digit % entry.digits, 1))
        text.append(f"1'($urandom), {size}'($urandom_range({most}, 0))")
    return f"{{{', '.join(reversed(text))}}}"


def ends(bits: int, width: int, side: str, element: int) -> str:
    """Codes of `width` bits for the third and fourth round: the lowest times the lowest integer, and the highest."""
    lowest = sum(1 << (place + width - 1) for place in range(0, bits, width)) % (1 << bits)
    shown = [lowest, lowest if side == "a" else ~lowest % (1 << bits)]
    return "" if element else "".join(f"round_q == {2 + i} ? {bits}'h{value:x} : " for i, value in enumerate(shown))


def bench(cells: dict[str, tuple[tuple[int, int], tuple[int, int], int, bool, int]], weights: dict[str, str]) -> str:
    """Drives every module with random codes, the first of them all zeros, all ones and the ends.

    `weights` says by module what `b` is instead of any code.
    """
    text = "module bench (input logic clk_i);\n  int file, round_q = 0;\n"
    shown = ""
    for name, ((a, b), widths, scales, clocked, element) in cells.items():
        text += f"  logic [{a - 1}:0] a_{name}; logic [{b - 1}:0] b_{name};\n"
        port = {"mac": "acc_o", "mul": "p_o"}.get(name.rpartition("_")[2], "y_o")
        text += f"  {name} u_{name} ({ports(name, (a, b), scales, clocked)}, .{port}());\n"
        exponent = f"u_{name}.e_o" if scales else "1'b0"
        shown += f'    $fdisplay(file, "{name} %h %h %h %h", a_{name}, b_{name}, u_{name}.{port}, {exponent});\n'
        for side, bits, width in (("a", a, widths[0]), ("b", b, widths[1])):
            random = weights[name] if side == "b" and name in weights else drawn(bits, scales, element)
            value = ends(bits, width, side, element) + random
            shown += f"    {side}_{name} <= round_q == 0 ? '0 : round_q == 1 ? '1 : {value};\n"
    text += '  initial file = $fopen("words.txt", "w");\n  always @(posedge clk_i) begin\n'
    text += (
        f"    if (round_q > 1) begin\n{''.join(x + chr(10) for x in shown.splitlines() if 'fdisplay' in x)}    end\n"
    )
    text += "".join(x + "\n" for x in shown.splitlines() if "fdisplay" not in x)
    return text + f"    round_q <= round_q + 1;\n    if (round_q > {ROUNDS}) $finish;\n  end\nendmodule\n"


def tiled(product, a, b) -> list[int]:
    """The four sums of a tile, each in its bits."""
    bits, pairs = product.width // 4, [(vector, weights) for vector in (0, 1) for weights in (0, 1)]
    sides = [(slice(8 * vector, 8 * vector + 8), slice(8 * weights, 8 * weights + 8)) for vector, weights in pairs]
    return [int((a[left] * b[right]).sum()) % (1 << bits) for left, right in sides]


def codes(value: int, bits: int, lanes: int):
    return np.array([(value >> (lane * bits)) % (1 << bits) for lane in range(lanes)], dtype=np.int64)


@dataclass(frozen=True)
class Case:
    """One text that is driven, and what it is to compute."""

    entry: Entry
    product: Product
    unit: Unit
    texts: dict[str, str]

    @property
    def lanes(self) -> int:
        return LANES[self.unit]

    @property
    def scales(self) -> int:
        """Bits of the scales on either side."""
        block = self.entry.block
        return 32 // block.block * block.scale.bits if block else 0


def cases(names, family, dsp, every, units=tuple(Unit)) -> dict[str, Case]:
    """Every form of the units by the name of its module; of forms with the same text the first."""
    found: dict[str, Case] = {}
    for name in names:
        entry = ENTRIES[name]
        for unit in [unit for unit in (*units_of(entry), Unit.TILE) if unit in units]:
            for product in forms(entry, unit, Target(family, dsp), every):
                # How it is mapped is nothing to a simulator.
                text = "\n".join(modules(entry, product, (unit,), "any").values()).replace(KEPT, "")
                key = f"{name}_{product.name}"
                found.setdefault(text, Case(entry, product, unit, modules(entry, product, (unit,), key)))
    return {f"{case.entry.name}_{case.product.name}_{case.unit.value}": case for case in found.values()}


def cell(case: Case):
    """Bits of both ports, of both codes, of the scales; whether it has a clock; and of elements of integer blocks."""
    entry = case.entry
    widths = tuple(case.lanes * bits + case.scales for bits in case.product.bits)
    element = entry.bits if entry.block is not None and entry.element is Kind.INTEGER else 0
    return widths, case.product.bits, case.scales, case.unit is Unit.MAC, element


def checked(case: Case, a: int, b: int, y: int, exponent: int, before: int) -> int:
    """The exact sum of the products, which `y` is compared with; `before` is that of all earlier rounds."""
    entry, product, unit = case.entry, case.product, case.unit
    left, right = (codes(side, bits, case.lanes) for side, bits in zip((a, b), product.bits, strict=True))
    found = multiplied(entry, product, left, right)
    total = int(found.astype(object).sum())
    assert product.low <= min(found)
    assert max(found) <= product.high
    if entry.block is not None:
        scales = [side >> (case.lanes * bits) for side, bits in zip((a, b), product.bits, strict=True)]
        assert (y, exponent) == blocks(entry, product, found, scales)
    elif unit is Unit.DOT8_BACK:
        assert y == rounded(entry, product, np.array([total], dtype=object))[0]
    elif unit is Unit.TILE:
        assert codes(y, product.width // 4, 4).tolist() == tiled(product, integers(entry, left), integers(entry, right))
    else:
        clocked = unit is Unit.MAC
        width = accumulator_width(product.low, product.high, TERMS if clocked else case.lanes)
        assert y == (before if clocked else total) % (1 << width)
    return total


def compared(held: dict[str, Case], tmp_path) -> set[str]:
    """The modules, every one of whose rounds was compared with exact numbers."""
    texts = {name: text for case in held.values() for name, text in case.texts.items()}
    cells = {name: cell(case) for name, case in held.items()}
    fields = {name: case for name, case in held.items() if case.product.name in ("khot", "shift")}
    weights = {name: khot_drawn(case.entry, case.lanes) for name, case in fields.items()}
    sources = rtl_sources() | {f"{name}.sv": text for name, text in texts.items()} | {"bench.sv": bench(cells, weights)}
    place = run_program(ProgramJob(sources, "bench", args=("--no-timing", "-Wno-fatal", *ONCE)), tmp_path)
    rounds, totals = dict.fromkeys(held, 0), dict.fromkeys(held, 0)
    for line in (place / "words.txt").read_text().splitlines():
        name, *words = line.split()
        totals[name] += checked(held[name], *(int(word, 16) for word in words), totals[name])
        rounds[name] += 1
    assert set(rounds.values()) == {ROUNDS}
    return set(rounds)


@pytest.mark.slow
def test_the_usual_forms_of_a_format_of_every_kind(tmp_path):
    names = ("s4", "sm3", "e2m1", "lmul_e2m1", "k1s4", "mxint4", "mxfp4", "nvfp4")
    found = compared(cases(names, Family.XCUP, False, False), tmp_path)
    assert found >= {"s4_pairs_dot32", "sm3_array_mac", "e2m1_table_dot8_back", "k1s4_shift_mac", "nvfp4_array_dot32"}
    assert len(found) > 40


def test_products_that_share_a_dsp(tmp_path):
    found = compared(cases(("s4", "s8", "e2m1"), Family.XC7, True, False, (Unit.TILE,)), tmp_path)
    assert found == {"s4_packed4_tile", "s8_packed2_tile", "e2m1_packed4_tile"}


@pytest.mark.slow
@pytest.mark.parametrize("bits", range(3, 9))
def test_every_form_of_every_format(tmp_path, bits):
    names = [name for name, entry in ENTRIES.items() if entry.exponent <= 5 and entry.bits == bits]
    assert len(compared(cases(names, Family.XCUP, False, True), tmp_path)) > 80


@pytest.mark.slow
@pytest.mark.parametrize("family", [Family.XC7, Family.ECP5])
def test_forms_with_dsps(tmp_path, family):
    names = ("s8", "sm8", "e3m4", "e4m2", "mxint8", "nvfp4", "e6m1")
    assert len(compared(cases(names, family, True, True), tmp_path)) > 40


@pytest.mark.slow
@pytest.mark.parametrize("family", [Family.XCUP, Family.XC7, Family.ECP5])
def test_every_format_whose_products_share_a_dsp(tmp_path, family):
    assert len(compared(cases(ENTRIES, family, True, True, (Unit.TILE,)), tmp_path)) >= 10
