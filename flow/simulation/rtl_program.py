"""A streaming design under a testbench in SystemVerilog made into a program: a hundred times the pace of cocotb.

It pauses at random as cocotb's side does, and writes what moved to one file per stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from flow.simulation.rtl_beats import Project
from flow.simulation.rtl_verilator import ProgramJob, run_program

__all__ = ["BENCH", "TEMPLATES", "bench_text", "read_streams", "stream_program"]

Codes = NDArray[np.int64]

TEMPLATES = Path(__file__).parent / "rtl_templates"
BENCH = "flow_program_bench"
_PATIENCE = 20
_GRACE_CYCLES = 10_000


def bench_text(project: Project, samples: int, seed: int, inner: bool) -> str:
    """The testbench.

    Args:
        project: the design.
        samples: that it sends.
        seed: of the pauses.
        inner: whether to watch the streams within the design too, which a netlist has no names for.
    """
    source = project.streams[project.input]
    ports = [
        {
            "prefix": prefix,
            "tdata": 8 * project.streams[name].beat_bytes,
            "beats": samples * project.streams[name].beats,
        }
        for name, prefix in project.outputs.items()
    ]
    watched = [
        {"signal": stream.signal, "beats": samples * stream.beats} for stream in project.streams.values() if inner
    ]
    context: dict[str, Any] = {
        "top": project.top,
        "tdata": 8 * source.beat_bytes,
        "beats": samples * source.beats,
        "beats_per_sample": source.beats,
        "outputs": ports,
        "watched": watched,
        "seed": 2463534242 ^ seed,  # xorshift must not start at zero
        "timeout_cycles": _PATIENCE * project.ii_cycles * samples + _GRACE_CYCLES,
    }
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  # SystemVerilog, not HTML; all names are identifiers
    )
    return environment.get_template("program_bench.sv.j2").render(context)


def read_streams(project: Project, place: Path, files: Mapping[str, str], samples: int) -> dict[str, Codes]:
    """What the testbench wrote, as int64[samples, *shape] by name.

    Args:
        project: the design.
        place: where it ran.
        files: stem of the file of each node's stream, by the node's name.
        samples: that it sent.

    Raises:
        SimulationError: beats are missing.
    """
    moved = {name: (place / f"{stem}.hex").read_text().split() for name, stem in files.items()}
    return {name: project.codes(name, [int(beat, 16) for beat in beats], samples) for name, beats in moved.items()}


def stream_program(project: Project, codes: Codes, seed: int, scratch: Path) -> dict[str, Codes]:
    """Every node's codes from the exported SystemVerilog.

    Args:
        project: the design.
        codes: int64[N, *shape] input codes.
        seed: of the pauses and of the registers before reset.
        scratch: where to build.

    Returns:
        int64[N, *shape] by node name; an output's are those that left the design.

    Raises:
        DataError, SimulationError, ToolError: as `run_streams`.
    """
    beats = project.input_beats(codes)
    sources = {**project.sources, "bench.sv": bench_text(project, len(codes), seed, inner=True)}
    files = {"beats.hex": "".join(f"{beat:x}\n" for beat in beats)}
    place = run_program(ProgramJob(sources, BENCH, files, ("--no-timing",), seed, runs_long=True), scratch)
    inner = {name: f"stream_{stream.signal}" for name, stream in project.streams.items()}
    return read_streams(project, place, {**inner, **project.outputs}, len(codes))
