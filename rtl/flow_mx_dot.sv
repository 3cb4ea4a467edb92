// Exact dot product of two OCP MX blocks: value = sum_o * 2**exponent_o, in steps of a times steps
// of b.
//
// sum_o = sum_i a[i] * b[i] over the elements in steps, every bit of it; exponent_o = a_scale_i +
// b_scale_i - 254, the sum of the exponents of two E8M0 scales; nan_o: one of the scales is NaN
// (0xFF), and what the block stands for is not a number.
// Elements are minifloats as in flow_minifloat_unpack (mxe2m1, mxe2m3, mxe3m2, ...), or with both
// exponents 0 two's complement integers of Mantissa + 1 bits (mxint8: 7). A step is the smallest
// subnormal of an element, 2**-6 for mxint8.
// Legal parameters: Block >= 1; exponents both 0 or both in 1..5; mantissas >= 0, at least 1 for
// integers; Adder as in flow_dot. Latency: 0 cycles, combinational.
//
// The scales take no part in the sum: the exponents are added beside it, so the sum is an integer
// and does not depend on the order of its terms.

module flow_mx_dot #(
    parameter int Block = 32,
    parameter int AExponent = 2,
    parameter int AMantissa = 1,
    parameter int BExponent = 2,
    parameter int BMantissa = 1,
    parameter int Adder = -1,
    localparam int Integers = (AExponent == 0 && BExponent == 0) ? 1 : 0,
    localparam int AWidth = AExponent + AMantissa + 1,
    localparam int BWidth = BExponent + BMantissa + 1,
    localparam int Binades = (1 << AExponent) + (1 << BExponent) - 2,
    localparam int PWidth = (Integers != 0) ? AWidth + BWidth : Binades + AMantissa + BMantissa + 1,
    localparam int SumWidth = PWidth + $clog2(Block)
) (
    input  logic        [Block*AWidth-1:0] a_i,
    input  logic        [             7:0] a_scale_i,
    input  logic        [Block*BWidth-1:0] b_i,
    input  logic        [             7:0] b_scale_i,
    output logic signed [    SumWidth-1:0] sum_o,
    output logic signed [             9:0] exponent_o,
    output logic                           nan_o
);

  logic [SumWidth-1:0] sum;

  if (Integers != 0) begin : gen_integers
    flow_dot #(
        .Simd    (Block),
        .XWidth  (AWidth),
        .XSigned (1),
        .WWidth  (BWidth),
        .WSigned (1),
        .OutWidth(SumWidth),
        .Adder   (Adder)
    ) u_dot (
        .x_i(a_i),
        .w_i(b_i),
        .y_o(sum)
    );
  end else begin : gen_minifloats
    flow_minifloat_dot #(
        .Simd     (Block),
        .AExponent(AExponent),
        .AMantissa(AMantissa),
        .BExponent(BExponent),
        .BMantissa(BMantissa),
        .Adder    (Adder)
    ) u_dot (
        .a_i(a_i),
        .b_i(b_i),
        .y_o(sum)
    );
  end

  assign sum_o = $signed(sum);
  assign exponent_o = $signed(10'(a_scale_i) + 10'(b_scale_i) - 10'd254);
  assign nan_o = (&a_scale_i) | (&b_scale_i);

  initial begin
    if (Block < 1) $fatal(1, "flow_mx_dot: Block must be at least 1");
    if ((AExponent == 0) != (BExponent == 0)) begin
      $fatal(1, "flow_mx_dot: the elements of both sides are integers, or of both minifloats");
    end
    if (Integers != 0 && (AMantissa < 1 || BMantissa < 1)) begin
      $fatal(1, "flow_mx_dot: integers have at least two bits");
    end
  end

endmodule
