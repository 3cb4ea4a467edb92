// L-Mul: a product of two minifloats of one format approximated by one addition of their codes.
//
// code = a + b - (Bias << Mantissa) + Offset on the magnitudes, with the sign apart; a carry out of
// the mantissas raises the exponent. Zeros and subnormals count as zero, a result below the normal
// numbers is zero, and one above Highest saturates (flow.formats.lmul, packed adder).
// Legal parameters: Exponent, Mantissa >= 1; Highest as in flow_minifloat_encode.
// Latency: 0 cycles, combinational.

module flow_lmul #(
    parameter int Exponent = 4,
    parameter int Mantissa = 3,
    parameter int Signed = 1,
    parameter int Bias = 7,
    parameter int Offset = 0,
    parameter int Highest = (1 << (Exponent + Mantissa)) - 1,
    localparam int Width = Exponent + Mantissa + ((Signed != 0) ? 1 : 0)
) (
    input  logic [Width-1:0] a_i,
    input  logic [Width-1:0] b_i,
    output logic [Width-1:0] code_o
);

  localparam int Packed = Exponent + Mantissa;
  localparam int Constant = Offset - (Bias << Mantissa);
  // The sum of two magnitudes and the constant, with its sign.
  localparam int Span = (Constant < 0) ? -Constant : Constant;
  localparam int SumWidth = ((Packed > $clog2(Span + 1)) ? Packed : $clog2(Span + 1)) + 3;

  logic signed [SumWidth-1:0] total;
  logic zero;
  logic [Packed-1:0] magnitude;

  assign total = SumWidth'(a_i[Packed-1:0]) + SumWidth'(b_i[Packed-1:0]) + SumWidth'(Constant);
  assign zero = a_i[Packed-1:Mantissa] == '0 || b_i[Packed-1:Mantissa] == '0
             || total < $signed(SumWidth'(1 << Mantissa));
  assign magnitude = zero ? '0
                   : (total > $signed(SumWidth'(Highest))) ? Packed'(Highest) : total[Packed-1:0];

  if (Signed != 0) begin : gen_signed
    assign code_o = {(a_i[Width-1] ^ b_i[Width-1]) & ~zero, magnitude};
  end else begin : gen_unsigned
    assign code_o = magnitude;
  end

  initial if (Exponent < 1 || Mantissa < 1) begin
    $fatal(1, "flow_lmul: Exponent and Mantissa must be at least 1");
  end

endmodule
