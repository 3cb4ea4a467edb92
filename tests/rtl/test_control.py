"""The AXI4-Lite slave and the UART bridge under Verilator and cocotb."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flow.errors import ToolError
from flow.estimation.characterise import rtl_sources
from flow.simulation.rtl_verilator import CocotbJob, run_cocotb
from tests.rtl.bench.control_bench import DIVIDER, VERSION

REPOSITORY = Path(__file__).parents[2]
AXI = {
    "awaddr": "i 5", "awvalid": "i 1", "awready": "o 1", "wdata": "i 32", "wstrb": "i 4", "wvalid": "i 1",
    "wready": "o 1", "bresp": "o 2", "bvalid": "o 1", "bready": "i 1", "araddr": "i 5", "arvalid": "i 1",
    "arready": "o 1", "rdata": "o 32", "rresp": "o 2", "rvalid": "o 1", "rready": "i 1",
}  # fmt: skip
PORTS = """
  input logic clk_i, input logic rst_ni, output logic start_o, input logic busy_i, input logic done_i,
  input logic error_i, input logic rx_i, output logic tx_o, output logic uart_error_o,
  output logic [10:0] beat_data_o, output logic beat_valid_o, input logic beat_ready_i,
  input logic [12:0] beat_data_i, input logic beat_valid_i, output logic beat_ready_o"""


def harness() -> str:
    """Both cells side by side; the AXI ports by the names that cocotbext-axi looks for."""
    ports, calls = "", ""
    for name, shape in AXI.items():
        side, width = shape.split()
        ports += f",\n  {'input' if side == 'i' else 'output'} logic [{int(width) - 1}:0] s_axil_{name}"
        calls += f".s_axil_{name}_{side}(s_axil_{name}), "
    return (
        f"module harness ({PORTS}{ports}\n);\n"
        f"  flow_axi_control #(.Version(32'd{VERSION})) u_control (.clk_i, .rst_ni, {calls}"
        ".start_o, .busy_i, .done_i, .error_i);\n"
        f"  flow_uart_bridge #(.Divider({DIVIDER}), .InWidth(11), .OutWidth(13), .Depth(4)) u_bridge (.clk_i, .rst_ni, "
        ".rx_i, .tx_o, .error_o(uart_error_o), .data_o(beat_data_o), .valid_o(beat_valid_o), .ready_i(beat_ready_i), "
        ".data_i(beat_data_i), .valid_i(beat_valid_i), .ready_o(beat_ready_o));\nendmodule\n"
    )


def job(sources: dict[str, str], seed: int = 0) -> CocotbJob:
    files = {**sources, "harness.sv": harness()}
    return CocotbJob(files, "harness", "tests.rtl.bench.control_bench", (REPOSITORY,), seed=seed)


def test_registers_and_serial_line(tmp_path):
    results = (run_cocotb(job(rtl_sources()), tmp_path) / "results.xml").read_text()
    assert len(re.findall("<testcase", results)) == 8
    assert "<failure" not in results


BROKEN = [
    ("flow_axi_control", "& (~s_axil_bvalid_o | s_axil_bready_i);", ";"),
    ("flow_axi_control", "assign s_axil_arready_o = ~s_axil_rvalid_o | s_axil_rready_i;",
     "assign s_axil_arready_o = 1'b1;"),
    ("flow_axi_control", "&& s_axil_wstrb_i[0] && s_axil_wdata_i[0]", "&& s_axil_wdata_i[0]"),
    ("flow_uart_rx", "count_q <= HALF;", "count_q <= BIT;"),
    ("flow_uart_rx", "if (finish || (bit_q == '0 && line)) busy_q", "if (finish) busy_q"),
    ("flow_uart_tx", "left_q <= 4'd9;", "left_q <= 4'd8;"),
    ("flow_uart_bridge", "error_o | frame_error | overrun", "error_o | frame_error"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "right", "wrong"), BROKEN)
def test_broken_cells_are_seen(cell, right, wrong, tmp_path):
    sources = rtl_sources()
    assert sources[f"{cell}.sv"].count(right) == 1
    sources[f"{cell}.sv"] = sources[f"{cell}.sv"].replace(right, wrong)
    with pytest.raises(ToolError, match="exit status 1"):
        run_cocotb(job(sources), tmp_path)
