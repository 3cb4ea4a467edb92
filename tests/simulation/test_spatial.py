"""The spatial architecture under Verilator and as a netlist: exact on every block, a sample a cycle, on time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flow.exporters.verilog.spatial import export_spatial, plan_spatial
from flow.exporters.writer import write_tree
from flow.formats import Overflow, Rounding
from flow.ir import Conv2d, Graph, Input, Requantize, Table, Tensor, trace
from flow.simulation import netlist
from flow.simulation.netlist import simulate_netlist
from flow.simulation.rtl import run_streams, simulate_rtl
from flow.simulation.rtl_beats import read_project
from flow.simulation.rtl_program import stream_programs
from flow.simulation.rtl_verilator import run_program
from tests.exporters.test_verilog import forked_graph
from tests.graphs import fmt, mlp_graph, random_codes, random_graph
from tests.ir.random_graphs import drawn


def exported(graph: Graph, folder: Path, depth: int, dsp: int = 0) -> Path:
    write_tree(folder / "rtl", export_spatial(graph, depth, dsp, adder=True))
    return folder / "rtl"


def assert_exact(graph: Graph, project: Path, folder: Path, depth: int, dsp: int = 0) -> None:
    """With pauses every bus is exact; without, a sample leaves every cycle after the predicted latency."""
    codes, plan = random_codes(graph, 40), plan_spatial(graph, depth, dsp, adder=True)
    expected, found = trace(graph, codes), simulate_rtl(graph, project, codes, scratch=folder / "b")
    assert set(found) == set(plan.times) >= set(graph.outputs)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], strict=True, err_msg=name)
    timed = run_streams(graph, project, codes, pause=0, scratch=folder / "b").cycles
    first = timed["s_axis"][0]
    for name in graph.outputs:
        leaves = timed[plan.axis(name)]
        assert leaves[0] - first == plan.latency_cycles
        assert set(np.diff(leaves)) == {1}


@pytest.mark.parametrize(
    ("graph", "depth", "dsp"),
    [(forked_graph(), 2, 0), (random_graph(6), 4, 0), (mlp_graph(sizes=(6, 8, 4)), 4, 3)],
    ids=["two outputs", "convolution and residual", "products in DSPs"],
)
def test_under_verilator(graph: Graph, depth: int, dsp: int, tmp_path: Path):
    project = exported(graph, tmp_path, depth, dsp)
    assert sum(path.read_text().count("  flow_mul_dsp #(") for path in project.glob("*_block_*.sv")) == dsp
    assert_exact(graph, project, tmp_path, depth, dsp)


def assert_batch_exact(seeds: range, depth: int, folder: Path) -> None:
    """Random graphs beside each other under Verilator, every node of all of them."""
    graphs = [drawn(seed) for seed in seeds]
    codes = [random_codes(graph, 30, seed) for seed, graph in zip(seeds, graphs, strict=True)]
    projects = [read_project(graph, exported(graph, folder / graph.name, depth)) for graph in graphs]
    runs = stream_programs(projects, codes, seeds.start, folder / "b")
    compared = 0
    for graph, inputs, run in zip(graphs, codes, runs, strict=True):
        expected = trace(graph, inputs)
        assert set(run.codes) >= set(graph.outputs)
        for name, values in run.codes.items():
            np.testing.assert_array_equal(values, expected[name], strict=True, err_msg=f"{graph.name}: {name}")
            compared += values.size
    assert compared > 1000 * len(seeds)


@pytest.mark.parametrize("batch", range(2))
def test_random_graphs_of_every_operator(batch: int, tmp_path: Path):
    assert_batch_exact(range(20 * batch, 20 * batch + 20), 3 * batch, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(2, 100))
def test_two_thousand_random_graphs_of_every_operator(batch: int, tmp_path: Path):
    assert_batch_exact(range(20 * batch, 20 * batch + 20), batch % 5, tmp_path)


def modes() -> Graph:
    """Every rounding with every overflow in turn, and a table, on codes of one input."""
    nodes: list = [Input(name="x", shape=(4,), format=fmt("s8.4"))]
    pairs = [(r, o) for r in Rounding for o in Overflow]
    for place, (rounding, overflow) in enumerate(pairs[::3]):
        form = {"format": fmt("s5.2"), "rounding": rounding, "overflow": overflow}
        nodes.append(Requantize(name=f"cast{place}", inputs=("x",), **form))
    entries = Tensor(np.random.default_rng(0).integers(-8, 8, 32), fmt("s4.2"))
    nodes.append(Table(name="table", inputs=("cast0",), entries=entries, first=-16))
    return Graph("modes", tuple(nodes), tuple(node.name for node in nodes[2:]))


def test_modes_and_tables_under_verilator(tmp_path: Path):
    graph = modes()
    assert_exact(graph, exported(graph, tmp_path, 0), tmp_path, 0)


@pytest.mark.slow
def test_the_netlist(tmp_path: Path):
    """Products of both kinds: shifts and additions, and DSPs."""
    graph = mlp_graph(seed=2, sizes=(6, 8, 4))
    project, codes = exported(graph, tmp_path, 2, dsp=3), random_codes(graph, 20)
    found, expected = simulate_netlist(graph, project, codes), trace(graph, codes)
    assert set(found) == set(graph.outputs)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], strict=True)


@pytest.mark.slow
def test_the_netlist_of_many_positions_keeps_its_hierarchy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """25 positions of a convolution are one module, mapped once."""
    rng = np.random.default_rng(1)
    source, weight = Input(name="x", shape=(1, 6, 6), format=fmt("u3.0")), rng.integers(-7, 8, (2, 1, 2, 2))
    sums = Conv2d(name="y", inputs=("x",), weight=Tensor(weight, fmt("s4.0")))
    graph = Graph("conv", (source, sums), ("y",))
    project, codes = exported(graph, tmp_path, 2), random_codes(graph, 20)
    assert read_project(graph, project).instances == 25
    texts = []
    monkeypatch.setattr(netlist, "run_program", lambda job, *rest: texts.append(job.sources) or run_program(job, *rest))
    np.testing.assert_array_equal(simulate_netlist(graph, project, codes)["y"], trace(graph, codes)["y"], strict=True)
    assert texts[0]["netlist.v"].count("\nmodule conv_block_y") == 1
    assert texts[0]["netlist.v"].count("  conv_block_y ") == 25


def test_a_changed_shift_is_seen(tmp_path: Path):
    graph = mlp_graph(sizes=(4, 3))
    project, codes = exported(graph, tmp_path, 0), random_codes(graph, 30)
    (module,) = project.glob("*_block_*.sv")
    text = module.read_text()
    assert " <<< 1" in text
    module.write_text(text.replace(" <<< 1", " <<< 2", 1))
    assert not np.array_equal(simulate_rtl(graph, project, codes)["fc1"], trace(graph, codes)["fc1"])
