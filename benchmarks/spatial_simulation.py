"""Clock cycles a second of the jets' MLP in spatial Verilog under Verilator, and what compiling it takes.

A C++ program drives the ports without pauses and compares every result with the interpreter's, code for code.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from common import Row, arguments, publish
from emulated import MLPS
from emulation import HERE

from flow.errors import DataError
from flow.exporters.verilog.spatial import export_spatial
from flow.exporters.writer import write_tree
from flow.formats import FixedPoint
from flow.ir import Graph, interpret
from flow.tools import run, verilator_environment

SAMPLES = 10_000
TIMEOUT = 1800.0


def packed(codes: np.ndarray, form: FixedPoint) -> bytes:
    """int64[N, K] as the port has them: K words of the format's width, the first lowest, in whole bytes."""
    bits = (codes[:, :, None] >> np.arange(form.width)) & 1
    return np.packbits(bits.reshape(len(codes), -1).astype(np.uint8), axis=1, bitorder="little").tobytes()


def children() -> float:
    """Seconds that finished child processes have computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def built(graph: Graph, folder: Path, depth: int, optimise: str) -> dict[str, float]:
    """The program in `folder`, with its samples; seconds it took to compile."""
    codes = np.random.default_rng(0).integers(
        graph.input.format.low, graph.input.format.high, (SAMPLES, *graph.input.shape), endpoint=True
    )
    (expected,) = interpret(graph, codes)
    sides = {"IN": (codes, graph.input.format), "OUT": (expected, graph.values[graph.outputs[0]].format)}
    data = {side: packed(values.reshape(SAMPLES, -1), form) for side, (values, form) in sides.items()}
    write_tree(folder, {"beats.bin": data["IN"], "expected.bin": data["OUT"], **export_spatial(graph, depth)})
    flags = "-march=native " + " ".join(f"-D{side}_BYTES={len(text) // SAMPLES}" for side, text in data.items())
    environment = {**verilator_environment(), "MAKEFLAGS": f"OPT_FAST={optimise} CFG_CXXFLAGS_PCH_I=-include"}
    options = ["--cc", "--exe", "--build", "--build-jobs", "2", "--top-module", f"{graph.name}_top", "--prefix", "Vtop"]
    start, before = time.perf_counter(), children()
    run(
        ["verilator", *options, "-CFLAGS", flags, "-f", "filelist.f", HERE / "harness.cpp"],
        cwd=folder, env=environment, timeout=TIMEOUT,
    )  # fmt: skip
    return {"wall": time.perf_counter() - start, "cpu": children() - before}


def rows(case: str, graph: Graph, depth: int, optimise: str, rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="flow-") as name:
        took = built(graph, Path(name), depth, optimise)
        found = json.loads(run([Path(name) / "obj_dir" / "Vtop", str(rounds)], cwd=Path(name), timeout=TIMEOUT))
    if found["wrong"] or found["results"] != SAMPLES * rounds:
        raise DataError(
            f"{graph.name!r} differs from the interpreter in {found['wrong']} of {found['results']} results."
        )
    print(f"{case}: {found['results']} results over {found['cycles']} cycles are the interpreter's")
    named = f"{case}, depth {depth}"
    made = [Row(named, f"compiling, {clock}", seconds, "s") for clock, seconds in took.items()]
    speeds = {"wall": found["cycles"] / found["seconds"], "cpu": found["cycles"] / found["cpu"]}
    return made + [Row(named, f"running, {clock}", speed / 1e6, "M cycles/s") for clock, speed in speeds.items()]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--cases", nargs="*", default=list(MLPS)[:2], choices=list(MLPS))
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--optimise", default="-O2", help="what g++ compiles the model with")
    parser.add_argument("--rounds", type=int, default=20, help=f"of {SAMPLES} samples")
    given = parser.parse_args()
    found = [row for case in given.cases for row in rows(case, MLPS[case](), given.depth, given.optimise, given.rounds)]
    publish("Simulation of the jets' MLP", found, ["verilator", "qfx-flow"], given.json)


if __name__ == "__main__":
    main()
