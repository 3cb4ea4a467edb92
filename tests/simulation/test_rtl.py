"""The rtl rung: exact on every stream, predicted to the cycle, and able to fail."""

from __future__ import annotations

import re

import numpy as np
import pytest

from flow.errors import DataError, SimulationError, ToolError
from flow.exporters.verilog import export_verilog, make_plan, predict
from flow.exporters.writer import write_tree
from flow.formats import Overflow, Rounding
from flow.ir import Graph, Input, Requantize, trace
from flow.simulation.rtl import _frames, run_streams, simulate_rtl, tool
from tests.exporters.test_verilog import forked_graph
from tests.graphs import fmt, mlp_graph, random_codes, random_graph


def assert_exact(graph: Graph, got: dict[str, np.ndarray], codes: np.ndarray) -> None:
    """Every node that an output depends on is shown and equal; nothing is compared with nothing."""
    expected = trace(graph, codes)
    live = [name for name in expected if name in make_plan(graph).streams]
    assert sorted(got) == sorted(live) and set(graph.outputs) <= set(live)
    for name in live:
        assert got[name].dtype == np.int64
        np.testing.assert_array_equal(got[name], expected[name], strict=True, err_msg=name)
        assert got[name].size == len(codes) * graph.values[name].size > 0


def exported(graph: Graph, folder, **options):
    write_tree(folder / "rtl", export_verilog(graph, **options))
    return folder / "rtl"


def assert_predicted(graph: Graph, project, folding, samples: int, scratch) -> None:
    """Interval and latency of a run without pauses are the predicted ones, to the cycle."""
    plan = make_plan(graph, folding)
    timing = predict(plan)
    run = run_streams(graph, project, random_codes(graph, samples), pause=0, scratch=scratch)
    first = run.cycles["s_axis"][0]
    ends = {
        name: run.cycles[plan.axis(name)][plan.streams[name].beats - 1 :: plan.streams[name].beats]
        for name in plan.outputs
    }
    assert max(cycles[0] for cycles in ends.values()) - first == timing.latency_cycles
    for name, stream in plan.streams.items():
        if not any(reader == "" for reader in stream.readers):  # an output is held by its port
            assert run.cycles[name][stream.beats - 1] - first >= timing.ready[name]
    for cycles in ends.values():
        assert len(cycles) == samples
        assert set(np.diff(cycles[samples // 2 :])) == {timing.ii_cycles}


def test_the_mlp_with_pauses_and_to_the_cycle(tmp_path):
    graph, said = mlp_graph(), []
    project, codes = exported(graph, tmp_path), random_codes(graph, 60)
    assert_exact(
        graph, simulate_rtl(graph, project, codes, seed=1, progress=said.append, scratch=tmp_path / "b"), codes
    )
    assert said == ["building mlp with Verilator and streaming 60 samples"]
    assert_predicted(graph, project, None, 10, tmp_path / "b")


@pytest.mark.parametrize(
    "folding", [{"fc1": (2, 3), "fc2": (5, 2)}, {"fc1": (8, 6), "fc2": (10, 8)}, {"fc1": (1, 1), "fc2": (1, 1)}]
)
def test_every_folding_gives_the_same_codes_in_the_predicted_time(folding, tmp_path):
    graph = mlp_graph(seed=3, sizes=(6, 8, 10))
    project, codes = exported(graph, tmp_path, folding=folding), random_codes(graph, 12)
    assert_exact(graph, simulate_rtl(graph, project, codes, scratch=tmp_path / "b"), codes)
    assert_predicted(graph, project, folding, 12, tmp_path / "b")


def test_forks_and_several_outputs(tmp_path):
    graph = forked_graph()
    project, codes = exported(graph, tmp_path), random_codes(graph, 40)
    assert_exact(graph, simulate_rtl(graph, project, codes, scratch=tmp_path / "b"), codes)
    assert_predicted(graph, project, None, 10, tmp_path / "b")


@pytest.mark.parametrize("seed", [0, 3, 5, 11])
def test_random_vector_graphs(seed, tmp_path):
    graph = random_graph(seed, spatial=False)
    codes = random_codes(graph, 30, seed)
    assert_exact(graph, simulate_rtl(graph, exported(graph, tmp_path), codes, seed=seed), codes)


def test_a_flipped_weight_bit_is_seen(tmp_path):
    graph = mlp_graph(sizes=(4, 3))
    project, codes = exported(graph, tmp_path), random_codes(graph, 30)
    rom = project / "mlp_rom_fc1.sv"
    text = rom.read_text()
    digit = re.search(r"lines\[1\] = \d+'h[0-9a-f]*?([0-9a-f]);", text)
    assert digit is not None
    place = digit.start(1)
    rom.write_text(f"{text[:place]}{int(digit[1], 16) ^ 1:x}{text[place + 1 :]}")
    assert not np.array_equal(simulate_rtl(graph, project, codes)["fc1"], trace(graph, codes)["fc1"])


def test_a_wrong_rounding_constant_is_seen(tmp_path):
    nodes = (
        Input(name="x", shape=(4,), format=fmt("s5.3")),
        Requantize(name="y", inputs=("x",), format=fmt("s4.1"), rounding=Rounding.RND_ZERO, overflow=Overflow.SAT),
    )
    graph = Graph("cast", nodes, ("y",))
    project, codes = exported(graph, tmp_path), random_codes(graph, 30)
    assert_exact(graph, simulate_rtl(graph, project, codes, scratch=tmp_path / "b"), codes)
    package = project / "cells" / "flow_pkg.sv"
    package.write_text(package.read_text().replace("int ROUND_RND_ZERO = 3;", "int ROUND_RND_ZERO = 2;"))
    wrong = simulate_rtl(graph, project, codes, scratch=tmp_path / "b")["y"]
    expected = trace(graph, codes)["y"]
    assert 0 < (wrong != expected).sum() < expected.size


def test_a_stuck_stream_is_an_error(tmp_path):
    graph = mlp_graph(sizes=(4, 3))
    project = exported(graph, tmp_path)
    cell = project / "cells" / "flow_dense.sv"
    cell.write_text(cell.read_text().replace("assign step = (valid_i | ~first_fold) & ~stall;", "assign step = 1'b0;"))
    with pytest.raises(ToolError, match=r"(?s)^python failed with exit status 1; its last lines:.*"):
        simulate_rtl(graph, project, random_codes(graph, 1))


def test_a_misplaced_tlast_is_an_error(tmp_path, monkeypatch):
    graph = mlp_graph(sizes=(4, 3))
    monkeypatch.setattr("flow.simulation.rtl._frames", lambda project, codes: ["".join(_frames(project, codes))])
    with pytest.raises(
        SimulationError, match=r"^Design 'mlp_top' saw TLAST on a wrong beat; export the design again\.$"
    ):
        simulate_rtl(graph, exported(graph, tmp_path), random_codes(graph, 2))


def test_folders_that_do_not_fit_are_named(tmp_path):
    graph, codes = mlp_graph(sizes=(4, 3)), random_codes(mlp_graph(sizes=(4, 3)), 2)
    message = (
        f"Folder {str(tmp_path)!r} holds no streaming design (No such file or directory: stream.json); export it with "
        "--to verilog first."
    )
    with pytest.raises(SimulationError, match=f"^{re.escape(message)}$"):
        simulate_rtl(graph, tmp_path, codes)
    project = exported(mlp_graph(sizes=(4, 5)), tmp_path)
    message = f"Folder {str(project)!r} holds another design than 'mlp' (node 'fc1' differs); export this one again."
    with pytest.raises(SimulationError, match=f"^{re.escape(message)}$"):
        simulate_rtl(graph, project, codes)


def test_codes_that_the_input_does_not_take(tmp_path):
    graph = mlp_graph(sizes=(4, 3))
    project = exported(graph, tmp_path)
    message = "Input 'input' takes integer codes of shape (N, *(4,)) with N of at least 1, not int64[0, 4]."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        simulate_rtl(graph, project, np.zeros((0, 4), dtype=np.int64))
    with pytest.raises(DataError, match=r"^Input 'input' takes unsigned 6-bit codes, not \[0, 64\]\.$"):
        simulate_rtl(graph, project, np.array([[0, 1, 2, 64]]))


def test_the_tool_is_named_with_its_version():
    assert tool() == "verilator 5.48.0, cocotb 2.1.0, cocotbext-axi 0.1.28"
