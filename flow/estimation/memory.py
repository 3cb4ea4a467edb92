"""How many LUTs or block RAMs a memory takes, from the shapes of the primitives (UG474, UG574, UG473, UG573)."""

from __future__ import annotations

from dataclasses import dataclass

from flow.synthesis import Family

__all__ = ["block_rams", "distributed", "goes_to_block_ram"]

_LINES_PER_LUT = 64
# What half a block RAM is worth to Yosys' memory mapper in LUTs: `cost` in its library of block RAMs.
_HALF_BLOCK_COST = 129


@dataclass(frozen=True, slots=True)
class _Distributed:
    """A simple dual-port primitive: LUTs it takes, bits of a line at up to 32 and at up to 64 lines."""

    luts: int
    bits_32: int
    bits_64: int


# RAM32M and RAM64M of the 7 series, RAM32M16 and RAM64M8 of UltraScale.
_PRIMITIVES = {Family.XC7: _Distributed(4, 6, 3), Family.XCUP: _Distributed(8, 14, 7)}


def distributed(width: int, depth: int, family: Family) -> int:
    """LUTs of a memory with one write port and one asynchronous read port.

    >>> distributed(48, 8, Family.XCUP), distributed(48, 8, Family.XC7), distributed(6, 64, Family.XC7)
    (32, 32, 8)
    """
    primitive = _PRIMITIVES[family]
    if depth <= 32:
        return primitive.luts * -(-width // primitive.bits_32)
    return primitive.luts * -(-width // primitive.bits_64) * -(-depth // 64)


def block_rams(width: int, depth: int) -> float:
    """Block RAMs of 36 Kibit, in halves, that hold `depth` lines of `width` bits with one line read a cycle.

    >>> block_rams(36, 512), block_rams(24, 1024), block_rams(9, 2048)
    (0.5, 1.0, 0.5)
    """
    shapes = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
    return min(-(-width // bits) * -(-depth // lines) for bits, lines in shapes) / 2


def goes_to_block_ram(width: int, depth: int) -> bool:
    """Whether Yosys puts a ROM with registered lines into block RAM: where its logic would cost more.

    >>> goes_to_block_ram(24, 512), goes_to_block_ram(48, 256), goes_to_block_ram(192, 64)
    (True, False, False)
    """
    return width * depth / _LINES_PER_LUT > 2 * block_rams(width, depth) * _HALF_BLOCK_COST
