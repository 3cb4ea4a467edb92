// Product that may become a DSP: p = a * b, every bit of it.
//
// Legal parameters: AWidth, BWidth >= 1; either side signed or unsigned. Latency: 0 cycles,
// combinational; registers around it are the caller's.
//
// flow_mul is the same for signed operands; here an unsigned one gets a zero above it, which the
// ports of a DSP have room for.

module flow_mul_dsp #(
    parameter int AWidth = 8,
    parameter int BWidth = 8,
    parameter int ASigned = 1,
    parameter int BSigned = 1,
    localparam int PWidth = AWidth + BWidth
) (
    input  logic [AWidth-1:0] a_i,
    input  logic [BWidth-1:0] b_i,
    output logic [PWidth-1:0] p_o
);

  localparam int AWide = (ASigned != 0) ? AWidth : AWidth + 1;
  localparam int BWide = (BSigned != 0) ? BWidth : BWidth + 1;

  logic signed [AWide-1:0] a;
  logic signed [BWide-1:0] b;
  logic signed [AWide+BWide-1:0] product;

  assign a = (ASigned != 0) ? AWide'($signed(a_i)) : AWide'(a_i);
  assign b = (BSigned != 0) ? BWide'($signed(b_i)) : BWide'(b_i);

  flow_mul #(
      .AWidth(AWide),
      .BWidth(BWide)
  ) u_mul (
      .a_i(a),
      .b_i(b),
      .p_o(product)
  );

  assign p_o = product[PWidth-1:0];
  logic unused;  // the sign of an unsigned product
  assign unused = ^product;

  initial if (AWidth < 1 || BWidth < 1) $fatal(1, "flow_mul_dsp: widths must be at least 1");

endmodule
