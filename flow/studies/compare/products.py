"""Forms of one product: SystemVerilog that multiplies two codes, each a candidate for the smallest.

A product is a number `r`, and where the sign is kept apart a flag `n` that says whether `-r` is meant: sums take the
sign in for nothing, since an adder's LUT has inputs to spare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from flow.studies.compare.entries import Entry, Kind
from flow.synthesis import Family

__all__ = [
    "CELL_EXPONENT",
    "KEPT",
    "Product",
    "added",
    "declared",
    "decoder",
    "instance",
    "integer_range",
    "length",
    "products",
]

_TABLE_BITS = 8  # of both magnitudes together: four LUT6 a bit, whose multiplexers are free
_ONE_LUT = 6  # inputs
_DSP_BITS = 18  # the narrower port of a DSP48 and both ports of a MULT18X18D
# Mapped by itself, not together with what adds or shifts it: on ECP5 that took a quarter less for some minifloats, and
# more for others; on Xilinx it changed little.
KEPT = "(* keep_hierarchy *) "
CELL_EXPONENT = 5  # flow_minifloat_mul and flow_minifloat_decode go so far

# Makes lines that declare `{p}_r`, and `{p}_n`, from the names of the prefix and of the two codes.
Lines = Callable[[str, str, str], str]


@dataclass(frozen=True, slots=True)
class Product:
    """One form of a product.

    Attributes:
        name: what `compare.json` calls it.
        bits: of the two codes.
        width: bits of `r`.
        signed: whether `r` is in two's complement.
        flagged: whether there is an `n`.
        low: the lowest value of a product, in products of steps.
        high: the highest.
        lines: the SystemVerilog.
        usual: whether it is measured in any case; the others were larger in most cases where they were tried.
        cascaded: whether sums go through DSP blocks one after another.
        lanes: of how many products `r` is the sum; the codes of the first are in the lowest bits.
    """

    name: str
    bits: tuple[int, int]
    width: int
    signed: bool
    flagged: bool
    low: int
    high: int
    lines: Lines
    usual: bool = True
    cascaded: bool = False
    lanes: int = 1


def length(low: int, high: int) -> int:
    """Bits of a two's complement word that holds low..high."""
    return max(high.bit_length(), (-low - 1).bit_length()) + 1


def added(name: str, left: str, right: str, width: int, flag: str, keep: bool = True) -> str:
    """Declares `name` = left + right, or left - right where `flag`: what `+` of Yosys maps to one LUT6 a bit."""
    kept = "(* keep *) " if keep else ""
    turned = f"({right} ^ {{{width}{{{flag}}}}}) + {width}'({flag})" if flag else right
    return f"  {kept}logic [{width - 1}:0] {name};\n  assign {name} = {left} + {turned};\n"


def declared(p: str, width: int, signed: bool, flag: str = "") -> str:
    """Declarations of `{p}_r`, and of `{p}_n` as `flag`."""
    kind = "logic signed" if signed else "logic"
    lines = f"  {kind} [{width - 1}:0] {p}_r;\n"
    return lines + (f"  logic {p}_n;\n  assign {p}_n = {flag};\n" if flag else "")


def instance(module: str, p: str, name: str, ports: str, **parameters: int) -> str:
    """A cell of `rtl/`; an attribute of the instance stands before the name of the module."""
    given = ", ".join(f".{key}({value})" for key, value in parameters.items())
    return f"  {module} #({given}) u_{p}_{name} ({ports});\n"


def _multiplied(module: str, p: str, a: str, b: str, width: tuple[int, int], signed: bool) -> str:
    sides = {"ASigned": int(signed), "BSigned": int(signed)}
    ports = f".a_i({a}), .b_i({b}), .p_o({p}_r)"
    return instance(module, p, "mul", ports, AWidth=width[0], BWidth=width[1], **sides)


def _integer_forms(bits: int, dsp: bool) -> Iterator[tuple[str, str, bool]]:
    """Name, cell, and whether it is usual."""
    if dsp:
        yield "dsp", "flow_mul_dsp", True
        return
    yield "array", "flow_mul_array", True
    yield "kept", f"{KEPT}flow_mul_array", False
    yield "booth", "flow_mul_dsp", False  # without DSPs a `*` goes through Yosys' booth
    if 2 * bits == _TABLE_BITS:
        yield "table", "flow_mul_table", False


def integer_range(entry: Entry) -> tuple[int, int]:
    """The lowest and the highest product of two integers; those of blocks are symmetric."""
    most = (1 << (entry.bits - 1)) - 1
    top = most + (entry.kind is not Kind.BLOCK)
    return -top * most, top * top


def _integers(entry: Entry, family: Family, dsp: bool) -> Iterator[Product]:
    bits, (low, high) = entry.bits, integer_range(entry)
    for name, module, usual in _integer_forms(bits, dsp):

        def lines(p: str, a: str, b: str, module: str = module) -> str:
            return declared(p, 2 * bits, True) + _multiplied(module, p, a, b, (bits, bits), True)

        cascaded = dsp and family is not Family.ECP5
        yield Product(name, (bits, bits), 2 * bits, True, False, low, high, lines, usual, cascaded)


def _sign(a: str, b: str, bits: int) -> str:
    return f"{a}[{bits - 1}] ^ {b}[{bits - 1}]"


def _sign_magnitude(entry: Entry, family: Family, dsp: bool) -> Iterator[Product]:
    bits, size = entry.bits, entry.bits - 1
    top = ((1 << size) - 1) ** 2
    for name, module, usual in _integer_forms(size, dsp):

        def lines(p: str, a: str, b: str, module: str = module) -> str:
            magnitudes = f"{a}[{size - 1}:0]", f"{b}[{size - 1}:0]"
            made = _multiplied(module, p, *magnitudes, (size, size), False)
            return declared(p, 2 * size, False, _sign(a, b, bits)) + made

        yield Product(name, (bits, bits), 2 * size, False, True, -top, top, lines, usual)
    if dsp:
        yield from _decoded(entry, 1, size - 1, family)


def _unpacked(p: str, side: str, code: str, exponent: int, mantissa: int) -> str:
    """The fields of one operand's magnitude."""
    ports = f".code_i({code}), .negative_o(), .significand_o({p}_{side}), .shift_o({p}_{side}s)"
    return f"  logic [{mantissa}:0] {p}_{side};\n  logic [{exponent - 1}:0] {p}_{side}s;\n" + instance(
        "flow_minifloat_unpack", p, side, ports, Exponent=exponent, Mantissa=mantissa, Signed=0
    )


def _shifted(entry: Entry, module: str) -> Lines:
    """Significands multiplied, then shifted by the sum of the exponents; the sign apart."""
    e, m, bits = entry.exponent, entry.mantissa, entry.bits
    width = entry_width(entry)

    def lines(p: str, a: str, b: str) -> str:
        inner = f"{p}_m"
        codes = f"{a}[{bits - 2}:0]", f"{b}[{bits - 2}:0]"
        unpacked = _unpacked(p, "a", codes[0], e, m) + _unpacked(p, "b", codes[1], e, m)
        product = f"  logic [{2 * m + 1}:0] {inner}_r;\n"
        product += _multiplied(module, inner, f"{p}_a", f"{p}_b", (m + 1, m + 1), False)
        shift = f"  logic [{e}:0] {p}_s;\n  assign {p}_s = {e + 1}'({p}_as) + {e + 1}'({p}_bs);\n"
        made = f"  assign {p}_r = {width}'({inner}_r) << {p}_s;\n"
        return declared(p, width, False, _sign(a, b, bits)) + unpacked + product + shift + made

    return lines


def entry_width(entry: Entry) -> int:
    """Bits of the largest magnitude of a product of minifloats."""
    return int(entry.form.highest_integer**2).bit_length()


def _fixed(entry: Entry, module: str) -> Lines:
    """Magnitudes as plain integers, multiplied as such; the sign apart."""
    size = entry.form.highest_integer.bit_length()

    def lines(p: str, a: str, b: str) -> str:
        text = declared(p, 2 * size, False, _sign(a, b, entry.bits))
        for side, code in (("a", a), ("b", b)):
            text += f"  logic [{size - 1}:0] {p}_{side};\n"
            text += decoder(p, side, f"{code}[{entry.bits - 2}:0]", entry.exponent, entry.mantissa, 0)
        return text + _multiplied(module, p, f"{p}_a", f"{p}_b", (size, size), False)

    return lines


def decoder(p: str, side: str, code: str, exponent: int, mantissa: int, signed: int) -> str:
    """Assigns `{p}_{side}`: the number of a minifloat's code, in two's complement where signed."""
    ports = f".code_i({code}), .data_o({p}_{side})"
    return instance("flow_minifloat_decode", p, side, ports, Exponent=exponent, Mantissa=mantissa, Signed=signed)


def _decoded(entry: Entry, exponent: int, mantissa: int, family: Family) -> Iterator[Product]:
    """Both operands as two's complement, which a DSP multiplies and adds."""
    size = (1 << exponent) + mantissa
    if size > _DSP_BITS:
        return
    top = ((1 << (size - 1)) - 1) ** 2

    def lines(p: str, a: str, b: str) -> str:
        text = declared(p, 2 * size, True)
        for side, code in (("a", a), ("b", b)):
            text += f"  logic [{size - 1}:0] {p}_{side};\n" + decoder(p, side, code, exponent, mantissa, 1)
        return text + _multiplied("flow_mul_dsp", p, f"{p}_a", f"{p}_b", (size, size), True)

    cascaded = family is not Family.ECP5
    yield Product("decoded", (entry.bits,) * 2, 2 * size, True, False, -top, top, lines, cascaded=cascaded)


def _tabled(entry: Entry) -> Lines:
    """Each bit of the magnitude a truth table over both magnitudes; the sign apart."""
    size, width = entry.bits - 1, entry_width(entry)
    numbers = entry.form.integers(np.arange(1 << size)).tolist()
    pairs = [x * y for x in numbers for y in numbers]

    def lines(p: str, a: str, b: str) -> str:
        text = declared(p, width, False, _sign(a, b, entry.bits))
        for place in range(width):
            table = sum(((value >> place) & 1) << line for line, value in enumerate(pairs))
            text += f"  localparam logic [{len(pairs) - 1}:0] {p.upper()}_T{place} = {len(pairs)}'h{table:x};\n"
            text += f"  assign {p}_r[{place}] = {p.upper()}_T{place}[{{{a}[{size - 1}:0], {b}[{size - 1}:0]}}];\n"
        return text

    return lines


def _early(entry: Entry, usual: bool) -> Product:
    """The cell of `rtl/`: the sign goes in before the shift."""
    width, top = entry_width(entry) + 1, entry.form.highest_integer**2
    e, m = entry.exponent, entry.mantissa

    def lines(p: str, a: str, b: str) -> str:
        ports = f".a_i({a}), .b_i({b}), .p_o({p}_r)"
        fields = {"AExponent": e, "AMantissa": m, "BExponent": e, "BMantissa": m}
        return declared(p, width, True) + instance("flow_minifloat_mul", p, "mul", ports, **fields)

    return Product("early", (entry.bits, entry.bits), width, True, False, -top, top, lines, usual)


def _minifloats(entry: Entry, family: Family, dsp: bool) -> Iterator[Product]:
    bits, width, top = entry.bits, entry_width(entry), entry.form.highest_integer**2

    def apart(name: str, lines: Lines, usual: bool = True) -> Product:
        return Product(name, (bits, bits), width, False, True, -top, top, lines, usual)

    if dsp:
        yield apart("dsp", _shifted(entry, "flow_mul_dsp"))
        yield from _decoded(entry, entry.exponent, entry.mantissa, family)
        return
    yield apart("array", _shifted(entry, "flow_mul_array"))
    yield apart("kept", _shifted(entry, f"{KEPT}flow_mul_array"), False)
    if 2 * (bits - 1) <= _TABLE_BITS:
        yield apart("table", _tabled(entry), 2 * (bits - 1) <= _ONE_LUT)
    if 2 <= entry.exponent <= 3:
        # The highest bit of a product of two full magnitudes may never be set.
        size = entry.form.highest_integer.bit_length()
        yield Product("fixed", (bits, bits), 2 * size, False, True, -top, top, _fixed(entry, "flow_mul_array"), False)
    if entry.exponent <= CELL_EXPONENT:
        yield _early(entry, family is Family.ECP5)
    yield apart("booth", _shifted(entry, "flow_mul_dsp"), False)


def _lmuls(entry: Entry, family: Family, dsp: bool) -> Iterator[Product]:
    """The code of the approximate product, decoded to a whole number of steps; the sign apart."""
    size, width, top = entry.bits - 1, entry.form.highest_integer.bit_length(), entry.form.highest_integer

    def lines(p: str, a: str, b: str) -> str:
        fields = {"Exponent": entry.exponent, "Mantissa": entry.mantissa, "Signed": 0}
        ports = f".a_i({a}[{size - 1}:0]), .b_i({b}[{size - 1}:0]), .code_o({p}_c)"
        text = declared(p, width, False, _sign(a, b, entry.bits)) + f"  logic [{size - 1}:0] {p}_c;\n"
        text += instance("flow_lmul", p, "lmul", ports, **fields, Bias=entry.form.bias, Offset=entry.offset)
        return text + decoder(p, "r", f"{p}_c", entry.exponent, entry.mantissa, 0)

    yield Product("lmul", (entry.bits, entry.bits), width, False, True, -top, top, lines)


def _khots(entry: Entry, family: Family, dsp: bool) -> Iterator[Product]:
    """By digits, with one digit as a shift whose sign is apart, and as any other integer."""
    bits, top = entry.bits, 1 << (2 * entry.bits - 2)
    exponent = bits.bit_length()
    fields = entry.digits * (exponent + 1)

    def digits(p: str, a: str, b: str) -> str:
        ports = f".a_i({a}), .b_i({b}), .p_o({p}_r)"
        made = instance("flow_mul_khot", p, "mul", ports, AWidth=bits, BWidth=bits, Digits=entry.digits)
        return declared(p, 2 * bits, True) + made

    def shift(p: str, a: str, b: str) -> str:
        at = f"{b}[{exponent - 1}:0]"
        text = declared(p, 2 * bits, True, f"{b}[{exponent}]")
        return text + f"  assign {p}_r = ({at} < {bits}) ? {2 * bits}'($signed({a})) <<< {at} : '0;\n"

    yield Product("khot", (bits, fields), 2 * bits, True, False, -top, top, digits)
    if entry.digits == 1:
        yield Product("shift", (bits, fields), 2 * bits, True, True, -top, top, shift)
    yield from _integers(entry, family, dsp)


_MAKERS: dict[Kind, Callable[[Entry, Family, bool], Iterator[Product]]] = {
    Kind.INTEGER: _integers,
    Kind.SIGN_MAGNITUDE: _sign_magnitude,
    Kind.MINIFLOAT: _minifloats,
    Kind.LMUL: _lmuls,
    Kind.KHOT: _khots,
}


def products(entry: Entry, family: Family, dsp: bool, every: bool = False) -> list[Product]:
    """The usual forms, or every one, of the product of two codes of a format or of two elements of a block format."""
    return [product for product in _MAKERS[entry.element](entry, family, dsp) if product.usual or every]
