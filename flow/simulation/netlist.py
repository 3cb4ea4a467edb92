"""Rung `netlist`: the same SystemVerilog mapped by Yosys onto 7-series cells, those cells simulated by Verilator.

The hierarchy is dissolved, as where area is counted, unless one module stands there so often that mapping every
instance anew would take Yosys hours: a position of a large convolution as shifts and additions.

Xilinx 7 series because Yosys has behavioural models of all its LUTs, carries, flip-flops, distributed RAMs and of
DSP48E1. It has none of block RAM, so memories that would go there are mapped to LUTs here, which changes no code.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flow import synthesis, tools
from flow.ir import Graph
from flow.simulation.rtl_beats import read_project
from flow.simulation.rtl_program import BENCH, TEMPLATES, Pauses, bench_text, plusargs, read_streams, top_text
from flow.simulation.rtl_verilator import ProgramJob, run_program, verilator_version
from flow.synthesis import Family, synthesise

__all__ = ["FAMILY", "cell_models", "simulate_netlist", "tool"]

FAMILY = Family.XC7

Codes = NDArray[np.int64]

_LUT = re.compile(r"^module LUT[1-6]\(.*?^endmodule$", re.MULTILINE | re.DOTALL)

# Other people's code: Yosys' netlist and cell models are not lint clean, and a warning must not end the run.
_ARGS = ("--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-SPECIFYIGN", "-Wno-INITIALDLY")
# Characters of a netlist whose C++, 20 MB, is compiled as one file: its headers once, not once and twice precompiled.
_IN_ONE_FILE = 3_000_000
_MOST_FLAT = 16  # instances of a module


def tool() -> str:
    """Names and versions of what runs, and the cells it runs on."""
    cells = f"{FAMILY.value} (LUTs, memories among them; DSP48E1 where the export allows DSPs)"
    return f"{synthesis.tool()} mapped to {cells}, {verilator_version()}"


def cell_models() -> str:
    """Yosys' models of the cells, its LUTs replaced by those of `luts.v`, which are equal and quicker to build."""
    models = (tools.package_folder("pyosys") / "share" / "xilinx" / "cells_sim.v").read_text()
    return _LUT.sub("", models) + (TEMPLATES / "luts.v").read_text()


def simulate_netlist(
    graph: Graph, project: Path, codes: Codes, *, seed: int = 0, scratch: Path | None = None
) -> dict[str, Codes]:
    """The outputs of the mapped netlist, with pauses at the input and all outputs.

    Args:
        graph: the design.
        project: the folder that `export_verilog` filled.
        codes: int64[N, *shape] input codes.
        seed: of the pauses.
        scratch: where to work; a temporary folder by default.

    Returns:
        int64[N, *shape] by name of every output; nothing else has a name left in a netlist.

    Raises:
        DataError: codes that the input does not take.
        SimulationError: no or another design in the folder, or beats missing.
        ToolError: Yosys or Verilator failed, or a stream is stuck.
    """
    design = read_project(graph, project)
    beats = design.input_beats(codes)
    flatten = design.instances <= _MOST_FLAT
    netlist = synthesise(design.sources, design.top, FAMILY, flatten=flatten, bram=False, netlist=True).netlist or ""
    sources = {
        "netlist.vlt": (TEMPLATES / "netlist.vlt").read_text(),
        "cells_sim.v": cell_models(),
        "netlist.v": netlist,
        "bench.sv": bench_text(design, len(codes), inner=False),
        "top.sv": top_text([design]),
    }
    hexadecimal = "".join(f"{beat:x}\n" for beat in beats)
    given = plusargs(Pauses.SOME, seed)
    in_parts = len(netlist) > _IN_ONE_FILE
    job = ProgramJob(sources, BENCH, {"beats.hex": hexadecimal}, _ARGS, seed, in_parts=in_parts, plusargs=given)
    with nullcontext(str(scratch)) if scratch else tempfile.TemporaryDirectory(prefix="flow_netlist_") as folder:
        return read_streams(design, run_program(job, Path(folder)), len(codes), inner=False).codes
