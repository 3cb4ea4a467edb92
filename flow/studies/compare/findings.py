"""The page of findings: a pure function of `compare.json`, every number and every verdict computed from its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flow.studies.compare.accuracy_tables import apart, approximate, same_bits, scopes
from flow.studies.compare.area_tables import area_table, families, identity, khot, lmul, shared, won
from flow.studies.compare.claims import anchor_lines, pareto
from flow.studies.compare.coverage import areas_held, trials_held
from flow.studies.compare.evidence import Row, Rows

__all__ = ["findings"]


def _section(title: str, lines: Iterator[str] | str) -> str:
    text = lines if isinstance(lines, str) else "".join(lines)
    return f"\n## {title}\n\n{text.lstrip()}" if text else ""


_INTRODUCTION = """# Minifloat against integer: findings

Written by `flow compare` from the measured rows; every number here is computed from them.

Tool: {tool}, {date}; the recipe of each target stands in `compare.json`. Areas are LUT places: LUT6 on Xilinx, LUT4
on ECP5, where a carry cell is two places. Yosys neither pairs LUT5s in one LUT6 nor adds three numbers in one carry
chain, on either side; a sum that is left to it becomes a compressor, which took more LUTs. Both operands of a product
have the format, signed. A MAC has an accumulator that holds 1,024 products exactly; a dot product is a tree of carry
chains, and `and back` rounds the sum to the format again, saturating. Formats of six and seven exponent bits are
measured as products and MACs only: their sums have hundreds of bits. The sum of a block stands beside its scale: to
add blocks of different scales is in no figure. Each unit was measured in several forms, and the smallest counts:
products of integers by Booth rows on carry chains or by table, in sums also two products that share their rows;
minifloats by the same array over the significands or by table. Signs of minifloats and of sign-magnitude integers go
through the adders as additions or subtractions, so that no product is negated. `--full` measures more forms, the array
mapped by itself among them, which took fewer LUTs for some minifloats on ECP5. Nothing is pipelined. Where DSPs are
allowed a product has one DSP or none, but in `2 x 2 dot-8`, four dot products of two vectors by two, where products
share DSPs. Yosys puts the adder behind a product into the DSP of xc7, and not into that of xcup or ecp5: for sums in
DSPs xc7 tells.
"""


def _words(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".svg").replace("_", " ")


def findings(content: Row, plots: Sequence[str] = ()) -> str:
    """Markdown of `compare.json`; `plots` are names of pictures to show."""
    held = Rows(content)
    pages = [_INTRODUCTION.format(tool=content["tool"], date=content["date"])]
    pages.append(_section("What was measured", areas_held(held) + "".join(trials_held(held))))
    pages.append(_section("What the published ranges say", anchor_lines(held)))
    pages.append(_section("Which formats are worth their area", pareto(held)))
    pages.append("".join(f"\n![{_words(name)}]({name})\n" for name in plots))
    pages.append(_section("At equal bits", same_bits(held)))
    pages.append(_section("Weights alone, activations alone", apart(held)))
    pages.append(_section("One exponent bit is sign and magnitude", identity(held)))
    pages.append(_section("L-Mul", "".join([*lmul(held), *approximate(held)])))
    pages.append(_section("K-hot weights that are no constants", khot(held)))
    pages.append(_section("Several products in a DSP", shared(held)))
    pages.append(_section("Which form won", won(held)))
    pages.append(_section("The two families of LUT6", families(held)))
    for family, with_dsp in held.targets():
        place = f"{family}, {'DSPs allowed' if with_dsp else 'LUTs only'}"
        kinds = ("integer", "sign_magnitude", "minifloat", "block", "lmul", "khot")
        pages.append(_section(f"Area on {place}", area_table(held, family, with_dsp, kinds)))
    pages.append(_section("Test accuracy in percent", scopes(held)))
    return "".join(page for page in pages if page)
