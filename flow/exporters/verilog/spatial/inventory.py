"""What a spatial design consists of, as a cost model counts it: every operation with its widths.

Convolutions are counted position by position, as synthesis flattens them: what the padding leaves out is not there, and
what positions have in common is there once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flow.exporters.verilog.spatial.flat import Flat, Part
from flow.exporters.verilog.spatial.places import ADDERS, COMPARISONS, carries, shared

__all__ = ["ADDERS", "CASTS", "COMPARISONS", "Item", "inventory"]

CASTS = ("saturated", "wrapped", "relu", "cell", "minifloat")
_CHAINS = (*ADDERS, "looked_up")
_WIRES = ("input", "constant", "lift", "floor", "part", "raised", "inverted", "bits")


@dataclass(frozen=True, slots=True)
class Item:
    """One operation of a block.

    Attributes:
        block: name of the node that the block ends with.
        kind: what it is, a kind of `words.Op`: one of `ADDERS`, `CASTS`, `COMPARISONS`, or `chosen`, `shifted`,
            `entry` (a table), `looked_up` (a table inside an addition), `times` (a product of two words) and
            `multiplied` (what one DSP makes).
        bits: of its result.
        carries: of an adder, the length of its carry chain; of a comparison the bits that are compared; 0 for
            anything else.
        shared: of a `sum`, the places at which both summands have a bit, which are its LUTs; 0 of `plus` and `less`,
            whose constant only inverts bits; of `looked_up` the bits of its table; of `multiplied` as of the sums
            beside its products, if they were outside of the DSP; else as `carries`.
        reads: bits of what it reads.
        signed: whether each of those is signed.
        numbers: as of the `words.Op`: shifts of `sum` and `minus`, the constant of `plus` and `less`, the ends of
            `saturated`, the parameters of the cells, all entries of a table, its shift before them where it is inside
            an addition.
    """

    block: str
    kind: str
    bits: int
    carries: int
    shared: int
    reads: tuple[int, ...]
    signed: tuple[bool, ...]
    numbers: tuple[int, ...]


def inventory(flat: Flat) -> list[Item]:
    """Every operation of a design, in order, wires and constants left out."""
    return [item for part in flat.parts for item in _of_part(part)]


def _of_part(part: Part) -> Iterator[Item]:
    for word in part.unit.reachable(part.words):
        op, width = part.unit.ops[word.index], part.live[word.index][1]
        if op.kind in _WIRES or width <= 0:
            continue
        widths, signs = tuple(x.form.width for x in op.reads), tuple(x.low < 0 for x in op.reads)
        chain, both = carries(word, op), shared(word, op)
        if op.kind in _CHAINS:  # as far as the highest place that is read
            chain = max(chain - word.form.width + width, 0)
            both = min(both, chain)
        yield Item(part.block.name, op.kind, width, chain, both, widths, signs, op.numbers)
