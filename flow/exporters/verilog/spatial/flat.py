"""A spatial design as synthesis sees it once it has flattened the hierarchy: what nothing reads is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flow.exporters.verilog.spatial.blocks import Block
from flow.exporters.verilog.spatial.design import Spatial
from flow.exporters.verilog.spatial.live import Bits, live_bits, widest
from flow.exporters.verilog.spatial.moves import Move
from flow.exporters.verilog.spatial.positions import Position, positions_of
from flow.exporters.verilog.spatial.words import Unit, Word

__all__ = ["Flat", "Part", "flattened"]


@dataclass(frozen=True, slots=True)
class Part:
    """A block without its hierarchy.

    Attributes:
        block: with its registers.
        unit: the operations of all its positions.
        positions: which of the unit's words each of them has.
        words: that something behind the block reads.
        live: by the index of a word on which those depend the bits that are read.
    """

    block: Block
    unit: Unit
    positions: Sequence[Position]
    words: Sequence[Word]
    live: Mapping[int, Bits]


@dataclass(frozen=True, slots=True)
class Flat:
    """A design.

    Attributes:
        plan: of it.
        parts: its blocks, in order.
        read: by value, by the place of a code, the bits that are read.
    """

    plan: Spatial
    parts: Sequence[Part]
    read: Mapping[str, Mapping[int, Bits]]

    def bits(self, name: str) -> int:
        """Bits of a value that are read."""
        return sum(high - low for low, high in self.read.get(name, {}).values())


def flattened(plan: Spatial) -> Flat:
    """From the outputs back to the input."""
    values = plan.graph.values
    read: dict[str, dict[int, Bits]] = {}
    for name in plan.graph.outputs:
        read[name] = dict.fromkeys(range(values[name].size), (0, values[name].format.width))
    parts = []
    for part in reversed(plan.parts):
        wanted = read.get(part.name, {})
        if isinstance(part, Block):
            parts.append(_flat(part, wanted))
        found = _of_move(part, wanted) if isinstance(part, Move) else _of_block(plan, parts[-1])
        for name, place, bits in found:
            places = read.setdefault(name, {})
            places[place] = widest(places.get(place, bits), bits)
    return Flat(plan, parts[::-1], read)


def _flat(block: Block, wanted: Mapping[int, Bits]) -> Part:
    unit, positions = positions_of(block)
    outputs: dict[int, Bits] = {}
    for made, places in zip(positions, block.places, strict=True):
        for word, place in zip(block.words, places, strict=True):
            if place in wanted and not unit.is_constant(made[word.index]):
                index, (low, high) = made[word.index].index, wanted[place]
                bits = low, min(high, made[word.index].form.width)
                outputs[index] = widest(outputs.get(index, bits), bits)
    return Part(block, unit, positions, [unit.words[index] for index in outputs], live_bits(unit, outputs))


def _of_move(move: Move, wanted: Mapping[int, Bits]) -> Iterator[tuple[str, int, Bits]]:
    """Values, places and bits that a move reads."""
    for place, (low, high) in wanted.items():
        source = move.sources[place]
        if source is not None:
            lift = move.lifts[source[0]]
            yield move.reads[source[0]], source[1], (max(low - lift, 0), max(high - lift, 0))


def _of_block(plan: Spatial, part: Part) -> Iterator[tuple[str, int, Bits]]:
    """Values, places and bits that a block reads."""
    values, block = plan.graph.values, part.block
    owners, first = dict[int, tuple[str, int]](), 0
    for name in block.reads:
        lane = values[name].format.width if block.taps is None else 1  # windows are told by places, buses by bits
        owners |= {first + place * lane: (name, place) for place in range(values[name].size)}
        first += lane * values[name].size
    for index, bits in part.live.items():
        op = part.unit.ops[index]
        if op.kind == "input" and bits[1] > bits[0]:
            yield *owners[op.numbers[0]], bits
