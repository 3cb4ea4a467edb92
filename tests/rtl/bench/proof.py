"""Proof by Yosys' SAT solver that a cell, as Yosys reads it, equals a table of what it should give, or a formula."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flow.estimation.characterise import rtl_sources
from flow.exporters.writer import write_tree
from flow.tools import python, run
from tests.rtl.bench.exhaustive import Case, Cell

_CODE = "from pyosys import libyosys as y; y.run_pass('script run.ys', y.Design())"


def _ports(cell: Cell) -> str:
    inputs = "".join(f"input logic [{width - 1}:0] {name}, " for name, width in cell.inputs.items())
    return f"{inputs}output logic [{cell.output[1] - 1}:0] {cell.output[0]}"


def _gate(number: int, cell: Cell) -> str:
    parameters = ", ".join(f".{name}({value})" for name, value in cell.parameters.items())
    ports = ", ".join(f".{name}({name})" for name in (*cell.inputs, cell.output[0]))
    return f"module gate{number} ({_ports(cell)});\n  {cell.module} #({parameters}) u_cell ({ports});\nendmodule\n"


def _gold(number: int, cell: Cell, values: NDArray[np.int64]) -> str:
    name, width = cell.output
    lines = "".join(f"      {code}: {name} = {width}'h{int(value):x};\n" for code, value in enumerate(values))
    return (
        f"module gold{number} ({_ports(cell)});\n  always_comb\n    case ({{{', '.join(cell.inputs)}}})\n{lines}"
        f"      default: {name} = '0;\n    endcase\nendmodule\n"
    )


def proved(cases: Sequence[Case], scratch: Path) -> int:
    """How many cells were proved equal to their values.

    Raises:
        ToolError: one is not; the message ends with an input that shows it.
    """
    assert all(len(values) == 1 << cell.bits for cell, values in cases)
    return equivalent(
        [
            (_gate(number, cell), _gold(number, cell, values % (1 << cell.output[1])))
            for number, (cell, values) in enumerate(cases)
        ],
        scratch,
    )


def equivalent(pairs: Sequence[tuple[str, str]], scratch: Path) -> int:
    """How many pairs of modules, `gate0` and `gold0` and so on, were proved equal.

    Raises:
        ToolError: one is not; the message ends with an input that shows it.
    """
    sources, script = rtl_sources(), ""
    files = " ".join(sources)
    for number, (gate, gold) in enumerate(pairs):
        sources[f"gate{number}.sv"], sources[f"gold{number}.sv"] = gate, gold
        script += (
            f"read_verilog -sv -defer {files} gate{number}.sv\nhierarchy -check -top gate{number}\nproc\nflatten\n"
            f"read_verilog -sv gold{number}.sv\nproc -norom\nopt\n"
            f"miter -equiv -flatten gold{number} gate{number} miter\n"
            "sat -verify -prove trigger 0 miter\ndesign -reset\n"
        )
    write_tree(scratch / "proof", {**sources, "run.ys": script})
    said = run(python("-c", _CODE), cwd=scratch / "proof")
    return len(re.findall("no model found: SUCCESS!", said))
