// Signed product in LUTs: p = a * b, every bit of it; never a DSP.
//
// Legal parameters: AWidth, BWidth >= 1. Latency: 0 cycles, combinational.
//
// A module of its own because the attribute that keeps a multiplier out of the DSPs, which Vivado
// and flow.synthesis both read, belongs to a module and cannot depend on a parameter.

(* use_dsp = "no" *)
module flow_mul_fabric #(
    parameter int AWidth = 8,
    parameter int BWidth = 8,
    localparam int PWidth = AWidth + BWidth
) (
    input  logic signed [AWidth-1:0] a_i,
    input  logic signed [BWidth-1:0] b_i,
    output logic signed [PWidth-1:0] p_o
);

  assign p_o = a_i * b_i;

  initial if (AWidth < 1 || BWidth < 1) $fatal(1, "flow_mul_fabric: widths must be at least 1");

endmodule
