"""The cells of `rtl/` that `cells.py` measures: each with parameters and ports, and what it is measured against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CELLS", "OTHERS", "Cell"]

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
    """A cell with parameters, and the width of each of its ports; `note` stands for a parameter too long to show."""

    module: str
    parameters: Mapping[str, int | str]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    clocked: bool = False
    resets: bool = True
    note: str = ""

    @property
    def case(self) -> str:
        shown = [f"{name}={value}" for name, value in self.parameters.items() if isinstance(value, int)]
        return " ".join([self.module, *shown, *([self.note] if self.note else [])])

    @property
    def registers(self) -> int:
        """Of the ports, and of the reset where there is one."""
        return sum(self.inputs.values()) + sum(self.outputs.values()) + int(self.clocked and self.resets)

    def between_registers(self) -> str:
        """The module `timed`: a register for every bit in front of the cell and behind it."""
        wires = [*self.inputs.items(), *self.outputs.items()]
        ports = [f"input logic [{w - 1}:0] {n}" for n, w in self.inputs.items()]
        ports += [f"output logic [{w - 1}:0] {n}" for n, w in self.outputs.items()]
        names = "".join(f"  logic [{w - 1}:0] q_{n};\n" for n, w in wires)
        calls = ", ".join(f".{n}(q_{n})" for n, _ in wires)
        calls += ", .clk_i(clk_i)" if self.clocked else ""
        calls += ", .rst_ni(rst_q)" if self.clocked and self.resets else ""
        parameters = ", ".join(f".{name}({value})" for name, value in self.parameters.items())
        moves = "".join(f"    q_{n} <= {n};\n" for n in self.inputs) + "".join(
            f"    {n} <= q_{n};\n" for n in self.outputs
        )
        return (
            f"module timed (input logic clk_i, input logic rst_ni, {', '.join(ports)});\n{names}  logic rst_q;\n"
            f"  always_ff @(posedge clk_i) begin\n    rst_q <= rst_ni;\n{moves}  end\n"
            f"  {self.module} #({parameters}) u_cell ({calls});\nendmodule\n"
        )


def dot(module: str, simd: int, width: int, **more: int) -> Cell:
    out = 2 * width + (simd - 1).bit_length()
    parameters = {"Simd": simd, "XWidth": width, "WWidth": width}
    if module in ("flow_dot", "flow_dot_dsp"):
        parameters |= {"OutWidth": out, **more}
    return Cell(module, parameters, {"x_i": simd * width, "w_i": simd * width}, {"y_o": out})


def packed(lanes: int, width: int, simd: int = 2) -> Cell:
    out = 2 * width + (simd - 1).bit_length()
    parameters = {"Simd": simd, "Lanes": lanes, "XWidth": width, "WWidth": width, "OutWidth": out}
    inputs = {"x_i": simd * width, "w_i": simd * lanes * width}
    return Cell("flow_dot_packed", parameters, inputs, {"y_o": lanes * out})


def total(module: str, terms: int, width: int) -> Cell:
    out = width + (terms - 1).bit_length()
    parameters = {"Terms": terms, "Width": width, "OutWidth": out}
    return Cell(module, parameters, {"x_i": terms * width}, {"y_o": out})


def mx(exponent: int, mantissa: int, **more: int) -> Cell:
    element = exponent + mantissa + 1
    product = 2 * element if exponent == 0 else 2 * ((1 << exponent) + mantissa) - 1
    shape = {"AExponent": exponent, "AMantissa": mantissa, "BExponent": exponent, "BMantissa": mantissa}
    inputs = {"a_i": 32 * element, "a_scale_i": 8, "b_i": 32 * element, "b_scale_i": 8}
    return Cell("flow_mx_dot", {**shape, **more}, inputs, {"sum_o": product + 5, "exponent_o": 10, "nan_o": 1})


def stream(module: str, **parameters: int) -> Cell:
    return Cell(module, parameters, STREAM_IN, STREAM_OUT, clocked=True)


def table(bits: int) -> Cell:
    """The sigmoid from codes to codes of as many bits, -4..4 to 0..1."""
    top = (1 << bits) - 1
    codes = [code - ((code >> (bits - 1)) << bits) for code in range(1 << bits)]
    entries = [round(top / (1 + math.exp(-code * 8 / (1 << bits)))) for code in codes]
    packed = sum(entry << (place * bits) for place, entry in enumerate(entries))
    parameters = {"InWidth": bits, "OutWidth": bits, "Table": f"{bits << bits}'h{packed:x}"}
    inputs, outputs = {**STREAM_IN, "data_i": bits}, {**STREAM_OUT, "data_o": bits}
    return Cell("flow_table_stream", parameters, inputs, outputs, clocked=True, note="Table=sigmoid")


def width(lanes_in: int, lanes_out: int) -> Cell:
    parameters = {"Width": 8, "InLanes": lanes_in, "OutLanes": lanes_out}
    inputs, outputs = {**STREAM_IN, "data_i": 8 * lanes_in}, {**STREAM_OUT, "data_o": 8 * lanes_out}
    return Cell("flow_width", parameters, inputs, outputs, clocked=True)


AXI_IN = {"awaddr": 5, "awvalid": 1, "wdata": 32, "wstrb": 4, "wvalid": 1, "bready": 1, "araddr": 5, "arvalid": 1,
          "rready": 1}  # fmt: skip
AXI_OUT = {"awready": 1, "wready": 1, "bresp": 2, "bvalid": 1, "arready": 1, "rdata": 32, "rresp": 2, "rvalid": 1}
E4M3 = {"AExponent": 4, "AMantissa": 3, "BExponent": 4, "BMantissa": 3}


def streamed(module: str, width_in: int, width_out: int, more: Mapping[str, int], **parameters: int) -> Cell:
    """A stream in and a stream out, of these widths; `more` are further ports, an input where it ends in `_i`."""
    inputs = {**STREAM_IN, "data_i": width_in, **{n: w for n, w in more.items() if n.endswith("_i")}}
    outputs = {**STREAM_OUT, "data_o": width_out, **{n: w for n, w in more.items() if n.endswith("_o")}}
    return Cell(module, parameters, inputs, outputs, clocked=True)


def minifloat(module: str, exponent: int, mantissa: int, ports: Mapping[str, int], **parameters: int) -> Cell:
    """A cell of one signed minifloat format."""
    inputs, outputs = ({n: w for n, w in ports.items() if n.endswith(end)} for end in ("_i", "_o"))
    return Cell(module, {"Exponent": exponent, "Mantissa": mantissa, **parameters}, inputs, outputs)


ARITHMETIC = (
    *(Cell("flow_mul_array", {"AWidth": w, "BWidth": w}, {"a_i": w, "b_i": w}, {"p_o": 2 * w}) for w in (4, 6, 8)),
    Cell("flow_mul_table", {"AWidth": 3, "BWidth": 3}, {"a_i": 3, "b_i": 3}, {"p_o": 6}),
    Cell("flow_mul_khot", {"AWidth": 8, "BWidth": 8, "Digits": 2}, {"a_i": 8, "b_i": 10}, {"p_o": 16}),
    *(dot(module, 4, w) for w in (4, 6, 8) for module in ("flow_dot", "array_dot", "star_dot")),
    *(dot("flow_dot", 16, w, Adder=adder) for w in (4, 8) for adder in (0, 1, 2)),
    *(total(module, 16, w) for w in (1, 8) for module in ("flow_compressor", "flow_adder_tree", "plain_sum")),
    Cell("flow_mul_dsp", {"AWidth": 8, "BWidth": 8}, {"a_i": 8, "b_i": 8}, {"p_o": 16}),
    *(dot("flow_dot_dsp", simd, 8) for simd in (4, 8, 16)), packed(2, 8), packed(2, 8, simd=8), packed(4, 4),
    Cell("flow_relu", {"InWidth": 8, "OutWidth": 7}, {"data_i": 8}, {"data_o": 7}),
    Cell("flow_requantize", {"InWidth": 16, "Shift": 8, "OutWidth": 8}, {"data_i": 16}, {"data_o": 8}),
    Cell("flow_softmax_add", {"Mantissa": 12, "ExpWidth": 6},
         {"first_i": 1, "total_i": 13, "top_i": 6, "power_i": 13, "exponent_i": 6}, {"total_o": 13, "top_o": 6}),
    minifloat("flow_minifloat_decode", 4, 3, {"code_i": 8, "data_o": 19}),
    minifloat("flow_minifloat_encode", 4, 3, {"data_i": 20, "code_o": 8}, InWidth=20),
    minifloat("flow_minifloat_add", 4, 3, {"a_i": 8, "b_i": 8, "code_o": 8}),
    Cell("flow_minifloat_mul", E4M3, {"a_i": 8, "b_i": 8}, {"p_o": 37}),
    minifloat("flow_lmul", 4, 3, {"a_i": 8, "b_i": 8, "code_o": 8}),
    Cell("flow_minifloat_dot", {"Simd": 4}, {"a_i": 16, "b_i": 16}, {"y_o": 11}),
    minifloat("flow_minifloat_dot_encode", 2, 1, {"a_i": 16, "b_i": 16, "code_o": 4}, Simd=4),
    mx(2, 1), mx(2, 1, Adder=0), mx(0, 7),
)  # fmt: skip
STREAMS = (
    stream("flow_skid", Width=8), stream("flow_register", Width=8), stream("flow_fifo", Width=8, Depth=32),
    stream("flow_fifo_block", Width=8, Depth=512), width(1, 4), width(4, 1), width(2, 3),
    Cell("flow_fork", {"Ways": 2}, {"valid_i": 1, "ready_i": 2}, {"ready_o": 1, "valid_o": 2}, clocked=True),
    Cell("flow_join", {"OutWidth": 9}, {"a_data_i": 8, "a_valid_i": 1, "b_data_i": 8, "b_valid_i": 1, "ready_i": 1},
         {"a_ready_o": 1, "b_ready_o": 1, "data_o": 9, "valid_o": 1}, clocked=True),
    streamed("flow_select", 16, 8, {"turn_i": 2, "valid_i": 2, "ready_o": 2, "step_o": 1}, Ways=2),
    stream("flow_window"), streamed("flow_window", 8, 8, {}, Height=28, ImageWidth=28, KernelH=5, KernelW=5, PadH=2,
                                    PadW=2, Depth=256),
    stream("flow_pool"), streamed("flow_pool", 8, 16, {}, Average=1, Scale=5, OutWidth=16),
    streamed("flow_argmax", 16, 4, {}),
    streamed("flow_softmax", 8, 13, {"power_i": 12, "address_o": 4}, Mantissa=12),
    streamed("flow_dense", 32, 40, {"weight_i": 64, "bias_i": 40, "weight_en_o": 1, "weight_addr_o": 4,
                                    "bias_addr_o": 2}),
    streamed("flow_depthwise", 8, 20, {"weight_i": 8, "bias_i": 20, "weight_en_o": 1, "weight_addr_o": 4,
                                       "bias_addr_o": 1}),
    streamed("flow_scale_shift", 8, 15, {"scale_i": 6, "shift_i": 15, "addr_o": 1}),
    streamed("flow_quantize_stream", 16, 8, {}, InWidth=16, Shift=8, OutWidth=8),
    streamed("flow_minifloat_stream", 12, 10, {}), table(6), table(8),
    Cell("flow_delay", {"Width": 8, "Cycles": 4}, {"data_i": 8, "advance_i": 1}, {"data_o": 8}, clocked=True,
         resets=False),
    streamed("flow_reorder", 8, 8, {"place_i": 6, "zero_i": 1, "release_i": 1, "freed_i": 7, "last_i": 1, "step_o": 1},
             Beats=64, Depth=64),
)  # fmt: skip
AXIS = {"Width": 8, "Beats": 10}
OUTSIDE = (
    Cell("flow_axis_in", AXIS, {"s_axis_tdata_i": 8, "s_axis_tvalid_i": 1, "s_axis_tlast_i": 1, "ready_i": 1},
         {"s_axis_tready_o": 1, "frame_error_o": 1, "data_o": 8, "valid_o": 1}, clocked=True),
    Cell("flow_axis_out", AXIS, {"data_i": 8, "valid_i": 1, "m_axis_tready_i": 1},
         {"ready_o": 1, "m_axis_tdata_o": 8, "m_axis_tvalid_o": 1, "m_axis_tlast_o": 1}, clocked=True),
    Cell("flow_axi_control", {}, {**{f"s_axil_{n}_i": w for n, w in AXI_IN.items()}, "busy_i": 1, "done_i": 1,
         "error_i": 1}, {**{f"s_axil_{n}_o": w for n, w in AXI_OUT.items()}, "start_o": 1}, clocked=True),
    Cell("flow_uart_bridge", {"Divider": 100}, {"rx_i": 1, **STREAM_IN}, {"tx_o": 1, "error_o": 1, **STREAM_OUT},
         clocked=True),
)  # fmt: skip
CELLS = (*ARITHMETIC, *STREAMS, *OUTSIDE)
