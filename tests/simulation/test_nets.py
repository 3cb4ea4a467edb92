"""Whole nets, trained on real samples, through the rungs: no code of any node differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flow.exporters.verilog import export_verilog, make_plan, predict
from flow.exporters.writer import write_tree
from flow.ir import trace
from flow.simulation.compare import compare
from flow.simulation.rtl_beats import StreamRun, read_project
from flow.simulation.rtl_program import stream_program
from tests.nets import NETS, OPTIONS, Design, climbed, design
from tests.simulation.campaign import campaign
from tests.simulation.coverage import Coverage

RUNGS = ("torch", "interpreter", "onnxruntime", "csim")
WITH_HLS4ML = ("jet_mlp", "conv1d")  # the others in `make test-all`: its compiler takes longest


def assert_exact(made: Design, folder: Path, rungs: tuple[str, ...]) -> None:
    """Each rung shows every node and every code of it as the arbiter has it; hls4ml shows what is a layer there."""
    count, total = len(made.codes), sum(value.size for value in made.graph.values.values())
    for result in climbed(made, folder, rungs):
        assert result.skipped is None, result.skipped
        assert result.comparison.mismatches == 0, f"{result.name}: {result.comparison.first}"
        assert result.vectors == count
        if result.name == "hls4ml":
            assert result.comparison.values > count * total / 2
        else:
            assert (result.comparison.values, result.nodes) == (count * total, len(made.graph))


def assert_streams(made: Design, folder: Path) -> None:
    """The streaming RTL shows every code with random pauses; without them every beat moves in the predicted cycle."""
    write_tree(folder / "rtl", export_verilog(made.graph))
    project, codes = read_project(made.graph, folder / "rtl"), made.codes
    runs = [stream_program(project, codes, 0, folder / "b", steady=steady, runs_long=False) for steady in (False, True)]
    for run in runs:
        found = compare(made.graph, trace(made.graph, codes), run.codes)
        assert found.first is None, found.first
        assert found.values == len(codes) * sum(value.size for value in made.graph.values.values())
    assert_predicted(made, runs[1])


def assert_predicted(made: Design, run: StreamRun) -> None:
    """Every beat of the first samples, the latency, and the interval once it has settled."""
    plan = make_plan(made.graph)
    timing, first = predict(plan), run.cycles["s_axis"][0]
    ports = {plan.axis(name): cycles for name, cycles in timing.left.items()}
    for name, cycles in {**timing.moved, **ports}.items():
        seen = [cycle - first for cycle in run.cycles[name]]
        common = min(len(seen), len(cycles))
        assert seen[:common] == cycles[:common], name
        assert common >= len(cycles) // 2
    ends = [
        run.cycles[plan.axis(name)][plan.streams[name].beats - 1 :: plan.streams[name].beats] for name in plan.outputs
    ]
    assert max(end[0] for end in ends) - first == timing.latency_cycles
    assert {int(step) for end in ends for step in np.diff(end[len(end) // 2 :])} == {timing.ii_cycles}


@pytest.mark.parametrize("name", NETS)
def test_whole_nets(name: str, tmp_path: Path):
    made = design(name, 8)
    assert made.moved > 0
    assert_exact(made, tmp_path, (*RUNGS, "hls4ml") if name in WITH_HLS4ML else RUNGS)
    assert_streams(made, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", NETS)
def test_whole_nets_with_every_option(name: str, options: str, tmp_path: Path):
    assert_exact(design(name, 64, OPTIONS[options]), tmp_path, RUNGS)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_whole_nets_at_full_size(name: str, tmp_path: Path):
    assert_exact(design(name, 16, full=True), tmp_path, (*RUNGS, "hls4ml"))


def test_what_was_compared_is_counted_and_what_was_refused_is_listed():
    found = Coverage()
    found.climb("conv1d", "minifloats", ("interpreter", "onnxruntime", "hls4ml"), 4, False)
    found.random(campaign(range(2), Path("unused"), rungs=("interpreter",)))
    values = design("conv1d", 4, OPTIONS["minifloats"]).graph.values
    assert found.codes["argmax", "onnxruntime"] == 4
    assert sum(codes for (_, rung), codes in found.codes.items() if rung == "onnxruntime") == 4 * sum(
        value.size for value in values.values()
    )
    assert found.designs == {"interpreter": 3, "onnxruntime": 1}
    assert [line.partition(": ")[0] for line in found.refused] == ["conv1d minifloats hls4ml"]
    assert "requantize_minifloat" in found.refused[0]
    assert {row.case for row in found.rows()} >= {"conv2d", "requantize_minifloat", "designs", "mismatches"}
