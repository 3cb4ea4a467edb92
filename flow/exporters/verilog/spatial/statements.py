"""What one operation is in SystemVerilog: an expression, or a cell and what joins it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flow.exporters.verilog.spatial.dsp import constant_of, signed_bits
from flow.exporters.verilog.spatial.words import Op, Word
from flow.formats import trailing_zeros

__all__ = ["literal", "statements"]

_CHOSEN = 6  # bits of an address, up to which a table is written as choices: a LUT for each bit of an entry


def _width(word: Word) -> int:
    return word.form.width


def literal(value: int, width: int) -> str:
    """A constant of so many bits, its low ones where the value has more."""
    return f"{width}'h{value & ((1 << width) - 1):x}"


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
    Inverted twice it is no such sum to Yosys, which then costs nothing, and the same sum to Verilator. In Verilog no
    sign stands before another without parentheses.
    """
    moved = f"({width}'({b}) <<< {shift})" if shift else f"{width}'({b})"
    return f"~(~({width}'({a}) + {moved}))"


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
        return f"{width}'({names[0]}) + {literal(value, width)}"
    upper = width - copied
    return f"{{{upper}'({names[0]} >>> {copied}) + {literal(value >> copied, upper)}, {copied}'({names[0]})}}"


def _less(word: Word, op: Op, names: Sequence[str]) -> str:
    width = _width(word)
    return f"{literal(op.numbers[0], width)} - {width}'({names[0]})"


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


def _moved_down(word: Word, op: Op, names: Sequence[str]) -> str:
    return f"{_width(word)}'({names[0]} >>> {op.numbers[0]})"


_TEXTS: dict[str, Callable[[Word, Op, Sequence[str]], str]] = {
    "input": lambda word, op, names: f"data_i[{op.numbers[0]}+:{_width(word)}]",
    "lift": lambda word, op, names: f"{{{_width(op.reads[0])}'({names[0]}), {op.numbers[0]}'b0}}",
    "constant": lambda word, op, names: literal(op.numbers[0], _width(word)),
    "plus": _plus,
    "less": _less,
    "sum": _sum,
    "minus": _minus,
    "raised": _raised,
    "inverted": _inverted,
    "relu": _relu,
    "floor": _moved_down,
    "part": _moved_down,
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
    ports = {"a_i": literal(constant, long), "b_i": names[0], "p_o": f"{name}_product"}
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
    place = f"{address}'({names[0]})" + (f" - {literal(x.low, address)}" if x.low else "")
    lines = [f"logic [{address - 1}:0] {name}_at;", f"assign {name}_at = {place};"]
    if address <= _CHOSEN:
        entries += [entries[-1]] * ((1 << address) - len(entries))
        return [*lines, f"assign {name} = {_selected(f'{name}_at', entries, width)};"]
    held = ", ".join(literal(entry, width) for entry in reversed(entries))
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
        return literal(entries[0], bits)
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


def statements(word: Word, op: Op, names: Sequence[str], name: str) -> list[str]:
    """The lines that make a word.

    Args:
        word: what is made.
        op: how.
        names: of the words that it reads.
        name: of the word, which is declared.
    """
    if op.kind in _LINES:
        return _LINES[op.kind](word, op, names, name)
    return [f"assign {name} = {_TEXTS[op.kind](word, op, names)};"]
