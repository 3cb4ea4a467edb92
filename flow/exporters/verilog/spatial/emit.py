"""A unit's words as SystemVerilog: declarations, assignments, and registers where its pipeline is cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flow.exporters.verilog.spatial.dsp import constant_of, signed_bits
from flow.exporters.verilog.spatial.words import Op, Unit, Word
from flow.formats import trailing_zeros

__all__ = ["Emitted", "emit"]

_ALONE = 2  # words that a DSP reads which makes one product: its factor, and what is added
_CHOSEN = 6  # bits of an address, up to which a table is written as choices: a LUT for each bit of an entry


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


def _width(word: Word) -> int:
    return word.form.width


def _literal(value: int, width: int) -> str:
    return f"{width}'h{value & ((1 << width) - 1):x}"


def _joined(word: Word, high: str, low: str, copied: int) -> str:
    """The places above `copied` from one expression, those below from another."""
    return f"{{{high}, {copied}'({low})}}"


def _sum(word: Word, op: Op, names: Sequence[str]) -> str:
    """The places below the higher shift are those of the other summand, which synthesis sees by itself."""
    (a, b), (shift_a, shift), below = names, op.numbers, op.reads[0]
    if shift_a > shift:
        (a, b), shift, below = (b, a), shift_a, op.reads[1]
    if _width(below) <= shift:
        return _carried(_width(word), a, b, shift, "+")
    return _chained(_width(word), a, b, shift)


def _chained(width: int, a: str, b: str, shift: int) -> str:
    """`a + (b << shift)` on a carry chain of its own.

    A sum that reads another one as it stands becomes a tree of compressors in Yosys, two LUTs a place instead of one.
    Inverted twice it is no such sum to Yosys, which then costs nothing, and the same sum to Verilator.
    """
    moved = f"({width}'({b}) <<< {shift})" if shift else f"{width}'({b})"
    return f"~~({width}'({a}) + {moved})"


def _minus(word: Word, op: Op, names: Sequence[str]) -> str:
    (a, b), (shift_a, shift_b), width = names, op.numbers, _width(word)
    return _carried(width, a, b, shift_b, "-") if not shift_a else f"({width}'({a}) <<< {shift_a}) - {width}'({b})"


def _carried(width: int, a: str, b: str, shift: int, sign: str) -> str:
    """`a` plus or minus `b << shift`: the places below the shift are those of `a`."""
    upper = width - shift
    if not shift or upper < 1:
        return f"{width}'({a}) {sign} ({width}'({b}) <<< {shift})" if shift else f"{width}'({a}) {sign} {width}'({b})"
    return f"{{{upper}'({a} >>> {shift}) {sign} {upper}'({b}), {shift}'({a})}}"


def _plus(word: Word, op: Op, names: Sequence[str]) -> str:
    (value,), width = op.numbers, _width(word)
    copied = trailing_zeros(value)
    if not 0 < copied < width:
        return f"{width}'({names[0]}) + {_literal(value, width)}"
    upper = width - copied
    return f"{{{upper}'({names[0]} >>> {copied}) + {_literal(value >> copied, upper)}, {copied}'({names[0]})}}"


def _less(word: Word, op: Op, names: Sequence[str]) -> str:
    width = _width(word)
    return f"{_literal(op.numbers[0], width)} - {width}'({names[0]})"


def _raised(word: Word, op: Op, names: Sequence[str]) -> str:
    width, (x,) = _width(op.reads[0]), names
    upper = f"~{x}[{width - 1}]"
    raised = f"{{{upper}, {x}[{width - 2}:0]}}" if width > 1 else upper
    return raised if _width(word) == width else f"{_width(word)}'({raised})"


def _inverted(word: Word, op: Op, names: Sequence[str]) -> str:
    return f"{_width(word)}'(~{names[0]})"  # Yosys reads ~8'(x) as a cast to ~8 bits


def _relu(word: Word, op: Op, names: Sequence[str]) -> str:
    top, width = _width(op.reads[0]) - 1, _width(word)
    return f"{names[0]}[{top}] ? '0 : {width}'({names[0]})"


def _saturated(word: Word, op: Op, names: Sequence[str]) -> str:
    """Ends of powers of two are seen in the bits above the result."""
    (low, high), (x,), (source,), width = op.numbers, names, op.reads, _width(word)
    bits, top = high.bit_length(), _width(source) - 1
    if low < 0:
        same = f"{x}[{top}:{bits}] == {{{top - bits + 1}{{{x}[{top}]}}}}"
        return f"({same}) ? {width}'({x}) : {{{x}[{top}], {{{bits}{{~{x}[{top}]}}}}}}"
    negative = f"{x}[{top}] ? '0 : " if source.low < 0 else ""
    above = top - 1 if source.low < 0 else top
    beyond = f"|{x}[{above}:{bits}] ? '1 : " if source.high > high else ""
    return f"{negative}{beyond}{width}'({x})"


def _larger(word: Word, op: Op, names: Sequence[str]) -> str:
    width = _width(word)
    return f"({_above(word, op, names)}) ? {width}'({names[0]}) : {width}'({names[1]})"


def _above(word: Word, op: Op, names: Sequence[str]) -> str:
    """Both in one signed word."""
    width = max(_width(w) + (w.low >= 0) for w in op.reads)
    a, b = (f"$signed({width}'({name}))" for name in names)
    return f"{a} > {b}"


def _chosen(word: Word, op: Op, names: Sequence[str]) -> str:
    width = _width(word)
    return f"{names[0]} ? {width}'({names[1]}) : {width}'({names[2]})"


def _bits(word: Word, op: Op, names: Sequence[str]) -> str:
    picked = [f"{name}[{place}]" for name, place in zip(names, op.numbers, strict=True)]
    return f"{{{', '.join(reversed(picked))}}}"


_TEXTS: dict[str, Callable[[Word, Op, Sequence[str]], str]] = {
    "input": lambda word, op, names: f"data_i[{op.numbers[0]}+:{_width(word)}]",
    "lift": lambda word, op, names: f"{{{_width(op.reads[0])}'({names[0]}), {op.numbers[0]}'b0}}",
    "constant": lambda word, op, names: _literal(op.numbers[0], _width(word)),
    "plus": _plus,
    "less": _less,
    "sum": _sum,
    "minus": _minus,
    "raised": _raised,
    "inverted": _inverted,
    "relu": _relu,
    "floor": lambda word, op, names: f"{_width(word)}'({names[0]} >>> {op.numbers[0]})",
    "part": lambda word, op, names: f"{_width(word)}'({names[0]} >>> {op.numbers[0]})",
    "saturated": _saturated,
    "wrapped": lambda word, op, names: f"{op.numbers[0]}'({names[0]})",
    "larger": _larger,
    "above": _above,
    "bits": _bits,
    "chosen": _chosen,
    "shifted": lambda word, op, names: f"{_width(word)}'({names[0]} >> {names[1]})",
}


def _instance(cell: str, parameters: dict[str, int], name: str, ports: dict[str, str]) -> str:
    given, wired = (", ".join(f".{key}({value})" for key, value in entries.items()) for entries in (parameters, ports))
    return f"{cell} #({given}) {name} ({wired});"


def _part(word: Word, name: str, cell: str, width: int) -> tuple[list[str], str]:
    """What a cell's output of `width` bits is joined to where the word may have fewer: lines, and the net."""
    if width == _width(word):
        return [], name
    whole = f"{name}_{cell}"
    return [f"logic [{width - 1}:0] {whole};", f"assign {name} = {_width(word)}'({whole});"], whole


def _cell(word: Word, op: Op, names: Sequence[str], name: str) -> list[str]:
    """The cast, for the modes that are not written out."""
    (x,) = op.reads
    keys = ("Shift", "OutWidth", "OutSigned", "Rounding", "Overflow")
    parameters = {"InWidth": _width(x), "InSigned": int(x.low < 0), **dict(zip(keys, op.numbers, strict=True))}
    lines, result = _part(word, name, "cast", parameters["OutWidth"])
    return [
        *lines[:1],
        _instance("flow_requantize", parameters, f"u_{name}", {"data_i": names[0], "data_o": result}),
        *lines[1:],
    ]


def _times(word: Word, op: Op, names: Sequence[str], name: str) -> list[str]:
    (a, b), width = op.reads, sum(_width(x) for x in op.reads)
    lines, product = _part(word, name, "product", width)
    parameters = {"AWidth": _width(a), "BWidth": _width(b), "ASigned": int(a.low < 0), "BSigned": int(b.low < 0)}
    ports = {"a_i": names[0], "b_i": names[1], "p_o": product}
    return [*lines[:1], _instance("flow_mul_array", parameters, f"u_{name}", ports), *lines[1:]]


def _multiplied(word: Word, op: Op, names: Sequence[str], name: str) -> list[str]:
    """A product with a long constant and a sum, as wide as both, of which one DSP is made."""
    x, count = op.reads[0], len(op.reads) - 1
    factors, places, lifts = (op.numbers[i : i + count] for i in range(0, len(op.numbers), count))
    constant = constant_of(factors, places)
    long, short = signed_bits(constant), _width(x)
    width = max(_width(word), long + short)
    sizes = [end - place for place, end in zip(places, [*places[1:], width], strict=True)]
    added = [_lifted(name, size, lift) for name, size, lift in zip(names[1:], sizes, lifts, strict=True)]
    parameters = {"AWidth": long, "BWidth": short, "ASigned": 1, "BSigned": 0}
    ports = {"a_i": _literal(constant, long), "b_i": names[0], "p_o": f"{name}_product"}
    return [
        f"logic signed [{long + short - 1}:0] {name}_product;",
        f"logic [{width - 1}:0] {name}_sum;",
        _instance("flow_mul_dsp", parameters, f"u_{name}", ports),
        f"assign {name}_sum = {{{', '.join(reversed(added))}}} + {width}'({name}_product);",
        f"assign {name} = {_width(word)}'({name}_sum);",
    ]


def _lifted(name: str, size: int, lift: int) -> str:
    """A word in so many bits, and what is added above it."""
    bits = lift.bit_length() - 1
    return f"{size - bits}'d1, {bits}'({name})" if lift else f"{size}'({name})"


def _minifloat(word: Word, op: Op, names: Sequence[str], name: str) -> list[str]:
    """To the nearest code, and what that stands for."""
    (x,), (drop, exponent, mantissa, signed, rounding, highest) = op.reads, op.numbers
    fields = {"Exponent": exponent, "Mantissa": mantissa, "Signed": signed}
    into = {"InWidth": _width(x), "InSigned": int(x.low < 0), "Shift": drop, **fields, "Rounding": rounding}
    code, (lines, number) = f"{name}_code", _part(word, name, "number", (1 << exponent) + mantissa - 1 + signed)
    encoder = {"data_i": names[0], "code_o": code}
    return [
        f"logic [{exponent + mantissa + signed - 1}:0] {code};",
        *lines[:1],
        _instance("flow_minifloat_encode", {**into, "Highest": highest}, f"u_{name}_encode", encoder),
        _instance("flow_minifloat_decode", fields, f"u_{name}_decode", {"code_i": code, "data_o": number}),
        *lines[1:],
    ]


def _entry(word: Word, op: Op, names: Sequence[str], name: str) -> list[str]:
    """The entry that the code points at: a choice between few of them, or a place in all of them side by side."""
    (x,), width, entries = op.reads, _width(word), list(op.numbers)
    address = max(1, (len(entries) - 1).bit_length())
    place = f"{address}'({names[0]})" + (f" - {_literal(x.low, address)}" if x.low else "")
    lines = [f"logic [{address - 1}:0] {name}_at;", f"assign {name}_at = {place};"]
    if address <= _CHOSEN:
        entries += [entries[-1]] * ((1 << address) - len(entries))
        return [*lines, f"assign {name} = {_selected(f'{name}_at', entries, width)};"]
    held = ", ".join(_literal(entry, width) for entry in reversed(entries))
    return [
        *lines,
        f"localparam logic [{len(entries) * width - 1}:0] {name}_entries = {{{held}}};",
        f"assign {name} = {name}_entries[{name}_at*{width}+:{width}];",
    ]


def _looked_up(word: Word, op: Op, names: Sequence[str], name: str) -> list[str]:
    """A chain of carries whose LUTs hold the table, which is so only where the sum so far feeds the carries.

    Yosys feeds them from the shorter summand, else from the first. So the table is as long as the sum: its highest
    place is a zero that only the mapping to LUTs sees, and takes nothing.
    """
    (x, address), (shift, *entries) = names, op.numbers
    width, bits = _width(word) - shift, max(entries).bit_length()
    table = _selected(address, entries, bits)
    if bits < width:
        zero = f"{address}[0] & {address}[1] & ~{address}[0]" if len(entries) > 2 else "1'd0"
        zeros = f"{width - bits - 1}'d0, " if width - bits > 1 else ""
        table = f"{{{zero}, {zeros}{table}}}"
    return [
        f"logic [{width - 1}:0] {name}_entry;",
        f"assign {name}_entry = {table};",
        f"assign {name} = {_chained(_width(word), x, f'{name}_entry', shift)};",
    ]


def _selected(address: str, entries: Sequence[int], bits: int) -> str:
    """The entry at an address, as choices between two: Yosys takes an indexed constant for a memory, and moves the
    registers of its address behind it.
    """
    if len(set(entries)) == 1:
        return _literal(entries[0], bits)
    half = len(entries) // 2
    low, high = (_selected(address, part, bits) for part in (entries[:half], entries[half:]))
    return f"({address}[{half.bit_length() - 1}] ? {high} : {low})"


# What takes more than one assignment.
_LINES: dict[str, Callable[[Word, Op, Sequence[str], str], list[str]]] = {
    "cell": _cell,
    "entry": _entry,
    "looked_up": _looked_up,
    "times": _times,
    "multiplied": _multiplied,
    "minifloat": _minifloat,
}


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
        if op.kind in _LINES:
            self.assignments += _LINES[op.kind](word, op, reads, name)
            return
        text = _TEXTS[op.kind](word, op, reads)
        self.assignments.append(f"assign {name} = {text};")

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
    sign, width = ("signed " if word.low < 0 else ""), _width(word)
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
        (source,), name, width = self.unit.ops[word.index].reads, f"w{word.index}", _width(word)
        x, top = self.module.name(source, self.module.last), _width(source) - 1
        kept, over = f"{name}_kept", f"{name}_over"
        if kept not in self.registers:
            self.declarations += [f"logic [{width - 1}:0] {kept};", f"logic {over};"]
            self.registers[kept] = f"{x}[{top}] ? '0 : {width}'({x})"
            self.registers[over] = f"{x}[{top}] ? '0 : |{x}[{top - 1}:{width}]"
        return f"{over} ? {_literal(-1, width)} : {kept}"


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
