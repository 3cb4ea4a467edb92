"""Rung `rtl`: the exported SystemVerilog under Verilator, driven over AXI-Stream by cocotb with random pauses."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import SimulationError
from flow.ir import Graph
from flow.simulation.rtl_beats import Project, StreamRun, read_project
from flow.simulation.rtl_program import stream_program
from flow.simulation.rtl_verilator import CocotbJob, run_cocotb, verilator_version

__all__ = ["StreamRun", "run_streams", "simulate_rtl", "tool"]

Codes = NDArray[np.int64]

_BENCH = Path(__file__).parent / "cocotb_bench"
_PAUSE = 0.2
# A design that takes this many times its predicted cycles is stuck.
_PATIENCE = 20
_GRACE_CYCLES = 10_000
# What cocotb runs in about ten seconds with a monitor on every stream.
_COCOTB_CYCLES = 30_000


def tool() -> str:
    """Names and versions of what runs."""
    return f"{verilator_version()}, cocotb {version('cocotb')}, cocotbext-axi {version('cocotbext-axi')}"


def _axis_signals(prefix: str) -> list[str]:
    return [f"{prefix}_{signal}" for signal in ("tdata", "tvalid", "tready")]


def _monitors(project: Project) -> dict[str, list[str]]:
    inner = {
        f"node {name}": [f"{stream.signal}_{signal}" for signal in ("data", "valid", "ready")]
        for name, stream in project.streams.items()
    }
    ports = {prefix: _axis_signals(prefix) for prefix in ("s_axis", *project.outputs.values())}
    return {**inner, **ports}


def _frames(project: Project, codes: Codes) -> list[str]:
    """One AXI-Stream frame a sample, as hexadecimal bytes."""
    stream, beats = project.streams[project.input], project.input_beats(codes)
    words = [beat.to_bytes(stream.beat_bytes, "little").hex() for beat in beats]
    return ["".join(words[i : i + stream.beats]) for i in range(0, len(words), stream.beats)]


def _job(project: Project, codes: Codes, pause: float, seed: int) -> CocotbJob:
    bench = {
        "outputs": list(project.outputs.values()),
        "monitors": _monitors(project),
        "beats": {f"node {name}": len(codes) * stream.beats for name, stream in project.streams.items()},
        "frames": _frames(project, codes),
        "pause": pause,
        "seed": seed,
        "timeout_cycles": _PATIENCE * (project.ii_cycles * len(codes) + project.latency_cycles) + _GRACE_CYCLES,
        "result": "result.json",
    }
    return CocotbJob(
        sources=project.sources,
        top=project.top,
        module="stream_bench",
        python_path=(_BENCH,),
        files={"bench.json": json.dumps(bench)},
        environment={"FLOW_BENCH": "bench.json"},
        seed=seed,
    )


def _collect(project: Project, seen: dict[str, Any], samples: int) -> StreamRun:
    if seen["frame_error"]:
        raise SimulationError(f"Design {project.top!r} saw TLAST on a wrong beat; export the design again.")
    beats: dict[str, list[tuple[int, int]]] = seen["beats"]
    codes = {
        name: project.codes(name, [data for _, data in beats[f"node {name}"]], samples) for name in project.streams
    }
    for name, prefix in project.outputs.items():
        # What left the design, not only what its last stage said.
        codes[name] = project.codes(name, [data for _, data in beats[prefix]], samples)
    cycles = {name.removeprefix("node "): [cycle for cycle, _ in moved] for name, moved in beats.items()}
    return StreamRun(codes, cycles)


def run_streams(
    graph: Graph, project: Path, codes: Codes, *, pause: float = _PAUSE, seed: int = 0, scratch: Path | None = None
) -> StreamRun:
    """Run a streaming design and note every beat of every stream.

    Args:
        graph: the design.
        project: the folder that `export_verilog` filled.
        codes: int64[N, *shape] input codes.
        pause: share of cycles in which the source holds back data, and each sink its ready; 0 for none.
        seed: of the pauses and of the registers before reset.
        scratch: where to build; a build of the same sources there is used again. A temporary folder by default.

    Raises:
        DataError: codes that the input does not take.
        SimulationError: no or another design in the folder, or beats missing.
        ToolError: Verilator rejects the sources, or a stream is stuck.
    """
    design = read_project(graph, project)
    job = _job(design, codes, pause, seed)
    with nullcontext(str(scratch)) if scratch else tempfile.TemporaryDirectory(prefix="flow_rtl_") as folder:
        written = run_cocotb(job, Path(folder)) / "result.json"
        return _collect(design, json.loads(written.read_text()), len(codes))


def simulate_rtl(
    graph: Graph,
    project: Path,
    codes: Codes,
    *,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    scratch: Path | None = None,
) -> dict[str, Codes]:
    """Every node's codes from the exported SystemVerilog, with random pauses at the input and all outputs.

    Samples that would take cocotb long run under a testbench made into a program.

    Args:
        graph: the design.
        project: the folder that `export_verilog` filled.
        codes: int64[N, *shape] input codes.
        seed: of the pauses.
        progress: told in words what starts.
        scratch: where to build, as in `run_streams`.

    Returns:
        int64[N, *shape] by node name, for every node that an output depends on.

    Raises:
        DataError, SimulationError, ToolError: as `run_streams`.
    """
    if progress is not None:
        progress(f"building {graph.name} with Verilator and streaming {len(codes)} samples")
    design = read_project(graph, project)
    first = max(1, _COCOTB_CYCLES // design.ii_cycles)
    shown = run_streams(graph, project, codes[:first], seed=seed, scratch=scratch).codes
    if len(codes) <= first:
        return shown
    with tempfile.TemporaryDirectory(prefix="flow_rtl_") as folder:
        rest = stream_program(design, codes[first:], seed, Path(folder)).codes
    return {name: np.concatenate([shown[name], rest[name]]) for name in shown}
