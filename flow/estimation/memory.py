"""Where Yosys puts a memory, and how many LUTs or block RAMs it takes there.

Its mapper (`memory_libmap`) takes the cheapest offer: flip-flops at a unit a bit (a ROM: LUTs at a unit for every bit
that one LUT holds), LUT memory, or block RAM, each at the price in Yosys' libraries of memories, with half a unit for
every bit of the multiplexers behind several of them, and eight for every ability that has to be added.
Shapes: UG474, UG473 (7 series), UG574, UG573 (UltraScale+), FPGA-DS-02012 (ECP5), FPGA-DS-02008 (iCE40), UG288, UG285
(Gowin).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache

from flow.synthesis import Family

__all__ = ["Place", "block_rams", "block_rows", "distributed", "goes_to_block_ram", "place_of_ram",
           "rom_bits_per_lut", "rows_of_ram"]  # fmt: skip

_CHOICE = 0.5  # of a bit behind several primitives, and of an enable before them


class Place(Enum):
    """What holds a memory that is written."""

    REGISTERS = "registers"
    LUTS = "luts"
    BLOCKS = "blocks"


@dataclass(frozen=True, slots=True)
class _Primitive:
    """A memory primitive.

    Attributes:
        forms: (bits of a line, lines) that it can have.
        price: of a whole one.
        scaled: the part of the price that shrinks with the bits in use; where there is one, every line begins in a
            primitive of its own.
        worth: LUTs, or block RAMs, that one is.
        added: what logic beside it costs where it is read and written at once, eight for each thing it cannot do:
            LUT memory has no register, block RAM of either kind gives no fresh lines, and iCE40's has no undefined
            ones. Told from the measured FIFOs and rings, all of whose places these figures give.
    """

    forms: tuple[tuple[int, int], ...]
    price: float
    scaled: float
    worth: float
    added: float

    def rows(self, depth: int, lines: int) -> int:
        return -(-depth // lines)

    def cost(self, width: int, depth: int, form: tuple[int, int]) -> float:
        """What the mapper charges for a memory in this form."""
        bits, lines = form
        rows = self.rows(depth, lines)
        used = rows * -(-width // bits) if self.scaled else -(-rows * width // bits)
        whole = (self.price - self.scaled) * used + self.scaled * rows * width / bits
        return whole + _CHOICE * (rows - 1) * width + (_CHOICE * rows if rows > 1 else 0)

    def best(self, width: int, depth: int) -> tuple[int, int]:
        """The cheapest form."""
        return min(self.forms, key=lambda form: self.cost(width, depth, form))

    def count(self, width: int, depth: int) -> int:
        """Primitives in the cheapest form."""
        bits, lines = self.best(width, depth)
        return -(-self.rows(depth, lines) * width // bits)


_WIDE = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
_HALF_36, _WHOLE_18 = _Primitive(_WIDE, 129, 0, 0.5, 8), _Primitive(_WIDE, 128, 0, 1, 8)
_BLOCKS = {
    Family.XC7: _HALF_36,
    Family.XCUP: _HALF_36,
    Family.ECP5: _WHOLE_18,
    Family.GOWIN: _WHOLE_18,
    Family.ICE40: _Primitive(((16, 256), (8, 512), (4, 1024), (2, 2048)), 64, 0, 1, 16),
}
# RAM32M and RAM64M, RAM32M16 and RAM64M8, TRELLIS_DPR16X4, RAM16SDP4; an iCE40 has none.
_LUTS = {
    Family.XC7: _Primitive(((6, 32), (3, 64)), 8, 7, 4, 8),
    Family.XCUP: _Primitive(((14, 32), (7, 64)), 16, 16, 8, 8),
    Family.ECP5: _Primitive(((4, 16),), 4, 0, 4, 8),
    Family.GOWIN: _Primitive(((4, 16),), 4, 4, 4, 8),
}
_LUT_INPUTS = {Family.XC7: 6, Family.XCUP: 6, Family.ECP5: 4, Family.ICE40: 4, Family.GOWIN: 4}


def rom_bits_per_lut(family: Family) -> int:
    """Lines of one column that a LUT holds.

    >>> rom_bits_per_lut(Family.XC7), rom_bits_per_lut(Family.ECP5)
    (64, 16)
    """
    return 1 << _LUT_INPUTS[family]


def distributed(width: int, depth: int, family: Family) -> float:
    """LUTs that are the memory of one write port and one read port; 0 where the family has no such LUTs.

    >>> distributed(48, 8, Family.XCUP), distributed(48, 8, Family.XC7), distributed(6, 64, Family.XC7)
    (32, 32, 8)
    >>> distributed(6, 20, Family.ECP5), distributed(6, 20, Family.ICE40)
    (12, 0)
    """
    primitive = _LUTS.get(family)
    return primitive.worth * primitive.count(width, depth) if primitive else 0


def block_rams(width: int, depth: int, family: Family) -> float:
    """Block RAMs that hold `depth` lines of `width` bits with one line read a cycle; on Xilinx in halves.

    >>> [block_rams(*shape, Family.XC7) for shape in ((36, 512), (24, 1024), (9, 2048))]
    [0.5, 1.0, 0.5]
    >>> block_rams(24, 1024, Family.ECP5), block_rams(24, 1024, Family.ICE40)
    (2, 6)
    """
    blocks = _BLOCKS[family]
    return blocks.worth * blocks.count(width, depth)


def block_rows(width: int, depth: int, family: Family) -> int:
    """Lines, some of them side by side in a block RAM, among which the highest bits of the address choose.

    >>> block_rows(14, 3525, Family.XCUP), block_rows(36, 512, Family.XCUP)
    (7, 1)
    """
    blocks = _BLOCKS[family]
    return blocks.rows(depth, blocks.best(width, depth)[1])


@cache
def _block_cost(width: int, depth: int, family: Family) -> float:
    blocks = _BLOCKS[family]
    return blocks.cost(width, depth, blocks.best(width, depth))


def goes_to_block_ram(width: int, depth: int, family: Family) -> bool:
    """Whether a ROM with registered lines goes into block RAM: where its logic would cost more.

    >>> [goes_to_block_ram(*shape, Family.XCUP) for shape in ((24, 512), (48, 256), (192, 64))]
    [True, False, False]
    """
    return width * depth / rom_bits_per_lut(family) > _block_cost(width, depth, family)


@cache
def place_of_ram(width: int, depth: int, family: Family) -> Place:
    """Where a memory goes that is written, and read through a register.

    >>> [place_of_ram(8, depth, Family.XC7).value for depth in (1, 216, 352)]
    ['registers', 'luts', 'blocks']
    >>> [place_of_ram(8, depth, Family.ICE40).value for depth in (10, 11)]
    ['registers', 'blocks']
    """
    luts, blocks = _LUTS.get(family), _BLOCKS[family]
    offers = {Place.REGISTERS: float(width * depth), Place.BLOCKS: _block_cost(width, depth, family) + blocks.added}
    if luts:
        offers[Place.LUTS] = luts.cost(width, depth, luts.best(width, depth)) + luts.added
    return min(offers, key=lambda place: offers[place])


def rows_of_ram(width: int, depth: int, family: Family) -> int:
    """Lines of a memory that a multiplexer chooses among, where it is not in block RAM."""
    if place_of_ram(width, depth, family) is Place.REGISTERS:
        return depth
    primitive = _LUTS.get(family)
    return -(-depth // primitive.best(width, depth)[1]) if primitive else 1
