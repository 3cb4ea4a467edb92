"""Clock cycles a second of the jets' MLP under Verilator, spatial and streaming, and what compiling it takes.

A C++ program drives the ports without pauses and compares every result with the interpreter's, code for code; it runs
on every processor at the same time, over the same samples, and the cycles of all are added up.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from common import Row, arguments, children, publish
from emulated import MLPS
from emulation import HERE

from flow.errors import DataError
from flow.exporters.verilog import export_architecture
from flow.exporters.writer import write_file, write_tree
from flow.ir import Graph, interpret
from flow.simulation.rtl_beats import Project, StreamType, read_project
from flow.tools import run, verilator_environment

SAMPLES = 10_000
TIMEOUT = 1800.0
ARCHITECTURES: dict[str, dict[str, Any]] = {"spatial": {"depth": 4}, "stream": {}}


def packed(beats: Sequence[int], stream: StreamType) -> bytes:
    """Beats as the port has them, each in whole bytes, lowest first."""
    return b"".join(beat.to_bytes(stream.beat_bytes, "little") for beat in beats)


def with_samples(graph: Graph, folder: Path) -> Project:
    """The design that lies in `folder`, after its samples and their results have been written beside it."""
    project, form = read_project(graph, folder), graph.input.format
    rng = np.random.default_rng(0)
    codes = rng.integers(form.low, form.high, (SAMPLES, *graph.input.shape), endpoint=True)
    (expected,), result = interpret(graph, codes), project.streams[graph.outputs[0]]
    write_file(folder / "beats.bin", packed(project.input_beats(codes), project.streams[project.input]))
    write_file(folder / "expected.bin", packed(result.to_beats(expected), result))
    return project


def built(graph: Graph, folder: Path, architecture: str, optimise: str) -> tuple[Project, dict[str, float]]:
    """The program in `folder`, with its samples; the design, and seconds that the program took to compile."""
    write_tree(folder, export_architecture(graph, architecture, **ARCHITECTURES[architecture]))
    project = with_samples(graph, folder)
    source, result = project.streams[project.input], project.streams[graph.outputs[0]]
    defined = {
        "IN_BYTES": source.beat_bytes, "OUT_BYTES": result.beat_bytes, "IN_BEATS": source.beats,
        "OUT_BEATS": result.beats, "II_CYCLES": project.ii_cycles, "LATENCY_CYCLES": project.latency_cycles,
    }  # fmt: skip
    flags = "-march=native " + " ".join(f"-D{name}={value}" for name, value in defined.items())
    environment = {**verilator_environment(), "MAKEFLAGS": f"OPT_FAST={optimise} CFG_CXXFLAGS_PCH_I=-include"}
    options = ["--cc", "--exe", "--build", "--build-jobs", "2", "--top-module", project.top, "--prefix", "Vtop"]
    start, before = time.perf_counter(), children()
    run(
        ["verilator", *options, "-CFLAGS", flags, "-f", "filelist.f", HERE / "harness.cpp"],
        cwd=folder, env=environment, timeout=TIMEOUT,
    )  # fmt: skip
    return project, {"wall": time.perf_counter() - start, "cpu": children() - before}


def ran(graph: Graph, folder: Path, rounds: int) -> dict[str, float]:
    """What one run of the program says of itself.

    Raises:
        DataError: a result differs, or is missing.
    """
    found: dict[str, float] = json.loads(run([folder / "obj_dir" / "Vtop", str(rounds)], cwd=folder, timeout=TIMEOUT))
    if found["wrong"] or found["samples"] != SAMPLES * rounds:
        raise DataError(
            f"{graph.name!r} differs from the interpreter in {found['wrong']} beats of {found['samples']} samples."
        )
    return found


def rows(case: str, graph: Graph, architecture: str, given: Namespace) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="flow-") as name:
        project, took = built(graph, Path(name), architecture, given.optimise)
        rounds = math.ceil(given.cycles / (SAMPLES * project.ii_cycles))
        with ThreadPoolExecutor(given.processes) as pool:
            found = list(pool.map(lambda _: ran(graph, Path(name), rounds), range(given.processes)))
    cycles = sum(each["cycles"] for each in found)
    named = f"{case}, {architecture}"
    print(f"{named}: {sum(each['samples'] for each in found)} results over {cycles} cycles are the interpreter's")
    made = [Row(named, f"compiling, {clock}", seconds, "s") for clock, seconds in took.items()]
    speeds = {
        f"running {given.processes} times, wall": cycles / max(each["seconds"] for each in found),
        "running, cpu": cycles / sum(each["cpu"] for each in found),
    }
    return made + [Row(named, what, speed / 1e6, "M cycles/s") for what, speed in speeds.items()]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--cases", nargs="*", default=list(MLPS)[:2], choices=list(MLPS))
    parser.add_argument("--architectures", nargs="*", default=list(ARCHITECTURES), choices=list(ARCHITECTURES))
    parser.add_argument("--optimise", default="-O1", help="what g++ compiles the model with; -O2 makes it slower")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at a time")
    parser.add_argument("--cycles", type=int, default=500_000, help=f"at least, in whole rounds of {SAMPLES} samples")
    given = parser.parse_args()
    found = [
        row
        for case in given.cases
        for architecture in given.architectures
        for row in rows(case, MLPS[case](), architecture, given)
    ]
    publish("Simulation of the jets' MLP", found, ["verilator", "qfx-flow"], given.json)


if __name__ == "__main__":
    main()
