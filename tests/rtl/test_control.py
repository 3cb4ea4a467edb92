"""The AXI4-Lite slave and UART bridges under Verilator and cocotb."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flow.errors import ToolError
from flow.estimation.characterise import rtl_sources
from flow.simulation.rtl_verilator import CocotbJob, run_cocotb
from tests.rtl.bench import control_bench
from tests.rtl.bench.control_bench import BRIDGES, VERSION, Bridge

REPOSITORY = Path(__file__).parents[2]
CELLS = ("flow_axi_control", "flow_uart_rx", "flow_uart_tx", "flow_uart_bridge")
AXI = {
    "awaddr": "i 5", "awvalid": "i 1", "awready": "o 1", "wdata": "i 32", "wstrb": "i 4", "wvalid": "i 1",
    "wready": "o 1", "bresp": "o 2", "bvalid": "o 1", "bready": "i 1", "araddr": "i 5", "arvalid": "i 1",
    "arready": "o 1", "rdata": "o 32", "rresp": "o 2", "rvalid": "o 1", "rready": "i 1",
}  # fmt: skip
PORTS = """
  input logic clk_i, input logic rst_ni, output logic start_o, input logic busy_i, input logic done_i,
  input logic error_i"""


def bridge_ports(number: int, bridge: Bridge) -> dict[str, tuple[str, int]]:
    """Every port of a bridge but clock and reset: its name in the harness, and its width."""
    widths = {"data_o": bridge.in_width, "data_i": bridge.out_width}
    return {name: (f"u{number}_{name}", widths.get(name, 1)) for name in control_bench.PORTS}


def harness() -> str:
    """All cells side by side; the AXI ports by the names that cocotbext-axi looks for."""
    ports, calls = "", ""
    for name, shape in AXI.items():
        side, width = shape.split()
        ports += f",\n  {'input' if side == 'i' else 'output'} logic [{int(width) - 1}:0] s_axil_{name}"
        calls += f".s_axil_{name}_{side}(s_axil_{name}), "
    bridges = ""
    for number, bridge in enumerate(BRIDGES):
        found = bridge_ports(number, bridge)
        for name, (port, bits) in found.items():
            ports += f",\n  {'input' if name.endswith('_i') else 'output'} logic [{bits - 1}:0] {port}"
        bridges += (
            f"  flow_uart_bridge #(.Divider({bridge.divider}), .InWidth({bridge.in_width}), "
            f".OutWidth({bridge.out_width}), .Depth({bridge.depth})) u_bridge{number} (.clk_i, .rst_ni, "
            f"{', '.join(f'.{name}({port})' for name, (port, _) in found.items())});\n"
        )
    return (
        f"module harness ({PORTS}{ports}\n);\n"
        f"  flow_axi_control #(.Version(32'd{VERSION})) u_control (.clk_i, .rst_ni, {calls}"
        ".start_o, .busy_i, .done_i, .error_i);\n"
        f"{bridges}endmodule\n"
    )


def job(sources: dict[str, str], seed: int = 0) -> CocotbJob:
    files = {**sources, "harness.sv": harness()}
    return CocotbJob(files, "harness", "tests.rtl.bench.control_bench", (REPOSITORY,), seed=seed)


def driven(scratch: Path, seed: int) -> None:
    results = (run_cocotb(job(rtl_sources(), seed), scratch) / "results.xml").read_text()
    assert len(re.findall("<testcase", results)) == 4 + 4 * len(BRIDGES) == 16
    assert "<failure" not in results


def test_registers_and_serial_lines(tmp_path):
    driven(tmp_path, seed=0)


@pytest.mark.slow
def test_nothing_depends_on_what_registers_hold_before_reset(tmp_path):
    """Registers start with other random bits for every seed."""
    for seed in (1, 2, 3):
        driven(tmp_path, seed)


BROKEN = [
    ("flow_axi_control", "& (~s_axil_bvalid_o | s_axil_bready_i);", ";"),
    ("flow_axi_control", "assign s_axil_arready_o = ~s_axil_rvalid_o | s_axil_rready_i;",
     "assign s_axil_arready_o = 1'b1;"),
    ("flow_axi_control", "&& s_axil_wstrb_i[0] && s_axil_wdata_i[0]", "&& s_axil_wdata_i[0]"),
    ("flow_uart_rx", "count_q <= HALF;", "count_q <= BIT;"),
    ("flow_uart_rx", "if (finish || (bit_q == '0 && line)) busy_q", "if (finish) busy_q"),
    ("flow_uart_tx", "left_q <= 4'd9;", "left_q <= 4'd8;"),
    ("flow_uart_bridge", "error_o | frame_error | overrun", "error_o | frame_error"),
    ("flow_uart_bridge", ".OutLanes(InBytes)", ".OutLanes((InBytes > 2) ? 2 : InBytes)"),
    ("flow_uart_rx", "localparam int CountWidth = $clog2(Divider);", "localparam int CountWidth = 3;"),
    ("flow_uart_tx", "localparam int CountWidth = (Divider > 1) ? $clog2(Divider) : 1;",
     "localparam int CountWidth = 3;"),
    ("flow_uart_tx", "tx_o <= 1'b1;\n    end else if", "end else if"),
    ("flow_axi_control", "      s_axil_bvalid_o <= 1'b0;\n      s_axil_bresp_o", "      s_axil_bresp_o"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "right", "wrong"), BROKEN)
def test_broken_cells_are_seen(cell, right, wrong, tmp_path):
    sources = rtl_sources()
    assert sources[f"{cell}.sv"].count(right) == 1
    sources[f"{cell}.sv"] = sources[f"{cell}.sv"].replace(right, wrong)
    with pytest.raises(ToolError, match="exit status 1"):
        run_cocotb(job(sources), tmp_path)
