// Dot product of minifloats, rounded once to a minifloat: code = encode(sum_i a[i] * b[i]).
//
// The sum is exact (flow_minifloat_dot); the one rounding is that of flow_minifloat_encode. Shift:
// fraction bits of the product of both steps minus those of the result's step. Rounding and Highest
// as in flow_minifloat_encode, Adder as in flow_dot.
// Legal parameters: Simd >= 1, exponents in 1..5, mantissas >= 0. Latency: 0 cycles, combinational.
//
// A fused sum: it rounds neither products nor partial sums, so that the result does not depend on
// their order, and there is one encoder however many products there are.

module flow_minifloat_dot_encode #(
    parameter int Simd = 4,
    parameter int AExponent = 2,
    parameter int AMantissa = 1,
    parameter int ASigned = 1,
    parameter int BExponent = 2,
    parameter int BMantissa = 1,
    parameter int BSigned = 1,
    parameter int Shift = 1,
    parameter int Exponent = 2,
    parameter int Mantissa = 1,
    parameter int Signed = 1,
    parameter int Rounding = 0,
    parameter int Highest = (1 << (Exponent + Mantissa)) - 1,
    parameter int Adder = -1,
    localparam int AWidth = AExponent + AMantissa + ((ASigned != 0) ? 1 : 0),
    localparam int BWidth = BExponent + BMantissa + ((BSigned != 0) ? 1 : 0),
    localparam int PSigned = (ASigned != 0 || BSigned != 0) ? 1 : 0,
    localparam int Binades = (1 << AExponent) + (1 << BExponent) - 2,
    localparam int SumWidth = Binades + AMantissa + BMantissa + PSigned + $clog2(Simd),
    localparam int Width = Exponent + Mantissa + ((Signed != 0) ? 1 : 0)
) (
    input  logic [Simd*AWidth-1:0] a_i,
    input  logic [Simd*BWidth-1:0] b_i,
    output logic [      Width-1:0] code_o
);

  logic [SumWidth-1:0] sum;

  flow_minifloat_dot #(
      .Simd     (Simd),
      .AExponent(AExponent),
      .AMantissa(AMantissa),
      .ASigned  (ASigned),
      .BExponent(BExponent),
      .BMantissa(BMantissa),
      .BSigned  (BSigned),
      .Adder    (Adder)
  ) u_dot (
      .a_i(a_i),
      .b_i(b_i),
      .y_o(sum)
  );

  flow_minifloat_encode #(
      .InWidth (SumWidth),
      .InSigned(PSigned),
      .Shift   (Shift),
      .Exponent(Exponent),
      .Mantissa(Mantissa),
      .Signed  (Signed),
      .Rounding(Rounding),
      .Highest (Highest)
  ) u_encode (
      .data_i(sum),
      .code_o(code_o)
  );

  initial if (Simd < 1) $fatal(1, "flow_minifloat_dot_encode: Simd must be at least 1");

endmodule
