// Exact product of two minifloats in fixed point: p = a * b in steps of a times steps of b.
//
// Codes as in flow_minifloat_unpack; p is signed where either operand is. Legal parameters:
// 1 <= exponents <= 5, mantissas >= 0. Latency: 0 cycles, combinational.
//
// The significands are multiplied in LUTs (flow_mul_array), the product takes its sign, and the sum
// of the exponents shifts it: nothing is normalised and nothing rounded, so that sums of products
// are exact as well. The sign goes in before the shift, where the number is short.

module flow_minifloat_mul #(
    parameter int AExponent = 3,
    parameter int AMantissa = 2,
    parameter int ASigned = 1,
    parameter int BExponent = 3,
    parameter int BMantissa = 2,
    parameter int BSigned = 1,
    localparam int AWidth = AExponent + AMantissa + ((ASigned != 0) ? 1 : 0),
    localparam int BWidth = BExponent + BMantissa + ((BSigned != 0) ? 1 : 0),
    localparam int PSigned = (ASigned != 0 || BSigned != 0) ? 1 : 0,
    localparam int Binades = (1 << AExponent) + (1 << BExponent) - 2,
    localparam int PWidth = Binades + AMantissa + BMantissa + PSigned
) (
    input  logic [AWidth-1:0] a_i,
    input  logic [BWidth-1:0] b_i,
    output logic [PWidth-1:0] p_o
);

  localparam int Significand = AMantissa + BMantissa + 2;
  localparam int ShiftWidth = ((AExponent > BExponent) ? AExponent : BExponent) + 1;

  logic a_negative;
  logic b_negative;
  logic negative;
  logic [AMantissa:0] a_significand;
  logic [BMantissa:0] b_significand;
  logic [AExponent-1:0] a_shift;
  logic [BExponent-1:0] b_shift;
  logic [ShiftWidth-1:0] shift;
  logic [Significand-1:0] magnitude;

  flow_minifloat_unpack #(
      .Exponent(AExponent),
      .Mantissa(AMantissa),
      .Signed  (ASigned)
  ) u_a (
      .code_i(a_i),
      .negative_o(a_negative),
      .significand_o(a_significand),
      .shift_o(a_shift)
  );

  flow_minifloat_unpack #(
      .Exponent(BExponent),
      .Mantissa(BMantissa),
      .Signed  (BSigned)
  ) u_b (
      .code_i(b_i),
      .negative_o(b_negative),
      .significand_o(b_significand),
      .shift_o(b_shift)
  );

  flow_mul_array #(
      .AWidth (AMantissa + 1),
      .BWidth (BMantissa + 1),
      .ASigned(0),
      .BSigned(0)
  ) u_mul (
      .a_i(a_significand),
      .b_i(b_significand),
      .p_o(magnitude)
  );

  assign negative = a_negative ^ b_negative;
  assign shift = ShiftWidth'(a_shift) + ShiftWidth'(b_shift);

  if (PSigned != 0) begin : gen_signed
    logic signed [Significand:0] number;
    assign number = $signed({1'b0, magnitude} ^ {(Significand + 1) {negative}})
                  + $signed((Significand + 1)'(negative));
    assign p_o = PWidth'(number) << shift;
  end else begin : gen_unsigned
    logic unused;
    assign p_o = PWidth'(magnitude) << shift;
    assign unused = negative;
  end

  initial begin
    if (AExponent < 1 || AExponent > 5 || BExponent < 1 || BExponent > 5) begin
      $fatal(1, "flow_minifloat_mul: exponents must lie in 1..5 bits");
    end
    if (AMantissa < 0 || BMantissa < 0) $fatal(1, "flow_minifloat_mul: mantissas must be >= 0");
  end

endmodule
