"""What a spatial design consists of, as a cost model counts it: every operation with its widths, every register's bits.

Operations of a block that stands for each position of a convolution are listed once, with the number of instances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flow.exporters.verilog.spatial.blocks import Block
from flow.exporters.verilog.spatial.design import Spatial
from flow.exporters.verilog.spatial.words import Op, Word

__all__ = ["ADDERS", "CASTS", "COMPARISONS", "Item", "Registers", "inventory", "registers"]

ADDERS = ("sum", "minus", "plus", "less")
CASTS = ("saturated", "wrapped", "relu", "cell", "minifloat")
COMPARISONS = ("larger", "above")
_WIRES = ("input", "constant", "lift", "floor", "raised", "inverted", "bits")


@dataclass(frozen=True, slots=True)
class Item:
    """One operation of a block.

    Attributes:
        block: name of the node that the block ends with.
        kind: what it is, a kind of `words.Op`: one of `ADDERS`, `CASTS`, `COMPARISONS`, or `chosen`, `shifted`,
            `entry` (a table), `looked_up` (a table inside an addition) and `times` (a product of two words).
        bits: of its result.
        carries: of an adder, the length of its carry chain; of a comparison the bits that are compared; 0 for
            anything else.
        shared: of a `sum`, the places at which both summands have a bit, which are its LUTs; 0 of `plus` and `less`,
            whose constant only inverts bits; of `looked_up` the bits of its table; else as `carries`.
        reads: bits of what it reads.
        signed: whether each of those is signed.
        numbers: as of the `words.Op`: shifts of `sum` and `minus`, the constant of `plus` and `less`, the ends of
            `saturated`, the parameters of the cells, all entries of a table, its shift before them where it is inside
            an addition.
        instances: how many of it there are.
    """

    block: str
    kind: str
    bits: int
    carries: int
    shared: int
    reads: tuple[int, ...]
    signed: tuple[bool, ...]
    numbers: tuple[int, ...]
    instances: int


@dataclass(frozen=True, slots=True)
class Registers:
    """Flip-flops that hold data.

    Attributes:
        blocks: bits by block, its pipeline and its outputs, all instances.
        waits: bits by value that waits for a later one it is joined with, or for a later output.
        ports: of the AXI-Stream ports, a word at the input and two at every output.
        control: one bit for each cycle of latency.
    """

    blocks: dict[str, int]
    waits: dict[str, int]
    ports: int
    control: int

    @property
    def total(self) -> int:
        """Bits of all of them."""
        return sum(self.blocks.values()) + sum(self.waits.values()) + self.ports + self.control


def inventory(plan: Spatial) -> list[Item]:
    """Every operation of a design, in order, wires and constants left out."""
    return [item for block in plan.blocks for item in _of_block(block)]


def registers(plan: Spatial) -> Registers:
    """Where data is held; synthesis removes of these what is constant or held twice."""
    blocks = {block.name: block.body.held * len(block.places) for block in plan.blocks}
    waits: dict[str, int] = {}
    for name, cycles in plan.waits().items():
        waits[name] = cycles * plan.bits(name)
    ports = plan.bits(plan.graph.input.name) + 2 * sum(plan.bits(name) for name in plan.graph.outputs)
    return Registers(blocks, {name: bits for name, bits in waits.items() if bits}, ports, plan.latest)


def _of_block(block: Block) -> Iterator[Item]:
    for word in block.unit.reachable(block.words):
        op = block.unit.ops[word.index]
        if op.kind in _WIRES:
            continue
        widths, signs = tuple(x.form.width for x in op.reads), tuple(x.low < 0 for x in op.reads)
        carries = _carries(word, op)
        shared = _shared(widths, signs, op, carries)
        yield Item(block.name, op.kind, word.form.width, carries, shared, widths, signs, op.numbers, len(block.places))


def _carries(word: Word, op: Op) -> int:
    """The length of the chain: places below a summand that starts higher are copied, unless they are negated."""
    width = word.form.width
    if op.kind in ("sum", "minus"):
        shift_a, shift_b = op.numbers
        return max(width - (shift_b if op.kind == "minus" else max(shift_a, shift_b)), 0)
    if op.kind == "looked_up":
        return width - op.numbers[0]
    if op.kind == "plus":
        (value,) = op.numbers
        return max(width - ((value & -value).bit_length() - 1), 0)
    if op.kind == "less":
        return width
    if op.kind in COMPARISONS:
        return max(x.form.width + (x.low >= 0) for x in op.reads)
    return 0


def _shared(widths: tuple[int, ...], signs: tuple[bool, ...], op: Op, carries: int) -> int:
    """The places of both words at which neither is known to be 0."""
    if op.kind in ("plus", "less"):
        return 0
    if op.kind == "looked_up":
        return max(op.numbers[1:]).bit_length()
    if op.kind != "sum" or any(signs):
        return carries
    tops = [width + shift for width, shift in zip(widths, op.numbers, strict=True)]
    return max(min(tops) - max(op.numbers), 0)
