"""Streaming designs in one program: exact with random pauses, and without them to the cycle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flow.exporters.verilog import export_verilog, make_plan, predict
from flow.exporters.writer import write_tree
from flow.ir import Graph, trace
from flow.simulation.rtl_beats import StreamRun, read_project
from flow.simulation.rtl_program import Pauses, stream_programs

SEED = 0  # of the pauses


def streamed(graphs: Sequence[Graph], codes: Sequence[np.ndarray], folder: Path) -> list[dict[str, np.ndarray]]:
    """Every node's codes with random pauses; the same codes come without, each beat in the predicted cycle.

    Args:
        graphs: whose names differ.
        codes: of each of them.
        folder: of the projects and the program.
    """
    for graph in graphs:
        write_tree(folder / graph.name, export_verilog(graph))
    projects = [read_project(graph, folder / graph.name) for graph in graphs]
    paused, steady = (
        stream_programs(projects, codes, SEED, folder, pauses=pauses) for pauses in (Pauses.SOME, Pauses.NONE)
    )
    for graph, inputs, run in zip(graphs, codes, steady, strict=True):
        assert_predicted(graph, run)
        assert all((run.codes[name] == expected).all() for name, expected in trace(graph, inputs).items())
    return [run.codes for run in paused]


def assert_predicted(graph: Graph, run: StreamRun) -> None:
    """Every beat of the first samples, the latency, and the interval where it has settled."""
    plan = make_plan(graph)
    timing, first = predict(plan), run.cycles["s_axis"][0]
    ports = {plan.axis(name): cycles for name, cycles in timing.left.items()}
    shown = 0
    for name, cycles in {**timing.moved, **ports}.items():
        seen = [cycle - first for cycle in run.cycles[name]]
        common = min(len(seen), len(cycles))
        assert seen[:common] == cycles[:common], f"{graph.name}: {name}"
        shown += common
    assert shown > sum(stream.beats for stream in plan.streams.values())
    ends = [
        run.cycles[plan.axis(name)][plan.streams[name].beats - 1 :: plan.streams[name].beats] for name in plan.outputs
    ]
    assert max(end[0] for end in ends) - first == timing.latency_cycles
    assert max(end[-1] - end[-2] for end in ends) == timing.ii_cycles
