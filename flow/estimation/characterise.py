"""Measure the cells of `rtl/` over their parameters: the data behind every coefficient of the estimate.

`python -m flow.estimation.characterise` writes `flow/estimation/data/cells.json`. Every case is a copy of the cell
with other default parameters, kept whole in one large design, so that one run of the recipe measures a whole sweep
and no logic moves between the cases.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from flow.errors import ToolError
from flow.estimation.rom import rom_shape
from flow.estimation.sweeps import EITHER, ROMS, SWEEPS
from flow.exporters.verilog import export_verilog, make_plan
from flow.exporters.verilog.layer import layer_context
from flow.exporters.writer import write_file
from flow.formats import FixedPoint
from flow.ir import Dense, Graph, Input, Tensor
from flow.resources import folder
from flow.synthesis import Area, Family, Synthesis, recipe, synthesise, tool

__all__ = [
    "DATA",
    "Case",
    "cell_digest",
    "characterise",
    "measure_cases",
    "read_cells",
    "rtl_sources",
    "synthesise_whole",
]

DATA = Path(__file__).parent / "data" / "cells.json"
_PACKAGE = "flow_pkg.sv"


@dataclass(frozen=True, slots=True)
class Case:
    """A cell of `rtl/` with parameters that differ from its defaults."""

    cell: str
    parameters: Mapping[str, int]


def rtl_sources() -> dict[str, str]:
    """Every file of `rtl/`, the package first."""
    names = sorted((path.name for path in folder("rtl").glob("*.sv")), key=lambda name: (name != _PACKAGE, name))
    return {name: (folder("rtl") / name).read_text(encoding="utf-8") for name in names}


def cell_digest(cell: str, sources: Mapping[str, str]) -> str:
    """A hash of the cell and of every cell it instantiates, so that stale data is noticed."""
    seen: dict[str, str] = {}
    pending = [f"{cell}.sv"]
    while pending:
        name = pending.pop()
        if name in sources and name not in seen:
            seen[name] = " ".join(re.sub(r"//[^\n]*", "", sources[name]).split())
            pending += [f"{word}.sv" for word in re.findall(r"\bflow_\w+", seen[name])]
    return hashlib.sha256("".join(seen[name] for name in sorted(seen)).encode()).hexdigest()[:16]


def _copy(case: Case, name: str, sources: Mapping[str, str]) -> str:
    """The text of the cell under another name and with other defaults."""
    text, found = re.subn(rf"\bmodule {case.cell}\b", f"module {name}", sources[f"{case.cell}.sv"])
    for key, value in case.parameters.items():
        text, count = re.subn(rf"(parameter int {key} = )[^,\n]*", rf"\g<1>{value}", text)
        found = min(found, count)
    if found != 1:
        raise ToolError(f"Cell {case.cell!r} does not have all the parameters {dict(case.parameters)}; see its header.")
    return text


def synthesise_whole(modules: Mapping[str, str], family: Family, sources: Mapping[str, str]) -> Synthesis:
    """One run of the recipe over modules that all stay whole, so that each has an area of its own.

    Args:
        modules: text by module name.
        family: what they are mapped to.
        sources: what they instantiate, packages first.
    """
    instances = "".join(f"  (* keep *) {name} u_{name} ();\n" for name in modules)
    top = {"cases.sv": f"module cases;\n{instances}endmodule\n"}
    files = {f"{name}.sv": text for name, text in modules.items()}
    return synthesise({**sources, **files, **top}, "cases", family, keep=tuple(modules))


def measure_cases(cases: Sequence[Case], family: Family) -> list[Area]:
    """The area of every case, out of context, from one run of the recipe."""
    sources = rtl_sources()
    copies = {f"case_{index}": _copy(case, f"case_{index}", sources) for index, case in enumerate(cases)}
    areas = synthesise_whole(copies, family, sources).module_areas
    return [areas[name] for name in copies]


def _row(cell: str, family: Family, parameters: Mapping[str, int], area: Area) -> dict[str, Any]:
    used = {key: getattr(area, key) for key in ("lut", "ff", "dsp", "bram")}
    return {"cell": cell, "family": family.value, **parameters, **used}


def _cell_rows(family: Family) -> list[dict[str, Any]]:
    chosen = {cell: sweep for cell, sweep in SWEEPS.items() if cell not in EITHER or family is Family.XCUP}
    cases = [Case(cell, parameters) for cell, sweep in chosen.items() for parameters in sweep(family)]
    areas = measure_cases(cases, family)
    return [_row(case.cell, family, case.parameters, area) for case, area in zip(cases, areas, strict=True)]


def _rom_module(depth: int, lanes: int) -> tuple[str, str, dict[str, int]]:
    """Name, text and shape of a generated ROM of `depth` lines of `lanes` random six-bit weights."""
    rng = np.random.default_rng(depth)
    weight = Tensor(rng.integers(-32, 32, (1, depth * lanes)), FixedPoint.parse("s6.5"))
    source = Input(name="x", shape=(depth * lanes,), format=FixedPoint.parse("u1.0"))
    layer = Dense(name="y", inputs=("x",), weight=weight)
    graph, folding = Graph(f"rom{depth}x{lanes}", (source, layer), ("y",)), {"y": (1, lanes)}
    plan = make_plan(graph, folding)
    rom = layer_context(plan, layer, dsp=False)["weight"]
    module = plan.rom_module("y")
    shape = {"Depth": depth, "Width": rom.width, "Columns": rom_shape(rom.lines, rom.width).columns}
    return module, str(export_verilog(graph, folding)[f"{module}.sv"]), shape


def _rom_rows(family: Family) -> list[dict[str, Any]]:
    made = [_rom_module(depth, lanes) for depth, lanes in ROMS]
    areas = synthesise_whole({module: text for module, text, _ in made}, family, {}).module_areas
    return [_row("rom", family, shape, areas[module]) for module, _, shape in made]


def characterise(families: Sequence[Family] = (Family.XCUP, Family.XC7)) -> dict[str, Any]:
    """Run every sweep on every family; takes minutes."""
    sources = rtl_sources()
    return {
        "tool": tool(),
        "date": datetime.now(UTC).date().isoformat(),
        "recipe": {family.value: list(recipe(family)) for family in families},
        "cells": {cell: cell_digest(cell, sources) for cell in SWEEPS},
        "rows": [row for family in families for rows in (_cell_rows(family), _rom_rows(family)) for row in rows],
    }


def _text(data: Mapping[str, Any]) -> str:
    """JSON with one measured row a line."""
    rows = ",\n".join(f"  {json.dumps(row)}" for row in data["rows"])
    head = json.dumps({key: value for key, value in data.items() if key != "rows"}, indent=1)
    return f'{head.removesuffix("}").rstrip()},\n "rows": [\n{rows}\n ]\n}}\n'


def read_cells() -> dict[str, Any]:
    """The stored measurements."""
    found: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    write_file(target, _text(characterise()))
