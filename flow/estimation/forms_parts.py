"""What several cells have: counters, memories, and the choice of a line or of a LUT."""

from __future__ import annotations

from flow.estimation.memory import (
    Place,
    block_rams,
    distributed,
    place_of_ram,
    rom_bits_per_lut,
    rows_of_ram,
)
from flow.synthesis import Family

__all__ = [
    "bits_of",
    "columns_of_rom",
    "lines_of_ram",
    "odd",
    "ram_blocks",
    "ram_choice",
    "ram_luts",
    "tree_bits",
    "wraps",
]

Features = dict[str, float]


def bits_of(count: int) -> int:
    """Bits of a counter over `count` values; none for one value.

    >>> [bits_of(count) for count in (1, 2, 9)]
    [0, 1, 4]
    """
    return (count - 1).bit_length()


def odd(count: int) -> bool:
    """Whether a count is no power of two."""
    return count & (count - 1) != 0


def wraps(*counts: int) -> int:
    """Bits of the counters that do not wrap by themselves.

    >>> wraps(9, 8, 1)
    4
    """
    return sum(bits_of(count) for count in counts if odd(count))


def tree_bits(terms: int, width: int) -> int:
    """Bits of the longer operands of all sums of a flow_adder_tree, each a LUT beside its carry.

    >>> [tree_bits(terms, 8) for terms in (1, 2, 3, 4)]
    [0, 8, 17, 25]
    """
    widths = dict.fromkeys(range(terms, 2 * terms), width)
    for node in range(terms - 1, 0, -1):
        widths[node] = max(widths[2 * node], widths[2 * node + 1]) + 1
    return sum(widths[node] - 1 for node in range(1, terms))


def ram_luts(width: int, depth: int, family: Family, resource: str = "lut") -> float:
    """LUTs that are the memory itself, of one that is read through a register."""
    in_luts = depth > 1 and place_of_ram(width, depth, family) is Place.LUTS
    return float(distributed(width, depth, family)) if in_luts and resource == "lut" else 0.0


def ram_choice(width: int, depth: int, family: Family) -> int:
    """Bits that a multiplexer chooses among behind a memory: of all lines in registers, of all primitives in LUTs."""
    place = place_of_ram(width, depth, family)
    return 0 if depth == 1 or place is Place.BLOCKS else width * (rows_of_ram(width, depth, family) - 1)


def ram_blocks(width: int, depth: int, family: Family) -> float:
    """Block RAMs that are the memory."""
    in_blocks = depth > 1 and place_of_ram(width, depth, family) is Place.BLOCKS
    return block_rams(width, depth, family) if in_blocks else 0.0


def lines_of_ram(width: int, depth: int, family: Family) -> Features:
    """The choice of a line in registers, and what tells the primitives of LUT memory apart."""
    in_luts = place_of_ram(width, depth, family) is Place.LUTS
    return {
        "choice": 0 if in_luts else ram_choice(width, depth, family),
        "primitives": rows_of_ram(width, depth, family) - 1 if in_luts else 0,
    }


def columns_of_rom(columns: int, lines: int, family: Family) -> Features:
    """A column is a function of the address: a LUT for so many lines, and a choice among those where LUTs make it."""
    luts = -(-lines // rom_bits_per_lut(family))
    choice = columns * (luts - 1)  # whole trees of multiplexers lie between the LUTs of some families
    return {"columns": columns * luts, "choice": choice, "uneven choice": choice * odd(luts)}
