"""A row of a constant matrix as a sum of tables: each reads a few bits of the inputs and gives what they add.

A place of a carry chain is a LUT of six inputs, of which the addition of two words reads two. Here it reads one bit of
the sum so far and five bits of inputs, and holds what those five add at this place: distributed arithmetic (Peled and
Liu, 1974), whose additions come for nothing. It takes a LUT for each bit of a table, however many digits the constants
have, where shifts and additions take one for each digit that they do not share; so it wins where inputs have few bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flow.formats import trailing_zeros

__all__ = ["INPUTS", "LONGEST", "LookUp", "Row", "look_ups"]

INPUTS = 5  # bits that the LUT of an addition has free
LONGEST = 16  # tables in a chain of additions, so that a pipeline stays short

Tap = tuple[int, int]  # which input, which bit of it


@dataclass(frozen=True, slots=True)
class LookUp:
    """One table: it gives `(entries[address] << shift) + offset`, `taps` being the address, its lowest bit first."""

    taps: tuple[Tap, ...]
    entries: tuple[int, ...]
    shift: int
    offset: int

    @property
    def bits(self) -> int:
        """Of an entry, none of which is negative; a LUT each."""
        return max(self.entries).bit_length()

    def at(self, address: int) -> int:
        """What the bits of an address add."""
        return (self.entries[address] << self.shift) + self.offset


@dataclass(frozen=True, slots=True)
class Row:
    """The tables of one row, in chains."""

    chains: tuple[tuple[LookUp, ...], ...]

    @property
    def offset(self) -> int:
        """What the words of the chains lack."""
        return sum(table.offset for chain in self.chains for table in chain)

    @property
    def luts(self) -> int:
        """A LUT for each bit of a table, those that add the first two of a chain, and what joins the chains.

        Every table after a chain's first takes one more, for the lowest place of its addition, which is no carry.
        """
        sizes = [sum(max(table.entries) << table.shift for table in chain).bit_length() for chain in self.chains]
        starts = sum(chain[1].bits for chain in self.chains if len(chain) > 1)
        lowest = sum(len(chain) - 1 for chain in self.chains)
        tables = sum(table.bits for chain in self.chains for table in chain)
        return tables + starts + lowest + sum(sorted(sizes)[:-1])

    def is_row(self, factors: Sequence[int], widths: Sequence[int]) -> bool:
        """Whether the tables add `factors[i] << k` for every bit `k` of every input `i`, and nothing else."""
        wanted = {
            (i, k): f << k for i, (f, width) in enumerate(zip(factors, widths, strict=True)) for k in range(width)
        }
        found = dict.fromkeys(wanted, 0)
        for table in (table for chain in self.chains for table in chain):
            ones = [table.at(1 << place) for place in range(len(table.taps))]
            for address in range(len(table.entries)):
                if table.at(address) != sum(one for place, one in enumerate(ones) if address >> place & 1):
                    return False
            for tap, one in zip(table.taps, ones, strict=True):
                found[tap] += one
        return found == wanted


def look_ups(factors: Sequence[int], widths: Sequence[int]) -> Row:
    """The tables of `sum(factors[i] * x[i])`.

    Args:
        factors: one for each input.
        widths: bits of each input, which has no sign; 0 for one that is left out.
    """
    groups, rest = list[list[tuple[int, Tap]]](), list[tuple[int, Tap]]()
    for k in range(max(widths, default=0)):
        plane = [(f << k, (i, k)) for i, (f, width) in enumerate(zip(factors, widths, strict=True)) if f and k < width]
        plane.sort(key=lambda entry: abs(entry[0]))
        whole = len(plane) - len(plane) % INPUTS
        groups += [plane[i : i + INPUTS] for i in range(0, whole, INPUTS)]
        rest += plane[whole:]
    rest.sort(key=lambda entry: (abs(entry[0]).bit_length(), entry[1]))
    groups += [rest[i : i + INPUTS] for i in range(0, len(rest), INPUTS)]
    tables = sorted((_table(group) for group in groups), key=lambda table: table.shift)
    count = -(-len(tables) // LONGEST)
    return Row(tuple(tuple(tables[i::count]) for i in range(count)))


def _table(group: Sequence[tuple[int, Tap]]) -> LookUp:
    """The sums of all subsets, without the zeros that all of them end with."""
    factors = [factor for factor, _ in group]
    shift = min(trailing_zeros(f) for f in factors)
    offset = sum(min(f, 0) for f in factors)
    sums = [sum(f for i, f in enumerate(factors) if address >> i & 1) for address in range(1 << len(group))]
    return LookUp(tuple(tap for _, tap in group), tuple((s - offset) >> shift for s in sums), shift, offset)
