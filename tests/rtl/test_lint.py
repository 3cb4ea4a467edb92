"""Every cell and every generated file is clean under `verilator --lint-only -Wall`, and Yosys reads every cell."""

from __future__ import annotations

import re

import pytest

from flow import resources
from flow.errors import ToolError
from flow.exporters.verilog import export_verilog
from flow.exporters.writer import write_tree
from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import Flatten, Graph, Input, Node, Relu
from flow.simulation.rtl_verilator import ProgramJob, run_program
from flow.tools import python, run, verilator_environment
from tests.graphs import mixed_graph, mlp_graph, random_graph

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


@pytest.mark.parametrize(
    "graph", [mlp_graph(), random_graph(3, spatial=False), mixed_graph()], ids=lambda graph: graph.name
)
def test_generated_files_are_lint_clean(graph, tmp_path):
    write_tree(tmp_path / "rtl", export_verilog(graph))
    lint(tmp_path / "rtl", f"{graph.name}_top", "-f", "filelist.f")


# Words that SystemVerilog keeps to itself (IEEE 1800-2017, annex B) and that a module path could hold.
KEYWORDS = (
    "always always_comb and assign begin bind bit buf case cell class clocking config const cover default design do "
    "else end enum event export final for force fork function genvar if import initial inout input int interface "
    "join let local logic loop module nand negedge new nor not null or output package packed parameter posedge "
    "priority process program property pure rand ref reg repeat return sequence signed string strong struct super "
    "table tagged task this time tri type typedef union unique unsigned use var virtual void wait wand while wire "
    "with within wor xnor xor 1step $root"
).split()


def test_nodes_named_like_keywords_become_a_clean_design(tmp_path):
    nodes: list[Node] = [Input(name="x", shape=(3,), format=FixedPoint.parse("s3.0"))]
    for name in KEYWORDS:
        cls = Relu if len(nodes) % 2 else Flatten
        nodes.append(cls(name=name, inputs=(nodes[-1].name,)))
    write_tree(tmp_path / "rtl", export_verilog(Graph("module", tuple(nodes), (nodes[-1].name, "output"))))
    lint(tmp_path / "rtl", "module_n_top", "-f", "filelist.f")


def test_yosys_reads_every_cell(tmp_path):
    script = "".join(
        f"read_verilog -sv -defer {' '.join(SOURCES)}\nhierarchy -check -top {name}\nproc\nflatten\ncheck -assert\n"
        f"select -assert-min 1 t:*\nlog read {name}\ndesign -reset\n"
        for name in CELLS
    )
    write_tree(tmp_path / "yosys", {**SOURCES, "run.ys": script})
    code = "from pyosys import libyosys as y; y.run_pass('script run.ys', y.Design())"
    said = run(python("-c", code), cwd=tmp_path / "yosys")
    assert re.findall(r"^read (\w+)$", said, re.M) == CELLS


@pytest.mark.parametrize("name", CELLS)
def test_one_module_a_file_with_a_header(name):
    text = SOURCES[f"{name}.sv"]
    assert text.startswith("// ") and text.count("endmodule") == 1 and f"module {name} " in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "$fatal" in text, "no check of the parameters"


@pytest.mark.parametrize(
    ("name", "parameter", "said"),
    [
        ("flow_dense", ".Pe(3)", "flow_dense: Pe must divide Outputs"),
        ("flow_argmax", ".IndexWidth(3)", "flow_argmax: IndexWidth must hold Count-1"),
        ("flow_fifo", ".Depth(1)", "flow_fifo: Width must be at least 1 and Depth at least 2"),
        ("flow_minifloat_encode", ".Rounding(5)", "flow_minifloat_encode: Rounding must lie in 0..4"),
        ("flow_mul_array", ".AWidth(0)", "flow_mul_array: widths must be at least 1"),
        ("flow_mul_table", ".BWidth(0)", "flow_mul_table: widths must be at least 1 and together at most 12"),
        ("flow_window", ".Groups(2)", "flow_window: Groups must divide PixelBeats, and both must be at least 1"),
        ("flow_pool", ".Taps(0)", "flow_pool: Lanes, Taps, Scale and both widths must be at least 1"),
        ("flow_join", ".Operation(3)", "flow_join: Lanes must be at least 1 and Operation 0, 1 or 2"),
        ("flow_reorder", ".Depth(6)", "flow_reorder: Depth must be a power of two and at least 2"),
        (
            "flow_minifloat_stream",
            ".OutWidth(11)",
            "flow_minifloat_stream: Lanes must be at least 1 and OutWidth within the decoder's",
        ),
        ("flow_softmax", ".Frac(13)", "flow_softmax: Frac must be at most 12"),
        ("flow_softmax_add", ".Mantissa(21)", "flow_softmax_add: Mantissa must be 1..20 and ExpWidth at least 1"),
        ("flow_requantize", ".Rounding(7)", "flow_requantize: Rounding is not a mode of flow_pkg"),
    ],
)
def test_illegal_parameters_are_named(name, parameter, said, tmp_path):
    instance = f"{name} #({parameter}) u_cell ();"
    bench = f"module bench (input logic clk_i); {instance} always @(posedge clk_i) $finish; endmodule\n"
    job = ProgramJob({**SOURCES, "bench.sv": bench}, "bench", args=("--no-timing", "-Wno-fatal"))
    with pytest.raises(ToolError, match=re.escape(said)):
        run_program(job, tmp_path)


# What the cells above refuse besides, and what others do.
REFUSED = [
    ("flow_dense", ".Simd(3)", "flow_dense: Simd must divide Inputs"),
    ("flow_window", ".PadW(3)", "flow_window: pads must be smaller than the kernel"),
    ("flow_window", ".KernelH(7)", "flow_window: the kernel must fit into the padded image"),
    ("flow_window", ".Depth(10)", "flow_window: Depth must hold a window"),
    ("flow_reorder", ".Beats(0)", "flow_reorder: Width and Beats must be at least 1"),
    ("flow_requantize", ".Overflow(5)", "flow_requantize: Overflow is not a mode of flow_pkg"),
    ("flow_compressor", ".Terms(0)", "flow_compressor: Terms and both widths must be at least 1"),
    ("flow_dot_packed", ".WSigned(0), .DspWidth(24)", "flow_dot_packed: the lanes must fit into DspWidth"),
    ("flow_dot_packed", ".XWidth(18)", "flow_dot_packed: all sizes must be at least 1, and XWidth at most 17"),
    ("flow_fifo_block", ".Depth(1)", "flow_fifo_block: Width must be at least 1 and Depth at least 2"),
    ("flow_minifloat_dot_encode", ".Simd(0)", "flow_minifloat_dot_encode: Simd must be at least 1"),
    ("flow_mx_dot", ".AExponent(0), .BExponent(0), .AMantissa(0)", "flow_mx_dot: integers have at least two bits"),
    ("flow_table_stream", ".InWidth(13)", "flow_table_stream: all sizes must be at least 1, and InWidth at most 12"),
    ("flow_axis_in", ".Beats(0)", "flow_axis_in: Width and Beats must be at least 1"),
    ("flow_axis_out", ".Beats(0)", "flow_axis_out: Width and Beats must be at least 1"),
    ("flow_delay", ".Cycles(0)", "flow_delay: Width and Cycles must be at least 1"),
    ("flow_depthwise", ".Taps(0)", "flow_depthwise: Lanes, Groups and Taps must be at least 1"),
    ("flow_depthwise", ".ProductShift(-1)", "flow_depthwise: AccWidth must be at least 1 and ProductShift at least 0"),
    ("flow_dot", ".Simd(0)", "flow_dot: Simd and all widths must be at least 1"),
    ("flow_dot_dsp", ".Simd(0)", "flow_dot_dsp: Simd and all widths must be at least 1"),
    ("flow_dot_sum", ".Adder(-1)", "flow_dot_sum: Adder must be 0, 1 or 2, or in a dot product -1"),
    ("flow_accumulate", ".Lanes(0)", "flow_accumulate: Lanes and Width must be at least 1, ProductShift at least 0"),
    ("flow_fork", ".Ways(1)", "flow_fork: Ways must be at least 2"),
    ("flow_lmul", ".Mantissa(0)", "flow_lmul: Exponent and Mantissa must be at least 1"),
    ("flow_minifloat_add", ".Exponent(6)", "flow_minifloat_add: Exponent must lie in 1..5 and Mantissa be at least 0"),
    ("flow_minifloat_add", ".Rounding(5)", "flow_minifloat_encode: Rounding must lie in 0..4"),
    (
        "flow_minifloat_decode",
        ".Mantissa(-1)",
        "flow_minifloat_decode: Exponent must lie in 1..5 and Mantissa be at least 0",
    ),
    ("flow_minifloat_dot", ".Simd(0)", "flow_minifloat_dot: Simd must be at least 1"),
    ("flow_minifloat_mul", ".BExponent(6)", "flow_minifloat_mul: exponents must lie in 1..5 bits"),
    ("flow_minifloat_mul", ".AMantissa(-1)", "flow_minifloat_mul: mantissas must be >= 0"),
    (
        "flow_minifloat_unpack",
        ".Mantissa(-1)",
        "flow_minifloat_unpack: Exponent must be at least 1 and Mantissa at least 0",
    ),
    ("flow_mul", ".AWidth(0)", "flow_mul: widths must be at least 1"),
    ("flow_mul_dsp", ".AWidth(0), .ASigned(0)", "flow_mul_dsp: widths must be at least 1"),
    ("flow_mul_khot", ".Digits(0)", "flow_mul_khot: widths and Digits must be at least 1"),
    ("flow_mul_row", ".OutWidth(11)", "flow_mul_row: Width must be at least 2 and OutWidth in 2..Width+2"),
    ("flow_quantize_stream", ".Lanes(0)", "flow_quantize_stream: Lanes must be at least 1"),
    ("flow_register", ".Width(0)", "flow_register: Width must be at least 1"),
    ("flow_relu", ".Lanes(0)", "flow_relu: Lanes, InWidth and OutWidth must be at least 1"),
    ("flow_requantize", ".Overflow(4), .OutSigned(0)", "flow_requantize: WRAP_SM exists for signed formats only"),
    (
        "flow_scale_shift",
        ".Beats(0)",
        "flow_scale_shift: Lanes and Beats must be at least 1 and ProductShift at least 0",
    ),
    ("flow_skid", ".Width(0)", "flow_skid: Width must be at least 1"),
    ("flow_uart_bridge", ".Divider(3)", "flow_uart_bridge: Divider must be at least 4, Depth 2 and both widths 1"),
    ("flow_uart_rx", ".Divider(3)", "flow_uart_rx: Divider must be at least 4"),
    ("flow_uart_tx", ".Divider(0)", "flow_uart_tx: Divider must be at least 1"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parameter", "said"), REFUSED)
def test_more_illegal_parameters_are_named(name, parameter, said, tmp_path):
    test_illegal_parameters_are_named(name, parameter, said, tmp_path)


# What follows from these has no bits, which Verilator refuses before the cell can say which parameter it is.
REFUSED_BY_VERILATOR = [
    ("flow_adder_tree", ".Terms(0)", "flow_adder_tree.sv"),
    ("flow_dot_pair", ".AWidth(0)", "flow_dot_pair.sv"),
    ("flow_select", ".Ways(-1)", "flow_select.sv"),
    ("flow_width", ".InLanes(0)", "flow_width.sv"),
    ("flow_width", ".OutLanes(0)", "flow_width.sv"),
]


@pytest.mark.parametrize(("name", "parameter", "place"), REFUSED_BY_VERILATOR)
def test_illegal_parameters_that_verilator_refuses(name, parameter, place, tmp_path):
    test_illegal_parameters_are_named(name, parameter, f"%Error: {place}:", tmp_path)


def test_every_cell_has_an_illegal_parameter_to_refuse():
    """But the one whose check is of its own constant, which no instance can reach."""
    [mark] = test_illegal_parameters_are_named.pytestmark
    named = {name for name, *_ in [*mark.args[1], *REFUSED, *REFUSED_BY_VERILATOR]}
    assert set(CELLS) - named == {"flow_axi_control"}


def test_mode_constants_are_the_order_of_flow_formats():
    text = SOURCES["flow_pkg.sv"]
    for prefix, modes in (("ROUND", Rounding), ("OVERFLOW", Overflow)):
        for number, mode in enumerate(modes):
            assert f"localparam int {prefix}_{mode.value} = {number};" in text
        assert f"localparam int {prefix}_MODES = {len(modes)};" in text
