"""Rung `netlist`: the same SystemVerilog mapped by Yosys onto 7-series cells, those cells simulated by Verilator.

Xilinx 7 series because Yosys has behavioural models of all its LUTs, carries, flip-flops, distributed RAMs and of
DSP48E1; it has none of block RAM, so a design whose ROMs went there is refused by name.
"""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from flow import synthesis, tools
from flow.errors import SimulationError
from flow.ir import Graph
from flow.simulation.rtl_beats import Project, read_project
from flow.simulation.rtl_verilator import ProgramJob, run_program, verilator_version
from flow.synthesis import Family, Synthesis, synthesise

__all__ = ["FAMILY", "simulate_netlist", "tool"]

FAMILY = Family.XC7

Codes = NDArray[np.int64]

_TEMPLATES = Path(__file__).parent / "rtl_templates"
_BENCH = "flow_netlist_bench"
# Other people's code: Yosys' netlist and cell models are not lint clean, and a warning must not end the run.
_ARGS = ("--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-SPECIFYIGN", "-Wno-INITIALDLY")
_PATIENCE = 20
_GRACE_CYCLES = 10_000


def tool() -> str:
    """Names and versions of what runs, and the cells it runs on."""
    cells = f"{FAMILY.value} (LUTs; DSP48E1 where the export allows DSPs)"
    return f"{synthesis.tool()} mapped to {cells}, {verilator_version()}"


def _bench_text(project: Project, beats: int, seed: int) -> str:
    source = project.streams[project.input]
    samples = beats // source.beats
    ports = [
        {
            "prefix": prefix,
            "tdata": 8 * project.streams[name].beat_bytes,
            "beats": samples * project.streams[name].beats,
        }
        for name, prefix in project.outputs.items()
    ]
    context: dict[str, Any] = {
        "top": project.top,
        "tdata": 8 * source.beat_bytes,
        "beats": beats,
        "beats_per_sample": source.beats,
        "outputs": ports,
        "seed": 2463534242 ^ seed,  # xorshift must not start at zero
        "timeout_cycles": _PATIENCE * project.ii_cycles * samples + _GRACE_CYCLES,
    }
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  # SystemVerilog, not HTML; all names are identifiers
    )
    return environment.get_template("netlist_bench.sv.j2").render(context)


def _mapped(project: Project) -> Synthesis:
    mapped = synthesise(project.sources, project.top, FAMILY, netlist=True)
    if mapped.area.bram:
        raise SimulationError(
            f"The netlist of {project.top!r} holds {mapped.area.bram:g} block RAMs, for which Yosys has no behavioural "
            "model; fold the layers less, so that their ROMs are shorter, or leave the rung netlist out."
        )
    return mapped


def _read_output(path: Path) -> list[int]:
    return [int(line, 16) for line in path.read_text().split()]


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
        SimulationError: no or another design in the folder, beats missing, or cells without a model.
        ToolError: Yosys or Verilator failed, or a stream is stuck.
    """
    design = read_project(graph, project)
    beats = design.input_beats(codes)
    netlist = _mapped(design).netlist or ""
    cells = tools.package_folder("pyosys") / "share" / "xilinx" / "cells_sim.v"
    sources = {
        "netlist.vlt": (_TEMPLATES / "netlist.vlt").read_text(),
        "cells_sim.v": cells.read_text(),
        "netlist.v": netlist,
        "bench.sv": _bench_text(design, len(beats), seed),
    }
    hexadecimal = "".join(f"{beat:x}\n" for beat in beats)
    job = ProgramJob(sources, _BENCH, {"beats.hex": hexadecimal}, _ARGS, seed)
    with nullcontext(str(scratch)) if scratch else tempfile.TemporaryDirectory(prefix="flow_netlist_") as folder:
        place = run_program(job, Path(folder))
        moved = {name: _read_output(place / f"{prefix}.hex") for name, prefix in design.outputs.items()}
    return {name: design.codes(name, beats, len(codes)) for name, beats in moved.items()}
