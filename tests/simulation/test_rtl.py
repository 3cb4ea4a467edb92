"""The rtl rung: exact on every stream, predicted to the cycle, and able to fail."""

from __future__ import annotations

import re

import numpy as np
import pytest

from flow.errors import DataError, SimulationError, ToolError, ToolMissingError
from flow.exporters.verilog import export_verilog, make_plan, predict
from flow.exporters.writer import write_tree
from flow.formats import Overflow, Rounding
from flow.ir import (
    Add,
    ArgMax,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    Mul,
    Requantize,
    Reshape,
    ScaleShift,
    Sub,
    Table,
    trace,
)
from flow.simulation.rtl import _frames, run_streams, simulate_rtl, tool
from flow.simulation.rtl_beats import read_project
from flow.simulation.rtl_program import stream_program
from tests.exporters.test_verilog import forked_graph
from tests.graphs import fmt, mixed_graph, mlp_graph, random_codes, random_graph, random_tensor, resnet_graph
from tests.simulation.test_netlist import PACKED, packed_graph


def assert_exact(graph: Graph, got: dict[str, np.ndarray], codes: np.ndarray) -> None:
    """Every node that an output depends on is shown and equal; nothing is compared with nothing."""
    expected, streams = trace(graph, codes), make_plan(graph).streams
    live = [name for name in expected if name in streams]
    assert sorted(got) == sorted(live) and set(graph.outputs) <= set(live)
    for name in live:
        assert got[name].dtype == np.int64
        np.testing.assert_array_equal(got[name], expected[name], strict=True, err_msg=name)
        assert got[name].size == len(codes) * graph.values[name].size > 0


def exported(graph: Graph, folder, **options):
    write_tree(folder / "rtl", export_verilog(graph, **options))
    return folder / "rtl"


@pytest.mark.parametrize("dsp", [pytest.param("dsp48e1", marks=pytest.mark.slow), "dsp48e2"])
def test_several_products_in_a_dsp(dsp, tmp_path):
    graph = packed_graph()
    codes, project = random_codes(graph, 60), exported(graph, tmp_path, folding=PACKED, dsp=dsp)
    texts = [path.read_text() for path in project.glob("*.sv")]
    assert sum(f".DspWidth({25 if dsp == 'dsp48e1' else 27})" in text for text in texts) == 2
    assert_exact(graph, simulate_rtl(graph, project, codes, scratch=tmp_path / "b"), codes)


def assert_predicted(graph: Graph, project, folding, samples: int, scratch) -> None:
    """Every beat of every stream moves in the predicted cycle where nobody pauses, and so do interval and latency."""
    plan = make_plan(graph, folding)
    timing = predict(plan)
    run = run_streams(graph, project, random_codes(graph, samples), pause=0, scratch=scratch)
    first, shown = run.cycles["s_axis"][0], 0
    predicted = {**timing.moved, **{plan.axis(name): cycles for name, cycles in timing.left.items()}}
    for name, cycles in predicted.items():
        seen = [cycle - first for cycle in run.cycles[name]]
        common = min(len(seen), len(cycles))
        assert seen[:common] == cycles[:common], name
        shown += common
    assert shown >= sum(stream.beats for stream in plan.streams.values())
    ends = {
        name: run.cycles[plan.axis(name)][plan.streams[name].beats - 1 :: plan.streams[name].beats]
        for name in plan.outputs
    }
    assert max(cycles[0] for cycles in ends.values()) - first == timing.latency_cycles
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
    "folding",
    [
        {"fc1": (2, 3), "fc2": (5, 2)},
        pytest.param({"fc1": (8, 6), "fc2": (10, 8)}, marks=pytest.mark.slow),
        {"fc1": (1, 1), "fc2": (1, 1)},
    ],
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


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (3, 5, 11))])
def test_random_vector_graphs(seed, tmp_path):
    graph = random_graph(seed, spatial=False)
    codes = random_codes(graph, 30, seed)
    assert_exact(graph, simulate_rtl(graph, exported(graph, tmp_path), codes, seed=seed), codes)


def test_a_small_residual_net_with_pauses_and_to_the_cycle(tmp_path):
    """Convolutions, scale and shift, a residual addition, both poolings, a dense layer, and the class."""
    graph = resnet_graph(size=4, channels=4)
    project, codes = exported(graph, tmp_path), random_codes(graph, 12)
    assert_exact(graph, simulate_rtl(graph, project, codes, seed=2, scratch=tmp_path / "b"), codes)
    assert_predicted(graph, project, None, 6, tmp_path / "b")


def depthwise_graph() -> Graph:
    """Depthwise and pixelwise convolutions, groups, strides, and an image that a Dense reads in another order."""
    rng = np.random.default_rng(9)
    return Graph(
        "depthwise",
        (
            Input(name="x", shape=(4, 5, 4), format=fmt("s4.2")),
            Conv2d(
                name="deep", inputs=("x",), weight=random_tensor(rng, (4, 1, 3, 2), "s4.3"),
                bias=random_tensor(rng, (4,), "s5.7"), padding=(1, 1), stride=(2, 1), groups=4,
            ),
            Requantize(name="deep.out", inputs=("deep",), format=fmt("u4.1")),
            Conv2d(name="point", inputs=("deep.out",), weight=random_tensor(rng, (6, 4, 1, 1), "s4.3")),
            Requantize(name="point.out", inputs=("point",), format=fmt("s4.0")),
            Conv2d(name="pairs", inputs=("point.out",), weight=random_tensor(rng, (4, 3, 2, 2), "s3.1"), groups=2),
            Requantize(name="pairs.out", inputs=("pairs",), format=fmt("s5.0")),
            Flatten(name="flat", inputs=("pairs.out",)),
            ScaleShift(
                name="each", inputs=("flat",), scale=random_tensor(rng, (32,), "s3.1"),
                shift=random_tensor(rng, (32,), "s4.2"),
            ),
            Dense(name="fc", inputs=("each",), weight=random_tensor(rng, (5, 32), "s4.3")),
            ArgMax(name="class", inputs=("fc",)),
        ),
        ("class", "flat"),
    )  # fmt: skip


def test_depthwise_and_grouped_convolutions(tmp_path):
    graph = depthwise_graph()
    folding = {"deep": (2, 1), "point": (3, 2), "pairs": (2, 3), "fc": (1, 2)}
    project, codes = exported(graph, tmp_path, folding=folding), random_codes(graph, 10)
    assert_exact(graph, simulate_rtl(graph, project, codes, scratch=tmp_path / "b"), codes)
    assert_predicted(graph, project, folding, 6, tmp_path / "b")


def test_tables_differences_products_and_reshapes(tmp_path):
    rng = np.random.default_rng(4)
    graph = Graph(
        "elements",
        (
            Input(name="x", shape=(2, 6), format=fmt("s4.2")),
            Reshape(name="flat", inputs=("x",), shape=(12,)),
            Table(name="table", inputs=("flat",), entries=random_tensor(rng, (20,), "s5.1"), first=-10),
            Sub(name="below", inputs=("flat", "table")),
            Mul(name="product", inputs=("below", "flat")),
            Mul(name="square", inputs=("flat", "flat")),
            Requantize(name="cast", inputs=("product",), format=fmt("u5.1")),
            Table(name="again", inputs=("cast",), entries=random_tensor(rng, (32,), "u3.4"), first=0),
            Add(name="sum", inputs=("again", "square")),
            Reshape(name="grid", inputs=("sum",), shape=(3, 4)),
        ),
        ("grid", "product"),
    )
    project, codes = exported(graph, tmp_path), random_codes(graph, 30)
    assert_exact(graph, simulate_rtl(graph, project, codes, scratch=tmp_path / "b"), codes)
    assert_predicted(graph, project, None, 6, tmp_path / "b")


def test_moves_and_joined_parts_with_pauses_and_to_the_cycle(tmp_path):
    graph = mixed_graph()
    project, codes = exported(graph, tmp_path), random_codes(graph, 12)
    assert_exact(graph, run_streams(graph, project, codes, pause=0.5, scratch=tmp_path / "b").codes, codes)
    assert_predicted(graph, project, None, 6, tmp_path / "b")


def test_a_missing_compiler_is_named(tmp_path, monkeypatch):
    graph = mlp_graph(sizes=(4, 3))
    project, codes = exported(graph, tmp_path), random_codes(graph, 2)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ToolMissingError,
        match=r"^Tool 'g\+\+' is not on PATH; install a C\+\+17 compiler \(Debian: apt-get install g\+\+\)\.$",
    ):
        simulate_rtl(graph, project, codes)


@pytest.mark.parametrize(
    "seed", [8, pytest.param(24, marks=pytest.mark.slow), pytest.param(33, marks=pytest.mark.slow)]
)
def test_random_image_graphs(seed, tmp_path):
    graph = random_graph(seed)
    project, codes = exported(graph, tmp_path), random_codes(graph, 6, seed)
    assert_exact(graph, simulate_rtl(graph, project, codes, seed=seed, scratch=tmp_path / "b"), codes)
    assert_predicted(graph, project, None, 6, tmp_path / "b")


@pytest.mark.slow
def test_many_random_image_graphs(tmp_path):
    for seed in range(40):
        test_random_image_graphs(seed, tmp_path / str(seed))


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


def test_long_runs_go_on_in_a_program(tmp_path, monkeypatch):
    graph = mlp_graph(sizes=(4, 3))
    project, codes = exported(graph, tmp_path), random_codes(graph, 40)
    monkeypatch.setattr("flow.simulation.rtl._COCOTB_CYCLES", 10)
    assert_exact(graph, simulate_rtl(graph, project, codes, seed=3, scratch=tmp_path / "b"), codes)
    rom = project / "mlp_rom_fc1.sv"
    rom.write_text(
        re.sub(r"(lines\[0\] = \d+'h)(\w+)", lambda m: f"{m[1]}{int(m[2], 16) ^ 1:0{len(m[2])}x}", rom.read_text())
    )
    got = stream_program(read_project(graph, project), codes, 0, tmp_path / "p").codes
    assert (got["fc1"] != trace(graph, codes)["fc1"]).any(axis=0).tolist() == [True, False, False]


@pytest.mark.slow
def test_the_demo_of_images_to_the_cycle(tmp_path):
    """As `digits_resnet`, all of whose vectors `flow run` sends: 1.2 million cycles."""
    graph = resnet_graph()
    project, codes = exported(graph, tmp_path), random_codes(graph, 500)
    assert_exact(graph, simulate_rtl(graph, project, codes, scratch=tmp_path / "b"), codes)
    assert_predicted(graph, project, None, 8, tmp_path / "b")


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
