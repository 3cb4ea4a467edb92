"""The units that are measured, as SystemVerilog modules around one form of a product.

A sum of products is a tree of carry chains whose every wire is kept: left to itself Yosys merges the additions into a
compressor, which took 11 to 30 % more LUTs. Signs that stand apart go through the tree as differences: `x0 + x1` with
signs n0, n1 is `r0 + r1` or `r0 - r1` with sign n0, an adder's LUT selects which for nothing, and one negation at the
end is left of one in each product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from flow.formats import BlockFormat, Minifloat
from flow.studies.compare.entries import Entry, Kind
from flow.studies.compare.packed import VECTORS
from flow.studies.compare.products import CELL_EXPONENT, Product, added, length

__all__ = ["HEADROOM", "LANES", "TERMS", "Unit", "accumulator_width", "modules", "units_of"]

TERMS = 1024  # sums that an accumulator holds exactly
LANES = 8  # of the core that dot products are made of
HEADROOM = 2  # binary places by which a sum of full codes saturates when it goes back to the format


class Unit(Enum):
    """What is measured; the values are what `compare.json` says."""

    MULTIPLIER = "mul"
    MAC = "mac"  # with an exact accumulator of TERMS products
    DOT8 = "dot8"
    DOT32 = "dot32"
    DOT8_BACK = "dot8_back"  # with the sum rounded to the format again
    TILE = "tile"  # four dot-8, of two vectors by two, with several products in a DSP


def accumulator_width(low: int, high: int, terms: int) -> int:
    """Bits, sign included, that hold every sum of `terms` products in low..high, and no more.

    >>> accumulator_width(-128 * 127, 128 * 128, 4608), accumulator_width(-36 * 4, 36 * 4, 4608)
    (28, 21)
    """
    return length(terms * low, terms * high)


@dataclass(frozen=True, slots=True)
class _Value:
    """A signal, its bits, whether in two's complement, and its sign's name where that stands apart."""

    name: str
    width: int
    signed: bool
    flag: str = ""

    def wide(self, width: int) -> str:
        """The value in `width` bits."""
        if width == self.width:
            return self.name
        top = f"{self.name}[{self.width - 1}]" if self.signed else "1'b0"
        return f"{{{{{width - self.width}{{{top}}}}}, {self.name}}}"


def _flipped(name: str, value: _Value, width: int) -> str:
    """Declares `name` = the value, with the sign that stands apart where there is one."""
    if not value.flag:
        return f"  logic [{width - 1}:0] {name};\n  assign {name} = {value.wide(width)};\n"
    return added(name, f"{width}'d0", value.wide(width), width, value.flag, keep=False)


def _factor(product: Product, prefix: str) -> _Value:
    return _Value(f"{prefix}_r", product.width, product.signed, f"{prefix}_n" if product.flagged else "")


def _ports(product: Product, lanes: int, outputs: str, clocked: bool = False) -> str:
    a, b = (lanes * bits for bits in product.bits)
    clock = "input logic clk_i, input logic rst_ni, " if clocked else ""
    return f"({clock}input logic [{a - 1}:0] a_i, input logic [{b - 1}:0] b_i, {outputs});\n"


def _multiplier(name: str, product: Product) -> str:
    width = length(product.low, product.high)
    text = f"module {name} {_ports(product, 1, f'output logic [{width - 1}:0] p_o')}"
    text += product.lines("p", "a_i", "b_i")
    factor = _factor(product, "p")
    text += _flipped("y", factor, max(width, factor.width + (not factor.signed)))
    return f"{text}  assign p_o = y[{width - 1}:0];\nendmodule\n"


def _mac(name: str, product: Product) -> str:
    width = accumulator_width(product.low, product.high, TERMS)
    text = f"module {name} {_ports(product, 1, f'output logic [{width - 1}:0] acc_o', clocked=True)}"
    text += product.lines("p", "a_i", "b_i") + f"  logic [{width - 1}:0] acc_q;\n"
    factor = _factor(product, "p")
    text += added("acc_d", "acc_q", factor.wide(width), width, factor.flag, keep=False)
    step = "if (!rst_ni) acc_q <= '0; else acc_q <= acc_d;"
    return f"{text}  always_ff @(posedge clk_i) {step}\n  assign acc_o = acc_q;\nendmodule\n"


def _tile(name: str, product: Product) -> str:
    text = f"module {name} {_ports(product, VECTORS * LANES, f'output logic [{product.width - 1}:0] y_o')}"
    return f"{text}{product.lines('p', 'a_i', 'b_i')}  assign y_o = p_r;\nendmodule\n"


def _tree(values: list[_Value], low: int, high: int, level: str = "s") -> tuple[str, _Value]:
    """Adds the values, of which each has the range low..high with its sign; text and the sum."""
    text, count = "", 1
    while len(values) > 1:
        count *= 2
        bound = max(-low, high)
        ends = (-count * bound, count * bound) if values[0].flag else (count * low, count * high)
        width, level, sums = length(*ends), level + "s", []
        for place, (left, right) in enumerate(zip(values[::2], values[1::2], strict=True)):
            name = f"{level}{place}"
            flag = f"{name}_f" if left.flag else ""
            if flag:
                text += f"  logic {flag};\n  assign {flag} = {left.flag} ^ {right.flag};\n"
            text += added(name, left.wide(width), right.wide(width), width, flag)
            sums.append(_Value(name, width, True, left.flag))
        values = sums
    return text, values[0]


def _cascade(values: list[_Value], low: int, high: int) -> tuple[str, _Value]:
    """One after the other and not kept: each addition goes into the DSP block of the product that it adds."""
    width = length(len(values) * low, len(values) * high)
    text, before = "", values[0].wide(width)
    for place, value in enumerate(values[1:]):
        text += added(f"s{place}", before, value.wide(width), width, "", keep=False)
        before = f"s{place}"
    return text, _Value(before, width, True)


def _core(name: str, product: Product, lanes: int) -> tuple[str, _Value]:
    """A dot product of `lanes`, its sign apart where that of the products is, and the form of its result."""
    text, values = "", []
    for lane in range(lanes // product.lanes):
        p, a, b = f"p{lane}", f"p{lane}_x", f"p{lane}_w"
        for wire, port, bits in ((a, "a_i", product.bits[0]), (b, "b_i", product.bits[1])):
            size = bits * product.lanes
            text += f"  logic [{size - 1}:0] {wire};\n  assign {wire} = {port}[{lane * size}+:{size}];\n"
        text += product.lines(p, a, b)
        values.append(_factor(product, p))
    summed = _cascade if product.cascaded else _tree
    sums, total = summed(values, product.lanes * product.low, product.lanes * product.high)
    outputs = f"output logic [{total.width - 1}:0] r_o, output logic n_o"
    sign = total.flag or "1'b0"
    made = f"module {name} {_ports(product, lanes, outputs)}{text}{sums}"
    return f"{made}  assign r_o = {total.name};\n  assign n_o = {sign};\nendmodule\n", total


def _called(core: str, product: Product, total: _Value, count: int, first: int = 0) -> tuple[str, list[_Value]]:
    """`count` instances of the core side by side from lane `first * LANES` on, and their results."""
    text, values = "", []
    for place in range(first, first + count):
        p = f"c{place}"
        text += f"  logic [{total.width - 1}:0] {p}_r;\n  logic {p}_n;\n"
        ports = [f".{port}({port}[{place * LANES * bits}+:{LANES * bits}])"
                 for port, bits in zip(("a_i", "b_i"), product.bits, strict=True)]  # fmt: skip
        text += f"  {core} u_{p} ({', '.join(ports)}, .r_o({p}_r), .n_o({p}_n));\n"
        values.append(_Value(f"{p}_r", total.width, True, f"{p}_n" if total.flag else ""))
    return text, values


def _dot(name: str, core: str, product: Product, total: _Value, count: int) -> str:
    """`count` cores and the sum of them, its sign in it."""
    text, _ = _summed(core, product, total, count, 0, "y")
    width = accumulator_width(product.low, product.high, LANES * count)
    made = f"module {name} {_ports(product, LANES * count, f'output logic [{width - 1}:0] y_o')}{text}"
    return f"{made}  assign y_o = y[{width - 1}:0];\nendmodule\n"


def _summed(core: str, product: Product, total: _Value, count: int, first: int, name: str) -> tuple[str, int]:
    """Declares `name`, the sum of `count` cores with its sign in it; text and bits."""
    text, values = _called(core, product, total, count, first)
    sums, result = _tree(values, LANES * product.low, LANES * product.high, f"t{first}")
    width = max(accumulator_width(product.low, product.high, LANES * count), result.width)
    return text + sums + _flipped(name, result, width), width


def _blocks(name: str, core: str, block: BlockFormat, product: Product, total: _Value) -> str:
    """32 lanes of a block format: for each block the sum of its elements, and what its two scales come to."""
    scale = block.scale
    count = 4 * LANES // block.block
    text, sums, exponents = "", [], []
    for place in range(count):
        cores = block.block // LANES
        made, width = _summed(core, product, total, cores, place * cores, f"y{place}")
        if isinstance(scale, Minifloat):
            more, exponent, width = _by_minifloat(scale, f"y{place}", width, place)
        else:
            more, exponent, width = _by_power(scale.bits, f"y{place}", width, place)
        text += made + more
        sums.append(f"y{place}_s")
        exponents.append(f"y{place}_e")
    given = f"input logic [{count * scale.bits - 1}:0] x_i, input logic [{count * scale.bits - 1}:0] z_i"
    given += f", output logic [{count * width - 1}:0] y_o, output logic [{count * exponent - 1}:0] e_o"
    head = f"module {name} {_ports(product, 4 * LANES, given)}{text}"
    return f"{head}  assign y_o = {{{', '.join(sums)}}};\n  assign e_o = {{{', '.join(exponents)}}};\nendmodule\n"


def _by_power(bits: int, name: str, width: int, place: int) -> tuple[str, int, int]:
    """Powers of two: their exponents are added beside the sum."""
    slices = f"{bits + 1}'(x_i[{place * bits}+:{bits}]) + {bits + 1}'(z_i[{place * bits}+:{bits}])"
    text = f"  logic [{width - 1}:0] {name}_s;\n  assign {name}_s = {name};\n"
    return f"{text}  logic [{bits}:0] {name}_e;\n  assign {name}_e = {slices};\n", bits + 1, width


def _by_minifloat(scale: Minifloat, name: str, width: int, place: int) -> tuple[str, int, int]:
    """Minifloats: the significands of the scales are multiplied, and the sum by that; exponents are added."""
    m, e = scale.mantissa, scale.exponent
    text = ""
    for side, port in (("x", "x_i"), ("z", "z_i")):
        text += f"  logic [{m}:0] {name}_{side};\n  logic [{e - 1}:0] {name}_{side}s;\n"
        text += f"  flow_minifloat_unpack #(.Exponent({e}), .Mantissa({m}), .Signed(0)) u_{name}_{side} "
        text += f"(.code_i({port}[{place * scale.bits}+:{scale.bits}]), .negative_o(), "
        text += f".significand_o({name}_{side}), .shift_o({name}_{side}s));\n"
    text += f"  logic [{e}:0] {name}_e;\n  assign {name}_e = {e + 1}'({name}_xs) + {e + 1}'({name}_zs);\n"
    text += f"  logic [{2 * m + 1}:0] {name}_f;\n  logic [{width + 2 * m + 1}:0] {name}_s;\n"
    for result, sides, sizes, signed in (("f", ("x", "z"), (m + 1, m + 1), 0), ("s", ("", "f"), (width, 2 * m + 2), 1)):
        left, right = (f"{name}_{side}" if side else name for side in sides)
        text += f"  flow_mul_array #(.AWidth({sizes[0]}), .BWidth({sizes[1]}), .ASigned({signed}), .BSigned(0)) "
        text += f"u_{name}_{result} (.a_i({left}), .b_i({right}), .p_o({name}_{result}));\n"
    return text, e + 1, width + 2 * m + 2


def _rounded_integer(entry: Entry, value: str, width: int) -> str:
    """To nearest, ties up, saturating: the usual cast of flow."""
    shift = max(width - entry.bits - HEADROOM, 0)
    ports = f".data_i({value}), .data_o(y_o)"
    return f"  flow_requantize #(.InWidth({width}), .Shift({shift}), .OutWidth({entry.bits})) u_back ({ports});\n"


def _rounded_minifloat(entry: Entry, total: _Value, value: str, width: int) -> str:
    """To nearest, ties to even, saturating: the usual cast of flow to minifloats; sign and magnitude is e1 here."""
    exponent, mantissa = (entry.exponent, entry.mantissa) if entry.exponent else (1, entry.bits - 2)
    shift = max(width - ((1 << exponent) + mantissa) - HEADROOM, 0)
    given = f".InWidth({width}), .Shift({shift}), .Exponent({exponent}), .Mantissa({mantissa})"
    text = f"  logic [{entry.bits - 1}:0] code;\n"
    text += f"  flow_minifloat_encode #({given}) u_back (.data_i({value}), .code_o(code));\n"
    if not total.flag:
        return f"{text}  assign y_o = code;\n"
    # The magnitude is that of the sum whatever its sign, so that the sign need not be in the sum; zero has none.
    sign = f"(code[{entry.bits - 1}] ^ {total.flag}) & ({value} != '0)"
    return f"{text}  assign y_o = {{{sign}, code[{entry.bits - 2}:0]}};\n"


def _back(name: str, core: str, entry: Entry, product: Product, total: _Value) -> str:
    text, values = _called(core, product, total, 1)
    result, width = values[0], total.width
    text = f"module {name} {_ports(product, LANES, f'output logic [{entry.bits - 1}:0] y_o')}{text}"
    if entry.element in (Kind.INTEGER, Kind.KHOT):
        text += _flipped("y", result, width) + _rounded_integer(entry, "y", width)
    else:
        text += _rounded_minifloat(entry, result, result.name, width)
    return f"{text}endmodule\n"


def modules(entry: Entry, product: Product, units: tuple[Unit, ...], name: str) -> dict[str, str]:
    """Module texts by name: `NAME_UNIT` for each unit that the format has, `NAME_core` for what sums consist of.

    A block format has 32 lanes only: less is not a block.
    """
    found = {}
    for unit, build in _WHOLE.items():
        if unit in units and entry.block is None:
            found[f"{name}_{unit.value}"] = build(f"{name}_{unit.value}", product)
    wanted = [unit for unit in _CORED if unit in units and unit in units_of(entry)]
    if wanted:
        core = f"{name}_core"
        found[core], total = _core(core, product, LANES)
    for unit in wanted:
        text = f"{name}_{unit.value}"
        if entry.block is None:
            found[text] = _CORED[unit](text, core, entry, product, total)
        else:
            found[text] = _blocks(text, core, entry.block, product, total)
    return found


def units_of(entry: Entry) -> tuple[Unit, ...]:
    """The units that a format has: blocks have 32 lanes, and exponents beyond the cell's reach are not rounded to.

    Which formats have a tile depends on the DSP block.
    """
    if entry.block is not None:
        return (Unit.DOT32,)
    none = (Unit.TILE,) if entry.exponent <= CELL_EXPONENT else (Unit.TILE, Unit.DOT8_BACK)
    return tuple(unit for unit in Unit if unit not in none)


_WHOLE = {Unit.MULTIPLIER: _multiplier, Unit.MAC: _mac, Unit.TILE: _tile}
_Make = Callable[[str, str, Entry, Product, _Value], str]
_CORED: dict[Unit, _Make] = {
    Unit.DOT8: lambda name, core, entry, product, total: _dot(name, core, product, total, 1),
    Unit.DOT32: lambda name, core, entry, product, total: _dot(name, core, product, total, 4),
    Unit.DOT8_BACK: _back,
}
