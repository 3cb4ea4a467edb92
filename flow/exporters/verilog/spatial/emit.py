"""A unit's words as SystemVerilog: declarations, assignments, and registers where its pipeline is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flow.exporters.verilog.spatial.statements import literal, statements
from flow.exporters.verilog.spatial.words import Op, Unit, Word

__all__ = ["Emitted", "emit"]

_ALONE = 2  # words that a DSP reads which makes one product: its factor, and what is added


@dataclass(frozen=True, slots=True)
class Emitted:
    """The body of a module.

    Attributes:
        declarations: one for each word and register.
        assignments: what each word is, in order.
        registers: (target, source) of registers inside.
        kept: (word, first, last cycle) for which registers hold a word, those of the outputs included; counted from
            the cycle in which the inputs are there.
        absorbed: (word, cycle) of those registers that a DSP48E1 has of its own.
        split: words at the output that are cut off at both ends, see `_Ends`.
        outputs: expressions of the codes, as wide as the output bus has them, first code first.
        cycles: from input to the registered output.
    """

    declarations: tuple[str, ...]
    assignments: tuple[str, ...]
    registers: tuple[tuple[str, str], ...]
    kept: tuple[tuple[Word, int, int], ...]
    absorbed: tuple[tuple[Word, int], ...]
    split: tuple[Word, ...]
    outputs: tuple[str, ...]
    cycles: int


class _Module:
    """One unit on its way to text: which stage each word is made in, and which registers carry it on."""

    def __init__(self, unit: Unit, outputs: Sequence[Word], depth: int) -> None:
        self.unit, self.depth = unit, depth
        self.words = unit.reachable(outputs)
        self.last = max((self.stage(word) for word in outputs), default=0)
        self.delays: dict[int, int] = {}
        self.readers: dict[tuple[int, int], list[int]] = {}
        self.assignments: list[str] = []

    def stage(self, word: Word) -> int:
        """Registers that lie between the unit's inputs and the word; 0 cuts nothing."""
        return max(word.level - 1, 0) // self.depth if self.depth else 0

    def name(self, word: Word, stage: int, own: int = 0) -> str:
        """The word as it is known at a stage, to what has so many registers of its own for it."""
        if self.unit.ops[word.index].kind == "constant":
            return f"w{word.index}"
        late = stage - self.stage(word)
        self.readers.setdefault((word.index, late), []).append(own)
        self.delays[word.index] = max(self.delays.get(word.index, 0), late)
        return f"w{word.index}_{late}" if late else f"w{word.index}"

    def write(self, word: Word) -> None:
        """The assignment of a word."""
        op, name = self.unit.ops[word.index], f"w{word.index}"
        owns = [_own_registers(op, number) for number in range(len(op.reads))]
        reads = [self.name(source, self.stage(word), own) for source, own in zip(op.reads, owns, strict=True)]
        self.assignments += statements(word, op, reads, name)

    def absorbed(self) -> list[tuple[Word, int]]:
        """Registers in DSPs: the last ones before a factor or a summand, and the first one behind a sum."""
        found = []
        for index, latest in self.delays.items():
            word, own = self.unit.words[index], 2
            for late in range(latest, 0, -1):
                own = min([own, *self.readers.get((index, late), [])])
                if own > latest - late:
                    found.append((word, self.stage(word) + late))
            if latest and self._is_sum_of_dsp(word) and (index, 0) not in self.readers:
                found.append((word, self.stage(word) + 1))
        return list(dict.fromkeys(found))

    def _is_sum_of_dsp(self, word: Word) -> bool:
        """Whether it is all that a DSP makes."""
        op = self.unit.ops[word.index]
        return op.kind == "part" and len(self.unit.ops[op.reads[0].index].reads) == _ALONE


def _own_registers(op: Op, number: int) -> int:
    """How many registers for a word that it reads a DSP48E1 has: two of a factor, one of a summand in one piece."""
    if op.kind != "multiplied":
        return 0
    return 2 if number == 0 else int(len(op.reads) == _ALONE and not op.numbers[-1])


def _declared(word: Word, name: str) -> str:
    sign, width = ("signed " if word.low < 0 else ""), word.form.width
    return f"logic {sign}[{width - 1}:0] {name};"


def _is_split(unit: Unit, word: Word) -> bool:
    """Whether it is cut off at zero below and at all ones above."""
    op = unit.ops[word.index]
    if op.kind != "saturated":
        return False
    (low, high), (source,) = op.numbers, op.reads
    return low == 0 and source.low < 0 and source.high > high


class _Ends:
    """The last registers of a unit.

    A word that is cut off at both ends takes two: below zero the first is reset, beyond all ones the second is set.
    A flip-flop has a pin for either, where a LUT for each bit would stand before one that takes both at once. The
    other words wait for it.
    """

    def __init__(self, module: _Module, outputs: Sequence[Word]) -> None:
        self.module, self.unit = module, module.unit
        self.late = int(any(_is_split(self.unit, word) for word in outputs))
        self.declarations: list[str] = []
        self.registers: dict[str, str] = {}
        self.texts = [self._split(word) if _is_split(self.unit, word) else self._plain(word) for word in outputs]

    def _plain(self, word: Word) -> str:
        return self.module.name(word, self.module.last + self.late)

    def _split(self, word: Word) -> str:
        (source,), name, width = self.unit.ops[word.index].reads, f"w{word.index}", word.form.width
        x, top = self.module.name(source, self.module.last), source.form.width - 1
        kept, over = f"{name}_kept", f"{name}_over"
        if kept not in self.registers:
            self.declarations += [f"logic [{width - 1}:0] {kept};", f"logic {over};"]
            self.registers[kept] = f"{x}[{top}] ? '0 : {width}'({x})"
            self.registers[over] = f"{x}[{top}] ? '0 : |{x}[{top - 1}:{width}]"
        return f"{over} ? {literal(-1, width)} : {kept}"


def emit(unit: Unit, outputs: Sequence[Word], lane: int, depth: int = 0) -> Emitted:
    """The unit as text.

    Args:
        unit: its operations.
        outputs: the words of the output bus, first code first.
        lane: bits a code on the output bus.
        depth: carry chains between two registers; 0 for none but those at the output.
    """
    needed = [unit.ops[word.index].reads[0] if _is_split(unit, word) else word for word in outputs]
    module = _Module(unit, needed, depth)
    for word in module.words:
        module.write(word)
    ends = _Ends(module, outputs)
    declarations, registers = [], []
    for word in module.words:
        names = [f"w{word.index}", *(f"w{word.index}_{d + 1}" for d in range(module.delays.get(word.index, 0)))]
        declarations += [_declared(word, name) for name in names]
        registers += list(zip(names[1:], names[:-1], strict=True))
    cycles = module.last + 1 + ends.late
    split = [word for word in dict.fromkeys(outputs) if _is_split(unit, word)]
    delayed = [(unit.words[index], late) for index, late in module.delays.items()]
    kept = [(word, module.stage(word) + 1, module.stage(word) + late) for word, late in delayed]
    kept += [(word, cycles - (word in split), cycles) for word in dict.fromkeys(outputs) if not unit.is_constant(word)]
    return Emitted(
        declarations=(*declarations, *ends.declarations),
        assignments=tuple(module.assignments),
        registers=(*registers, *ends.registers.items()),
        kept=tuple(kept),
        absorbed=tuple(module.absorbed()),
        split=tuple(split),
        outputs=tuple(f"{lane}'({text})" for text in ends.texts),
        cycles=cycles,
    )
