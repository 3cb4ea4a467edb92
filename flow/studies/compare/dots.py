"""Forms of a sum of products that are more than one product beside the other: two integer products that share their
Booth rows, and the whole dot products of `rtl/`.
"""

from __future__ import annotations

from collections.abc import Iterator

from flow.studies.compare.entries import Entry, Kind
from flow.studies.compare.products import CELL_EXPONENT, Product, declared, instance, integer_range
from flow.synthesis import Family

__all__ = ["dots"]

_LANES = 8  # of the whole cells: as many as the core of a dot product has


def _pairs(entry: Entry) -> Product:
    bits, width = entry.bits, 2 * entry.bits + 1

    def lines(p: str, a: str, b: str) -> str:
        ports = f".a_i({a}), .b_i({b}), .y_o({p}_r)"
        return declared(p, width, True) + instance("flow_dot_pair", p, "pair", ports, AWidth=bits, BWidth=bits)

    return Product("pairs", (bits, bits), width, True, False, *integer_range(entry), lines, lanes=2)


def _cell(entry: Entry) -> Product:
    bits, width = entry.bits, 2 * entry.bits + _LANES.bit_length() - 1

    def lines(p: str, a: str, b: str) -> str:
        fields = {"Simd": _LANES, "XWidth": bits, "XSigned": 1, "WWidth": bits, "WSigned": 1, "OutWidth": width}
        return declared(p, width, True) + instance("flow_dot", p, "dot", f".x_i({a}), .w_i({b}), .y_o({p}_r)", **fields)

    return Product("dot", (bits, bits), width, True, False, *integer_range(entry), lines, False, lanes=_LANES)


def _minifloat_cell(entry: Entry) -> Product:
    e, m, top = entry.exponent, entry.mantissa, entry.form.highest_integer**2
    width = int(_LANES * top).bit_length() + 1

    def lines(p: str, a: str, b: str) -> str:
        fields = {"Simd": _LANES, "AExponent": e, "AMantissa": m, "BExponent": e, "BMantissa": m}
        ports = f".a_i({a}), .b_i({b}), .y_o({p}_r)"
        return declared(p, width, True) + instance("flow_minifloat_dot", p, "dot", ports, **fields)

    return Product("dot", (entry.bits, entry.bits), width, True, False, -top, top, lines, False, lanes=_LANES)


def _all(entry: Entry) -> Iterator[Product]:
    if entry.element in (Kind.INTEGER, Kind.KHOT):
        yield _pairs(entry)
        yield _cell(entry)
    elif entry.element is Kind.MINIFLOAT and entry.exponent <= CELL_EXPONENT:
        yield _minifloat_cell(entry)


def dots(entry: Entry, family: Family, dsp: bool, every: bool = False) -> list[Product]:
    """The usual forms, or every one, of a sum of products in logic; with DSPs none, since products add themselves."""
    return [] if dsp else [form for form in _all(entry) if form.usual or every]
