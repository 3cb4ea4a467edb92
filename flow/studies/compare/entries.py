"""The formats that are compared: every one with its kind, its bits, and the exact range of its integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from flow.formats import BlockFormat, Minifloat, best_offset
from flow.studies.cells import most_digits

__all__ = ["BITS", "Entry", "Kind", "all_entries", "blocks"]

BITS = (3, 4, 5, 6, 7, 8)


class Kind(Enum):
    """How a code is a number; the values are what `compare.json` says."""

    INTEGER = "integer"  # two's complement
    SIGN_MAGNITUDE = "sign_magnitude"
    MINIFLOAT = "minifloat"  # no specials: every code is a number
    LMUL = "lmul"  # minifloat operands, products by one addition of codes
    KHOT = "khot"  # integers, the weight a sum of few signed powers of two
    BLOCK = "block"  # narrow elements with a scale for each block of them


@dataclass(frozen=True, slots=True)
class Entry:
    """One format.

    Attributes:
        name: `s4`, `sm4`, `e2m1`, `lmul_e2m1`, `k2s4`, or a block format such as `mxfp4`.
        kind: how a code is a number.
        bits: of a code.
        exponent: bits of the exponent of a minifloat.
        mantissa: bits of the mantissa of a minifloat.
        digits: of a K-hot weight.
        block: the block format, whose element is the rest of the entry.
    """

    name: str
    kind: Kind
    bits: int
    exponent: int = 0
    mantissa: int = 0
    digits: int = 0
    block: BlockFormat | None = field(default=None)

    @property
    def form(self) -> Minifloat:
        """The minifloat, with the usual bias."""
        return Minifloat.standard(self.exponent, self.mantissa)

    @property
    def offset(self) -> int:
        """What L-Mul adds to the sum of codes: the best by trying, in last places of the mantissa."""
        return best_offset(self.mantissa)

    @property
    def memory_bits(self) -> float:
        """Bits that store one value, its share of a scale included."""
        return float(self.bits) if self.block is None else self.block.bits_per_element

    @property
    def element(self) -> Kind:
        """The kind of what is multiplied: that of the elements of a block, its own elsewhere."""
        if self.kind is not Kind.BLOCK:
            return self.kind
        return Kind.MINIFLOAT if self.exponent else Kind.INTEGER


def _integers(bits: int) -> Iterator[Entry]:
    yield Entry(f"s{bits}", Kind.INTEGER, bits)
    yield Entry(f"sm{bits}", Kind.SIGN_MAGNITUDE, bits)


def _minifloats(bits: int) -> Iterator[Entry]:
    """Every split of the bits below the sign."""
    for exponent in range(1, bits):
        mantissa = bits - 1 - exponent
        yield Entry(f"e{exponent}m{mantissa}", Kind.MINIFLOAT, bits, exponent, mantissa)


def _lmuls(bits: int) -> Iterator[Entry]:
    """Splits with a mantissa; with one exponent bit almost every code would count as zero."""
    for exponent in range(2, min(bits - 1, 6)):
        mantissa = bits - 1 - exponent
        yield Entry(f"lmul_e{exponent}m{mantissa}", Kind.LMUL, bits, exponent, mantissa)


def _khots(bits: int) -> Iterator[Entry]:
    """As many digits as leave some code out: with more it is the plain integer."""
    for digits in range(1, min(3, most_digits(bits) - 1) + 1):
        yield Entry(f"k{digits}s{bits}", Kind.KHOT, bits, digits=digits)


_BLOCKS = {
    "mxfp4": "mxe2m1b32",
    "nvfp4": "nve2m1b16",
    "mxint4": "mxs4.2b32",
    "mxfp6_e2m3": "mxe2m3b32",
    "mxfp6_e3m2": "mxe3m2b32",
    "mxint6": "mxs6.4b32",
    "mxfp8_e4m3": "mxe4m3fnb32",
    "mxfp8_e5m2": "mxe5m2ieeeb32",
    "mxint8": "mxs8.6b32",
}


def blocks() -> Iterator[Entry]:
    """OCP MX and NVFP4, and integers of 4 and 6 bits in MX blocks, which OCP does not have."""
    for name, text in _BLOCKS.items():
        form = BlockFormat.parse(text)
        element = form.element
        split = (element.exponent, element.mantissa) if isinstance(element, Minifloat) else (0, 0)
        bits = element.bits if isinstance(element, Minifloat) else element.width
        yield Entry(name, Kind.BLOCK, bits, *split, block=form)


def all_entries(bits: tuple[int, ...] = BITS) -> list[Entry]:
    """Every format of these word lengths, by bits, then by kind."""
    found: list[Entry] = []
    for width in sorted(set(bits)):
        for made in (_integers, _minifloats, _lmuls, _khots):
            found += made(width)
        found += [entry for entry in blocks() if entry.bits == width]
    return found
