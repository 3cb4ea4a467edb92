// Sum of two products in LUTs and carry chains: y = a[0] * b[0] + a[1] * b[1]; never a DSP.
//
// Legal parameters: AWidth, BWidth >= 1; either side signed or unsigned. Latency: 0 cycles,
// combinational.
//
// Two array multipliers in one: at every radix-4 Booth digit the rows of both products follow each
// other before the sum moves on by two bits, so that a row adds to what came before it and nothing
// is left to add behind the products. The adder that this saves is about a sixth of the LUTs; a
// group of four products would save another few percent and double the depth, which is that of
// twice the rows of one product here.

module flow_dot_pair #(
    parameter int AWidth = 8,
    parameter int BWidth = 8,
    parameter int ASigned = 1,
    parameter int BSigned = 1,
    localparam int OutWidth = AWidth + BWidth + 1
) (
    input  logic [2*AWidth-1:0] a_i,
    input  logic [2*BWidth-1:0] b_i,
    output logic [OutWidth-1:0] y_o
);

  // The digits of b, or of a where that takes fewer LUTs. Per digit one row for each product.
  localparam int AUnsigned = (ASigned != 0) ? 0 : 1;
  localparam int BUnsigned = (BSigned != 0) ? 0 : 1;
  localparam int DigitsA = (AWidth + AUnsigned + 1) / 2;
  localparam int DigitsB = (BWidth + BUnsigned + 1) / 2;
  localparam int CostDigitsA = DigitsA * (2 * BWidth + 4 + BUnsigned);
  localparam int CostDigitsB = DigitsB * (2 * AWidth + 4 + AUnsigned);
  localparam int Swap = (CostDigitsA < CostDigitsB) ? 1 : 0;
  localparam int Rows = (Swap != 0) ? DigitsA : DigitsB;
  // One bit more than a multiplicand: the sign of an unsigned one, and room for the sum of two
  // signed ones, a quarter of which goes on to the next digit.
  localparam int Width = ((Swap != 0) ? BWidth : AWidth) + 1;
  localparam int Unsigned = (Swap != 0) ? BUnsigned : AUnsigned;
  localparam int AWide = (Swap != 0) ? 2 * DigitsA : AWidth + 1;
  localparam int BWide = (Swap != 0) ? BWidth + 1 : 2 * DigitsB;

  logic signed [AWide-1:0] a0, a1;
  logic signed [BWide-1:0] b0, b1;
  logic [Width-1:0] multiplicand0, multiplicand1;
  logic [2*Rows-1:0] multiplier0, multiplier1;

  assign a0 = (ASigned != 0) ? AWide'($signed(a_i[0+:AWidth])) : AWide'(a_i[0+:AWidth]);
  assign a1 = (ASigned != 0) ? AWide'($signed(a_i[AWidth+:AWidth])) : AWide'(a_i[AWidth+:AWidth]);
  assign b0 = (BSigned != 0) ? BWide'($signed(b_i[0+:BWidth])) : BWide'(b_i[0+:BWidth]);
  assign b1 = (BSigned != 0) ? BWide'($signed(b_i[BWidth+:BWidth])) : BWide'(b_i[BWidth+:BWidth]);

  if (Swap != 0) begin : gen_digits_a
    assign multiplicand0 = b0;
    assign multiplicand1 = b1;
    assign multiplier0 = a0;
    assign multiplier1 = a1;
  end else begin : gen_digits_b
    assign multiplicand0 = a0;
    assign multiplicand1 = a1;
    assign multiplier0 = b0;
    assign multiplier1 = b1;
  end

  for (genvar i = 0; i < Rows; i++) begin : gen_row
    // The sum after a row, cut where y ends: twice the multiplicand, and what came before it.
    localparam int Left = OutWidth - 2 * i;
    localparam int OneWide = (Unsigned != 0 && i > 0) ? Width + 2 : Width + 1;
    localparam int OneWidth = (Left < OneWide) ? Left : OneWide;
    localparam int BothWidth = (Left < Width + 2) ? Left : Width + 2;
    logic [2:0] digit0, digit1;
    logic [Width-1:0] partial;
    logic [OneWidth-1:0] one;
    logic [BothWidth-1:0] wide;
    logic [BothWidth-1:0] one_wide;
    logic [BothWidth-1:0] sum;

    assign wide = BothWidth'($signed(multiplicand1));
    assign one_wide = BothWidth'($signed(one));

    if (i == 0) begin : gen_first
      assign digit0 = {multiplier0[1:0], 1'b0};
      assign digit1 = {multiplier1[1:0], 1'b0};
      assign partial = '0;
    end else begin : gen_next
      assign digit0 = multiplier0[2*i-1+:3];
      assign digit1 = multiplier1[2*i-1+:3];
      assign partial = Width'($signed(gen_row[i-1].sum) >>> 2);
    end

    flow_mul_row #(
        .Width(Width),
        .OutWidth(OneWidth),
        .First((i == 0) ? 1 : 0)
    ) u_one (
        .a_i(multiplicand0),
        .digit_i(digit0),
        .partial_i(partial),
        .sum_o(one)
    );

    flow_mul_row #(
        .Width(BothWidth),
        .OutWidth(BothWidth),
        .First(0)
    ) u_both (
        .a_i(wide),
        .digit_i(digit1),
        .partial_i(one_wide),
        .sum_o(sum)
    );

    if (i < Rows - 1) begin : gen_low
      assign y_o[2*i+:2] = sum[1:0];
    end else begin : gen_high
      assign y_o[OutWidth-1:2*i] = sum;
    end
  end

  initial if (AWidth < 1 || BWidth < 1) $fatal(1, "flow_dot_pair: widths must be at least 1");

endmodule
