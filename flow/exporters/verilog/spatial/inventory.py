"""What a spatial design consists of, as a cost model counts it: every operation with its widths, every register's bits.

Operations of a block that stands for each position of a convolution are listed once, with the number of instances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flow.exporters.verilog.spatial.blocks import Block
from flow.exporters.verilog.spatial.design import Spatial
from flow.exporters.verilog.spatial.places import ADDERS, COMPARISONS, carries, shared

__all__ = ["ADDERS", "CASTS", "COMPARISONS", "Item", "Registers", "inventory", "registers"]

CASTS = ("saturated", "wrapped", "relu", "cell", "minifloat")
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
        places = carries(word, op), shared(word, op)
        yield Item(block.name, op.kind, word.form.width, *places, widths, signs, op.numbers, len(block.places))
