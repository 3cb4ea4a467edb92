// A fixed-point number as the code of a minifloat: code = saturate(round(data * 2**-Shift steps)).
//
// Shift: fraction bits of the input minus those of the minifloat's step (negative shifts left).
// Rounding: 0 nearest, ties to even; 1 nearest, ties away from zero; 2 towards zero; 3 up; 4 down:
// the order of flow.formats.FloatRounding. Highest is the code of the largest number, all ones
// unless the last codes are no numbers. A negative number that rounds to zero becomes minus zero,
// and zero where the minifloat is unsigned.
// Legal parameters: InWidth >= 1, 1 <= Exponent <= 5, Mantissa >= 0. Latency: 0 cycles,
// combinational.
//
// The highest binade that the magnitude reaches says how many bits are cut off; its number put
// above the bits that are left is the code, where a carry out of the mantissa is the next binade.

module flow_minifloat_encode #(
    parameter int InWidth = 12,
    parameter int InSigned = 1,
    parameter int Shift = 0,
    parameter int Exponent = 3,
    parameter int Mantissa = 2,
    parameter int Signed = 1,
    parameter int Rounding = 0,
    parameter int Highest = (1 << (Exponent + Mantissa)) - 1,
    localparam int Width = Exponent + Mantissa + ((Signed != 0) ? 1 : 0)
) (
    input  logic [InWidth-1:0] data_i,
    output logic [  Width-1:0] code_o
);

  localparam int Drop = (Shift > 0) ? Shift : 0;
  localparam int Lift = (Shift < 0) ? -Shift : 0;
  localparam int Binades = (1 << Exponent) - 1;  // the normal ones; one more stands for overflow
  // The magnitude with a zero below it, wide enough for a bit in every binade and above.
  localparam int Reach = Drop + Mantissa + Binades + 2;
  localparam int WideWidth = (InWidth + Lift + 1 > Reach) ? InWidth + Lift + 1 : Reach;
  localparam int CodeWidth = Exponent + Mantissa + 1;  // with room for the overflow
  localparam int CutWidth = $clog2(WideWidth);

  logic negative;
  logic [InWidth-1:0] magnitude;
  logic [WideWidth-1:0] wide;
  logic [CutWidth-1:0] cut;
  logic [CodeWidth-1:0] field;
  logic [WideWidth-1:0] kept;
  logic [CodeWidth-1:0] floor;
  logic [CodeWidth-1:0] rounded;
  logic [CodeWidth-2:0] result;
  logic half;
  logic rest;
  logic raise;

  if (InSigned != 0) begin : gen_signed
    assign negative = data_i[InWidth-1];
  end else begin : gen_unsigned
    assign negative = 1'b0;
  end

  assign magnitude = (data_i ^ {InWidth{negative}}) + InWidth'(negative);
  assign wide = WideWidth'(magnitude) << (Lift + 1);

  always_comb begin
    field = '0;
    for (int i = 1; i <= Binades + 1; i++) begin
      if ((wide >> (Drop + Mantissa + i)) != '0) field = CodeWidth'(i - 1);
    end
  end

  assign cut = CutWidth'(Drop) + CutWidth'(field);
  assign kept = wide >> cut;
  assign half = kept[0];
  assign rest = (wide & ~({WideWidth{1'b1}} << cut)) != '0;
  // A normal number brings its leading one along, which raises the field by one.
  assign floor = (field << Mantissa) + CodeWidth'(kept >> 1);

  if (Rounding == 0) begin : gen_nearest_even
    assign raise = half & (rest | floor[0]);
  end else if (Rounding == 1) begin : gen_nearest_away
    assign raise = half;
  end else if (Rounding == 3) begin : gen_up
    assign raise = (half | rest) & ~negative;
  end else if (Rounding == 4) begin : gen_down
    assign raise = (half | rest) & negative;
  end else begin : gen_toward_zero
    assign raise = 1'b0;
  end

  assign rounded = floor + CodeWidth'(raise);

  logic overflow;
  assign overflow = field == CodeWidth'(Binades) || rounded > CodeWidth'(Highest);
  assign result = overflow ? (CodeWidth - 1)'(Highest) : rounded[CodeWidth-2:0];

  if (Signed != 0) begin : gen_sign
    assign code_o = {negative, result};
  end else begin : gen_no_sign
    assign code_o = negative ? '0 : result;
  end

  // Read by some roundings and not by others.
  logic unused;
  assign unused = ^{half, rest, kept};

  initial begin
    if (InWidth < 1) $fatal(1, "flow_minifloat_encode: InWidth must be at least 1");
    if (Exponent < 1 || Exponent > 5 || Mantissa < 0) begin
      $fatal(1, "flow_minifloat_encode: Exponent must lie in 1..5 and Mantissa be at least 0");
    end
    if (Rounding < 0 || Rounding > 4) $fatal(1, "flow_minifloat_encode: Rounding must lie in 0..4");
  end

endmodule
