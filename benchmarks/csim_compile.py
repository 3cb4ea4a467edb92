"""What it costs to compile the C simulation of a net: flow's csim in both forms beside hls4ml's own build script.

All projects come from one graph, so all compute the same integers. A folder is new each time, so that nothing is found
compiled; flow's programs are those of the rung csim, which also write every node's codes. The vendor's headers are
found precompiled, as from a user's second compilation on; the first takes a second more.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from common import Row, arguments, children, publish
from emulated import CONVOLUTIONS, MLPS

from flow.exporters.hls import export_hls
from flow.exporters.hls4ml import export_hls4ml
from flow.exporters.writer import Files, write_tree
from flow.ir import Graph
from flow.simulation.csim import compile_program
from flow.tools import run

CASES = {"jet MLP 16-64-32-32-5": MLPS["jets"], "digits_resnet": CONVOLUTIONS["digits_resnet"]}
FLOW = "flow, parallel"
TIMEOUT = 1800.0


def _flow(folder: Path) -> None:
    compile_program(folder, "trace.cpp", jobs=len(os.sched_getaffinity(0)), timeout=TIMEOUT)


def _hls4ml(folder: Path) -> None:
    """What `compile()` of hls4ml runs."""
    run(["bash", folder / "build_lib.sh"], cwd=folder, timeout=TIMEOUT)


WAYS: Mapping[str, tuple[Callable[[Graph], Files], Callable[[Path], None]]] = {
    FLOW: (lambda graph: export_hls(graph), _flow),
    "flow, stream": (lambda graph: export_hls(graph, form="stream"), _flow),
    "hls4ml": (lambda graph: export_hls4ml(graph), _hls4ml),
}


def _spent() -> tuple[float, float]:
    """CPU seconds of all child processes so far, and the clock."""
    return children(), time.perf_counter()


def measured(graph: Graph, who: str) -> tuple[float, float]:
    """CPU and wall seconds of one compilation."""
    make, compile_ = WAYS[who]
    with tempfile.TemporaryDirectory(prefix="flow-") as name:
        folder = Path(name) / "project"
        write_tree(folder, make(graph))
        before = _spent()
        compile_(folder)
        after = _spent()
    return after[0] - before[0], after[1] - before[1]


def rows_of(case: str, graph: Graph, rounds: int) -> list[Row]:
    """All in turn, several rounds, medians."""
    found: dict[str, list[tuple[float, float]]] = {who: [] for who in WAYS}
    for _ in range(rounds):
        for who in WAYS:
            found[who].append(measured(graph, who))
    rows = []
    for place, clock in enumerate(("CPU", "wall")):
        medians = {who: statistics.median(pair[place] for pair in pairs) for who, pairs in found.items()}
        rows += [Row(f"{case}, {clock}", who, value, "s", value / medians[FLOW]) for who, value in medians.items()]
    return rows


def main() -> None:
    """Measure every case that was asked for."""
    parser = arguments(__doc__)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    graphs = {case: CASES[case]() for case in given.cases}
    rows = [row for case, graph in graphs.items() for row in rows_of(case, graph, given.rounds)]
    publish("Compiling the C simulation with g++", rows, ["qfx-flow", "hls4ml", "numpy"], given.json)


if __name__ == "__main__":
    main()
