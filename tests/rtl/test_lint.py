"""Every cell and every generated file is clean under `verilator --lint-only -Wall`, and Yosys reads every cell."""

from __future__ import annotations

import pytest

from flow import resources
from flow.errors import ToolError
from flow.exporters.verilog import export_verilog
from flow.exporters.writer import write_tree
from flow.formats import Overflow, Rounding
from flow.synthesis import Family, synthesise
from flow.tools import run, verilator_environment
from tests.graphs import mlp_graph, random_graph

FOLDER = resources.folder("rtl")
CELLS = sorted(path.stem for path in FOLDER.glob("*.sv") if path.stem != "flow_pkg")
SOURCES = {"flow_pkg.sv": (FOLDER / "flow_pkg.sv").read_text()} | {
    f"{name}.sv": (FOLDER / f"{name}.sv").read_text() for name in CELLS
}


def lint(folder, top, *args):
    run(["verilator", "--lint-only", "-Wall", "--top-module", top, *args], cwd=folder, env=verilator_environment())


@pytest.mark.parametrize("name", CELLS)
def test_cells_are_lint_clean(name):
    lint(FOLDER, name, "-y", FOLDER, "flow_pkg.sv", f"{name}.sv")


def test_the_lint_sees_a_width_that_does_not_fit(tmp_path):
    (tmp_path / "m.sv").write_text(
        "module m (input logic [3:0] a_i, output logic [2:0] b_o); assign b_o = a_i; endmodule\n"
    )
    with pytest.raises(ToolError, match="WIDTHTRUNC"):
        lint(tmp_path, "m", "m.sv")


@pytest.mark.parametrize("graph", [mlp_graph(), random_graph(3, spatial=False)], ids=lambda graph: graph.name)
def test_generated_files_are_lint_clean(graph, tmp_path):
    write_tree(tmp_path / "rtl", export_verilog(graph))
    lint(tmp_path / "rtl", f"{graph.name}_top", "-f", "filelist.f")


@pytest.mark.parametrize("name", CELLS)
def test_yosys_reads_every_cell(name):
    area = synthesise(SOURCES, name, Family.ICE40, dsp=False).area
    assert area.lut + area.ff > 0


@pytest.mark.parametrize("name", CELLS)
def test_one_module_a_file_with_a_header(name):
    text = SOURCES[f"{name}.sv"]
    assert text.startswith("// ") and text.count("endmodule") == 1 and f"module {name} " in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "$fatal" in text, "no check of the parameters"


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("flow_dense", "-GPe=3", "Pe must divide Outputs"),
        ("flow_dense", "-GSimd=3", "Simd must divide Inputs"),
        ("flow_argmax", "-GIndexWidth=3", "IndexWidth must hold Count-1"),
        ("flow_fifo", "-GDepth=1", "Depth at least 2"),
        ("flow_requantize", "-GRounding=7", "Rounding is not a mode"),
        ("flow_requantize", "-GOverflow=5", "Overflow is not a mode"),
    ],
)
def test_illegal_parameters_are_named(name, parameters, said, tmp_path):
    argv = [
        "verilator",
        "--binary",
        "--no-timing",
        "-Wno-fatal",
        "--top-module",
        name,
        parameters,
        "-y",
        FOLDER,
        "--Mdir",
    ]
    with pytest.raises(ToolError, match=said):
        run([*argv, tmp_path, FOLDER / "flow_pkg.sv", FOLDER / f"{name}.sv"], env=verilator_environment())
        run([tmp_path / f"V{name}"])


def test_mode_constants_are_the_order_of_flow_formats():
    text = SOURCES["flow_pkg.sv"]
    for prefix, modes in (("ROUND", Rounding), ("OVERFLOW", Overflow)):
        for number, mode in enumerate(modes):
            assert f"localparam int {prefix}_{mode.value} = {number};" in text
        assert f"localparam int {prefix}_MODES = {len(modes)};" in text
