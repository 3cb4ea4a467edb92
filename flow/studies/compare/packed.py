"""Several products in one DSP block: four dot products, of two vectors by two, whose factors stand beside each other.

`(x0 + x1 * 2**2k) * (w0 + w1 * 2**k)` holds the four products of two numbers by two in fields of k bits, and `(x0 + x1
* 2**k) * w` those of two by one (AMD white papers WP521 and WP486). As many lanes are added before the fields are taken
apart as fit into them. A negative field has borrowed one from the field above it, which its sign gives back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flow.studies.compare.entries import Entry, Kind
from flow.studies.compare.products import Product, added, declared, decoder, instance, integer_range, length
from flow.synthesis import Family

__all__ = ["VECTORS", "packed"]

VECTORS = 2  # on either side
_LANES = 8
_PORTS = {Family.XCUP: (27, 18), Family.XC7: (25, 18), Family.ECP5: (18, 18)}  # bits of a DSP block's factors, signed


@dataclass(frozen=True, slots=True)
class _Packing:
    """How products share a block.

    Attributes:
        family: whose block it is.
        inner: of the weights that one block takes, 1 or 2.
        pitch: bits of a field.
        lanes: how many products are added in a field.
        wide: bits of two packed numbers of the vectors.
        narrow: bits of the packed weights.
    """

    family: Family
    inner: int
    pitch: int
    lanes: int
    wide: int
    narrow: int

    @property
    def fields(self) -> int:
        """Products in a block."""
        return VECTORS * self.inner


def _packing(number: tuple[int, int], product: tuple[int, int], family: Family) -> _Packing | None:
    """The most products in a block, then the most lanes in a field, by the ends of both; None where not two fit."""
    low, high = number
    for inner in (2, 1):
        for lanes in (8, 4, 2, 1):
            pitch = length(lanes * product[0], lanes * product[1])
            step, inside = 1 << (inner * pitch), (1 << pitch) * (inner - 1)
            wide, narrow = (length(low * s + low, high * s + high) for s in (step, inside))
            if wide <= _PORTS[family][0] and narrow <= _PORTS[family][1]:
                return _Packing(family, inner, pitch, lanes, wide, narrow)
    return None


def _split(entry: Entry) -> tuple[int, int]:
    """Exponent and mantissa; sign and magnitude is e1 here."""
    return (entry.exponent, entry.mantissa) if entry.exponent else (1, entry.bits - 2)


def _operand(entry: Entry) -> tuple[int, tuple[int, int], tuple[int, int]]:
    """Bits of an operand in two's complement, and the ends of numbers and of products."""
    if entry.kind is Kind.INTEGER:
        half = 1 << (entry.bits - 1)
        return entry.bits, (-half, half - 1), integer_range(entry)
    exponent, mantissa = _split(entry)
    top = ((2 << mantissa) - 1) << ((1 << exponent) - 2)
    return (1 << exponent) + mantissa, (-top, top), (-top * top, top * top)


def _numbers(entry: Entry, p: str, side: str, codes: str, size: int) -> str:
    """Declares `{p}_{side}{vector}_{lane}`, each code as a number."""
    text = ""
    for vector in range(VECTORS):
        for lane in range(_LANES):
            name, place = f"{side}{vector}_{lane}", (vector * _LANES + lane) * entry.bits
            code = f"{codes}[{place}+:{entry.bits}]"
            text += f"  logic signed [{size - 1}:0] {p}_{name};\n"
            plain = entry.kind is Kind.INTEGER
            text += f"  assign {p}_{name} = {code};\n" if plain else decoder(p, name, code, *_split(entry), 1)
    return text


def _beside(name: str, low: str, high: str, step: int, width: int) -> str:
    """Declares `name` = low + high * 2**step."""
    text = f"  logic signed [{width - 1}:0] {name};\n"
    return f"{text}  assign {name} = {width}'({low}) + ({width}'({high}) <<< {step});\n"


def _block(p: str, lane: int, inner: int, packing: _Packing) -> str:
    """Declares `{p}_m{inner}_{lane}`, the product of two numbers of the vectors and of one weight or two."""
    name = f"m{inner}_{lane}"
    text = ""
    if packing.inner == VECTORS:
        weight = f"{p}_w_{lane}"
        text += _beside(weight, f"{p}_b0_{lane}", f"{p}_b1_{lane}", packing.pitch, packing.narrow)
    else:
        weight = f"{p}_b{inner}_{lane}"
    size = packing.wide + packing.narrow
    text += f"  logic signed [{size - 1}:0] {p}_{name};\n"
    ports = f".a_i({p}_x_{lane}), .b_i({weight}), .p_o({p}_{name})"
    sides = {"AWidth": packing.wide, "BWidth": packing.narrow, "ASigned": 1, "BSigned": 1}
    return text + instance("flow_mul_dsp", p, name, ports, **sides)


def _summed(name: str, terms: Sequence[str], width: int, keep: bool) -> tuple[str, str]:
    """One after the other; text and name of the sum."""
    text, before = "", f"{width}'({terms[0]})"
    for place, term in enumerate(terms[1:]):
        text += added(f"{name}_{place}", before, f"{width}'({term})", width, "", keep)
        before = f"{name}_{place}"
    if len(terms) == 1:
        text, before = f"  logic signed [{width - 1}:0] {name};\n  assign {name} = {before};\n", name
    return text, before


def _field(name: str, output: str, sums: Sequence[str], field: int, packing: _Packing, width: int) -> str:
    """Assigns `output`: one field of every sum, added; an adder takes in what the field below one has borrowed."""
    at = field * packing.pitch
    parts = [f"{width}'($signed({total}[{at}+:{packing.pitch}]))" for total in sums]
    if field == 0:
        text, total = _summed(name, parts, width, True)
        return f"{text}  assign {output} = {total};\n"
    text, before = "", parts[0]
    for place, (part, total) in enumerate(zip([*parts[1:], f"{width}'d0"], sums, strict=True)):
        text += added(f"{name}_{place}", f"{{{before}, 1'b1}}", f"{{{part}, {total}[{at - 1}]}}", width + 1, "")
        before = f"{name}_{place}[{width}:1]"
    return f"{text}  assign {output} = {before};\n"


def packed(entry: Entry, family: Family) -> Iterator[Product]:
    """The form that has the most products in a block: of integers, and of what a short word is decoded to."""
    if entry.kind not in (Kind.INTEGER, Kind.SIGN_MAGNITUDE, Kind.MINIFLOAT):
        return
    size, number, product = _operand(entry)
    packing = _packing(number, product, family)
    if packing is None:
        return
    width = length(_LANES * product[0], _LANES * product[1])

    def lines(p: str, a: str, b: str) -> str:
        text = declared(p, VECTORS * VECTORS * width, False)
        text += _numbers(entry, p, "a", a, size) + _numbers(entry, p, "b", b, size)
        for lane in range(_LANES):
            step = packing.inner * packing.pitch
            text += _beside(f"{p}_x_{lane}", f"{p}_a0_{lane}", f"{p}_a1_{lane}", step, packing.wide)
        for inner in range(VECTORS // packing.inner):
            text += _outputs(p, inner, packing, width)
        return text

    yield Product(f"packed{packing.fields}", (entry.bits,) * 2, VECTORS * VECTORS * width, True, False, *product, lines)


def _outputs(p: str, inner: int, packing: _Packing, width: int) -> str:
    """The sums of all lanes, of both vectors and of the weights of one block."""
    text, sums = "", []
    for start in range(0, _LANES, packing.lanes):
        lanes = range(start, start + packing.lanes)
        text += "".join(_block(p, lane, inner, packing) for lane in lanes)
        terms = [f"{p}_m{inner}_{lane}" for lane in lanes]
        # On 7-series the adders go into the blocks, elsewhere they are carry chains.
        keep = packing.family is not Family.XC7
        more, total = _summed(f"{p}_s{inner}_{start}", terms, packing.fields * packing.pitch, keep)
        text += more
        sums.append(total)
    for field in range(packing.fields):
        vector, weight = divmod(field, packing.inner)
        output = vector * VECTORS + (weight if packing.inner == VECTORS else inner)
        bits = f"{p}_r[{output * width}+:{width}]"
        text += _field(f"{p}_y{output}", bits, sums, field, packing, width)
    return text
