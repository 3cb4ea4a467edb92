// Sum of two minifloats of one format, rounded once: code = saturate(round(a + b)).
//
// Codes as in flow_minifloat_unpack, Rounding as in flow_minifloat_encode. A sum of zero is minus
// zero where both operands are negative, and when rounding down where either is (IEEE 754).
// Legal parameters: 1 <= Exponent <= 5, Mantissa >= 0. Latency: 0 cycles, combinational.
//
// Through fixed point: both operands become whole numbers of steps, whose sum is exact. Up to about
// three exponent bits this is shorter than aligning, guard bits and normalising.

module flow_minifloat_add #(
    parameter int Exponent = 3,
    parameter int Mantissa = 2,
    parameter int Signed = 1,
    parameter int Rounding = 0,
    localparam int Width = Exponent + Mantissa + ((Signed != 0) ? 1 : 0)
) (
    input  logic [Width-1:0] a_i,
    input  logic [Width-1:0] b_i,
    output logic [Width-1:0] code_o
);

  localparam int FixedWidth = (1 << Exponent) + Mantissa - ((Signed != 0) ? 0 : 1);

  logic [FixedWidth-1:0] a;
  logic [FixedWidth-1:0] b;
  logic [FixedWidth:0] sum;
  logic [Width-1:0] code;

  flow_minifloat_decode #(
      .Exponent(Exponent),
      .Mantissa(Mantissa),
      .Signed  (Signed)
  ) u_a (
      .code_i(a_i),
      .data_o(a)
  );

  flow_minifloat_decode #(
      .Exponent(Exponent),
      .Mantissa(Mantissa),
      .Signed  (Signed)
  ) u_b (
      .code_i(b_i),
      .data_o(b)
  );

  if (Signed != 0) begin : gen_signed
    logic minus_zero;
    assign sum = {a[FixedWidth-1], a} + {b[FixedWidth-1], b};
    assign minus_zero = (sum == '0) & ((Rounding == 4) ? a_i[Width-1] | b_i[Width-1]
                                                       : a_i[Width-1] & b_i[Width-1]);
    assign code_o = {code[Width-1] | minus_zero, code[Width-2:0]};
  end else begin : gen_unsigned
    assign sum = {1'b0, a} + {1'b0, b};
    assign code_o = code;
  end

  flow_minifloat_encode #(
      .InWidth (FixedWidth + 1),
      .InSigned(Signed),
      .Exponent(Exponent),
      .Mantissa(Mantissa),
      .Signed  (Signed),
      .Rounding(Rounding)
  ) u_encode (
      .data_i(sum),
      .code_o(code)
  );

  initial if (Exponent < 1 || Exponent > 5 || Mantissa < 0) begin
    $fatal(1, "flow_minifloat_add: Exponent must lie in 1..5 and Mantissa be at least 0");
  end

endmodule
