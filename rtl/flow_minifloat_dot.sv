// Exact dot product of minifloats: y = sum_i a[i] * b[i] in steps of a times steps of b.
//
// The elements of an OCP MX block are such codes: with Simd 32 this is the dot product of two
// blocks without their scales, whose exponents are added beside it.
// Legal parameters: Simd >= 1, exponents in 1..5, mantissas >= 0; Adder as in flow_dot.
// Latency: 0 cycles, combinational.
//
// The accumulator has every bit of every sum, log2(Simd) more than a product.

module flow_minifloat_dot #(
    parameter int Simd = 4,
    parameter int AExponent = 2,
    parameter int AMantissa = 1,
    parameter int ASigned = 1,
    parameter int BExponent = 2,
    parameter int BMantissa = 1,
    parameter int BSigned = 1,
    parameter int Adder = -1,
    localparam int AWidth = AExponent + AMantissa + ((ASigned != 0) ? 1 : 0),
    localparam int BWidth = BExponent + BMantissa + ((BSigned != 0) ? 1 : 0),
    localparam int PSigned = (ASigned != 0 || BSigned != 0) ? 1 : 0,
    localparam int Binades = (1 << AExponent) + (1 << BExponent) - 2,
    localparam int PWidth = Binades + AMantissa + BMantissa + PSigned,
    localparam int OutWidth = PWidth + $clog2(Simd)
) (
    input  logic [Simd*AWidth-1:0] a_i,
    input  logic [Simd*BWidth-1:0] b_i,
    output logic [   OutWidth-1:0] y_o
);

  // Up to four products some of either sum are smaller; beyond, chains are.
  localparam int Smallest = (Simd > 4) ? 2 : 0;

  logic [Simd*OutWidth-1:0] products;

  flow_dot_sum #(
      .Adder   ((Adder == -1) ? Smallest : Adder),
      .Terms   (Simd),
      .Width   (PWidth),
      .Signed  (PSigned),
      .OutWidth(OutWidth)
  ) u_sum (
      .x_i(products),
      .y_o(y_o)
  );

  for (genvar i = 0; i < Simd; i++) begin : gen_products
    logic [PWidth-1:0] product;

    flow_minifloat_mul #(
        .AExponent(AExponent),
        .AMantissa(AMantissa),
        .ASigned  (ASigned),
        .BExponent(BExponent),
        .BMantissa(BMantissa),
        .BSigned  (BSigned)
    ) u_mul (
        .a_i(a_i[i*AWidth+:AWidth]),
        .b_i(b_i[i*BWidth+:BWidth]),
        .p_o(product)
    );

    if (PSigned != 0) begin : gen_signed
      assign products[i*OutWidth+:OutWidth] = OutWidth'($signed(product));
    end else begin : gen_unsigned
      assign products[i*OutWidth+:OutWidth] = OutWidth'(product);
    end
  end

  initial if (Simd < 1) $fatal(1, "flow_minifloat_dot: Simd must be at least 1");

endmodule
