"""Where a spatial design holds data, as synthesis leaves it: no bits that are constant, copied or never read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flow.exporters.verilog.spatial.cut import code_bits
from flow.exporters.verilog.spatial.design import Spatial
from flow.exporters.verilog.spatial.flat import Flat, Part
from flow.exporters.verilog.spatial.live import copied_summand, moved_by
from flow.exporters.verilog.spatial.words import Op, Unit, Word
from flow.formats import trailing_zeros

__all__ = ["Registers", "absorbed_bits", "inverted_bits", "registers", "skid_bits"]


@dataclass(frozen=True, slots=True)
class Registers:
    """Flip-flops that hold data.

    Attributes:
        blocks: bits by block, its pipeline and its outputs, all instances.
        waits: bits by value that waits for a later one it is joined with, or for a later output.
        ports: a word at the input, and two in the skid buffer.
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


def registers(flat: Flat) -> Registers:
    """Where data is held."""
    plan = flat.plan
    blocks = {part.block.name: _held(part) for part in flat.parts}
    waits = {name: _waited(plan, name, cycles) * flat.bits(name) for name, cycles in plan.held().items()}
    ports = flat.bits(plan.graph.input.name) + 2 * skid_bits(flat)
    return Registers(blocks, {name: bits for name, bits in waits.items() if bits}, ports, plan.latest - 1)


def _waited(plan: Spatial, name: str, cycles: int) -> int:
    """Of the cycles for which a value is held, those outside of the skid buffer."""
    return cycles - plan.crosses(name, plan.times[name] + cycles)


def skid_bits(flat: Flat) -> int:
    """Bits of the samples where they pass the skid buffer, as far as they are read and not constant."""
    plan = flat.plan
    crossing = [name for name, cycles in plan.held().items() if plan.crosses(name, plan.times[name] + cycles)]
    return sum(
        max(min(high, code_bits(*plan.ranges[name][place])) - low, 0)
        for name in crossing for place, (low, high) in flat.read[name].items()
    )  # fmt: skip


def inverted_bits(part: Part) -> int:
    """Bits that are inverted on their way into a register, a LUT each; elsewhere an inversion takes none."""
    kept = {made[word.index] for made in part.positions for word, first, last in part.block.body.kept if first <= last}
    found = [word for word in kept if part.unit.ops[word.index].kind == "inverted"]
    return sum(high - low for low, high in (part.live.get(word.index, (0, 0)) for word in found))


def absorbed_bits(part: Part) -> int:
    """Bits of a block's registers for which a DSP48E1 has its own, so that synthesis makes no others."""
    inside = set(part.block.body.absorbed)
    held = {(word, cycle) for word, first, last in part.block.body.kept for cycle in range(first, last + 1)}
    return len(_bits(part, inside) - _bits(part, held - inside))


def _bits(part: Part, held: Iterable[tuple[Word, int]]) -> set[tuple[tuple[int, int], int]]:
    """What is held when, by where it is made."""
    return {(wire, cycle) for word, cycle in held
            for wire in _wires(part.unit, word, *part.live.get(word.index, (0, 0)))}  # fmt: skip


def _held(part: Part) -> int:
    """Bits of a block's registers, equal ones counted once; a word that is cut off at both ends takes one more."""
    held = {(made[word.index], cycle) for made in part.positions
            for word, first, last in part.block.body.kept for cycle in range(first, last + 1)}  # fmt: skip
    words = [made[word.index] for made in part.positions for word in part.block.body.split]
    return len(_bits(part, held)) + sum(word.index in part.live for word in words)


def _wires(unit: Unit, word: Word, low: int, high: int) -> Iterable[tuple[int, int]]:
    """Where some bits of a word are made."""
    found = (_wire(unit, word, place) for place in range(low, high))
    return (wire for wire in found if wire is not None)


def _wire(unit: Unit, word: Word, place: int) -> tuple[int, int] | None:
    """The word and the place where a bit is made; None of a bit that is 0 or 1 for good."""
    while (source := _source(unit.ops[word.index], place)) is not None:
        word, place = source
        if place < 0 or (place >= word.form.width and word.low >= 0):
            return None
        place = min(place, word.form.width - 1)
    return None if unit.is_constant(word) else (word.index, place)


def _source(op: Op, place: int) -> tuple[Word, int] | None:
    """The word and the place that a bit is copied from; None where the operation makes it."""
    if op.kind == "bits":
        return op.reads[place], op.numbers[place]
    moved = moved_by(op)
    if moved is not None:
        return op.reads[0], place + moved
    if op.kind in ("sum", "minus") and place < max(op.numbers):
        copied = copied_summand(op)
        return None if copied is None else (copied, place)
    if op.kind == "looked_up" and place < op.numbers[0]:
        return op.reads[0], place
    if op.kind == "plus" and place < trailing_zeros(op.numbers[0]):
        return op.reads[0], place
    return None
