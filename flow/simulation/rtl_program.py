"""A streaming design under a testbench in SystemVerilog made into a program: a hundred times the pace of cocotb.

It pauses at random as cocotb's side does, and writes what moved to one file per stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from flow.exporters.writer import Files
from flow.simulation.rtl_beats import Project, StreamRun
from flow.simulation.rtl_verilator import ProgramJob, run_program

__all__ = [
    "BENCH",
    "TEMPLATES",
    "Pauses",
    "bench_text",
    "plusargs",
    "read_streams",
    "stream_program",
    "stream_programs",
    "top_text",
]

Codes = NDArray[np.int64]

TEMPLATES = Path(__file__).parent / "rtl_templates"
BENCH = "flow_program_bench"  # the module at the top
_PATIENCE = 20
_GRACE_CYCLES = 10_000


class Pauses(Enum):
    """How often the sender and the receivers of a testbench pause; the values are its options."""

    NONE = "+steady"
    SOME = "+some"  # a quarter of the cycles
    LONG = "+harsh"  # three quarters at the input, fifteen sixteenths at every output


def plusargs(pauses: Pauses, seed: int) -> tuple[str, ...]:
    """What a program is told of its pauses."""
    return pauses.value, f"+pauses={seed}"


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  # SystemVerilog, not HTML; all names are identifiers
    )


def _render(name: str, context: Mapping[str, Any]) -> str:
    return _templates().get_template(name).render(context)


def _bench(project: Project) -> str:
    return f"{project.top}_bench"


def top_text(projects: Sequence[Project]) -> str:
    """The module that runs the testbenches of some designs, whose tops differ, side by side."""
    return _render("program_top.sv.j2", {"top": BENCH, "benches": [_bench(project) for project in projects]})


def bench_text(project: Project, samples: int, inner: bool, files: str = "") -> str:
    """The testbench of one design.

    Args:
        project: the design.
        samples: that it sends.
        inner: whether to watch the streams within the design too, which a netlist has no names for.
        files: what the names of its files start with.
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
        "bench": _bench(project),
        "files": files,
        "top": project.top,
        "tdata": 8 * source.beat_bytes,
        "beats": samples * source.beats,
        "beats_per_sample": source.beats,
        "outputs": ports,
        "watched": watched,
        "timeout_cycles": _PATIENCE * (project.ii_cycles * samples + project.latency_cycles) + _GRACE_CYCLES,
    }
    return _render("program_bench.sv.j2", context)


def _moved(path: Path) -> tuple[list[int], list[int]]:
    """Beats and cycles in a file of the testbench."""
    words = path.read_text().split()
    return [int(word, 16) for word in words[::2]], [int(word) for word in words[1::2]]


def read_streams(project: Project, place: Path, samples: int, *, inner: bool, files: str = "") -> StreamRun:
    """What the testbench wrote.

    Args:
        project: the design.
        place: where it ran.
        samples: that it sent.
        inner: whether it watched the streams within the design.
        files: what the names of its files start with.

    Raises:
        SimulationError: beats are missing.
    """
    streams = project.streams if inner else {}
    stems = {name: f"stream_{stream.signal}" for name, stream in streams.items()}
    stems |= {prefix: prefix for prefix in ("s_axis", *project.outputs.values())}
    moved = {name: _moved(place / f"{files}{stem}.hex") for name, stem in stems.items()}
    shown = {**{name: name for name in streams}, **project.outputs}  # what left, not only what the last stage said
    codes = {name: project.codes(name, moved[port][0], samples) for name, port in shown.items()}
    return StreamRun(codes, {name: cycles for name, (_, cycles) in moved.items()})


def stream_program(
    project: Project,
    codes: Codes,
    seed: int,
    scratch: Path,
    *,
    pauses: Pauses = Pauses.SOME,
    runs_long: bool = True,
) -> StreamRun:
    """What moves on every stream of the exported SystemVerilog.

    Args:
        project: the design.
        codes: int64[N, *shape] input codes.
        seed: of the pauses and of the registers before reset.
        scratch: where to build; a build of the same sources there is used again.
        pauses: how often both sides pause.
        runs_long: whether running takes longer than compiling.

    Raises:
        DataError, SimulationError, ToolError: as `run_streams`.
    """
    (found,) = stream_programs([project], [codes], seed, scratch, pauses=pauses, runs_long=runs_long)
    return found


def stream_programs(
    projects: Sequence[Project],
    codes: Sequence[Codes],
    seed: int,
    scratch: Path,
    *,
    pauses: Pauses = Pauses.SOME,
    runs_long: bool = False,
) -> list[StreamRun]:
    """As `stream_program` for several designs, whose tops differ, in one program: most of a small one is common."""
    sources: dict[str, str] = {}
    files: Files = {}
    for project, inputs in zip(projects, codes, strict=True):
        stem = f"{project.top}_"
        sources |= project.sources
        sources[f"{_bench(project)}.sv"] = bench_text(project, len(inputs), inner=True, files=stem)
        files[f"{stem}beats.hex"] = "".join(f"{beat:x}\n" for beat in project.input_beats(inputs))
    sources["bench.sv"] = top_text(projects)
    given = plusargs(pauses, seed)
    job = ProgramJob(sources, BENCH, files, ("--no-timing",), seed, runs_long=runs_long, plusargs=given)
    place = run_program(job, scratch)
    pairs = zip(projects, codes, strict=True)
    return [read_streams(each, place, len(inputs), inner=True, files=f"{each.top}_") for each, inputs in pairs]
