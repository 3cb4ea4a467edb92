// Signed product: p = a * b, every bit of it.
//
// Legal parameters: AWidth, BWidth >= 1. Latency: 0 cycles, combinational.
//
// A plain `*`: synthesis picks a DSP or a Booth array by its own options. flow_mul_array is the
// product in logic.

module flow_mul #(
    parameter int AWidth = 8,
    parameter int BWidth = 8,
    localparam int PWidth = AWidth + BWidth
) (
    input  logic signed [AWidth-1:0] a_i,
    input  logic signed [BWidth-1:0] b_i,
    output logic signed [PWidth-1:0] p_o
);

  assign p_o = a_i * b_i;

  initial if (AWidth < 1 || BWidth < 1) $fatal(1, "flow_mul: widths must be at least 1");

endmodule
