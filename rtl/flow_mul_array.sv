// Product in LUTs and carry chains: p = a * b, every bit of it; never a DSP.
//
// Legal parameters: AWidth, BWidth >= 1; either side signed or unsigned. Latency: 0 cycles,
// combinational. flow_mul_dsp and flow_mul_table have the same interface; flow_mul_khot takes a
// field for each digit of b in place of b, as a b_i of another width.
//
// One operand is recoded into radix-4 Booth digits, and each digit is one row of flow_mul_row: half
// as many rows as bits, and a row takes one LUT6 for each bit of the other operand and one more. A
// compressor tree would be faster, but needs a LUT to select a bit and others to add it. Products
// of up to six bits are a table instead: one LUT6 a bit, without a chain.

module flow_mul_array #(
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

  // Both sides as signed numbers, at least two bits wide.
  localparam int AWide = (ASigned != 0 && AWidth > 1) ? AWidth : AWidth + 1;
  localparam int BWide = (BSigned != 0 && BWidth > 1) ? BWidth : BWidth + 1;

  // The rows of either choice, each as long as the other operand. The last row of an odd number of
  // bits is one LUT shorter.
  localparam int CostDigitsB = (BWide + 1) / 2 * (AWide + 1) - BWide % 2;
  localparam int CostDigitsA = (AWide + 1) / 2 * (BWide + 1) - AWide % 2;
  localparam int Swap = (CostDigitsA < CostDigitsB) ? 1 : 0;
  localparam int Width = (Swap != 0) ? BWide : AWide;
  localparam int Rows = (((Swap != 0) ? AWide : BWide) + 1) / 2;

  if (PWidth <= 6) begin : gen_table
    flow_mul_table #(
        .AWidth (AWidth),
        .BWidth (BWidth),
        .ASigned(ASigned),
        .BSigned(BSigned)
    ) u_table (
        .a_i(a_i),
        .b_i(b_i),
        .p_o(p_o)
    );
  end else begin : gen_rows
    logic signed [AWide-1:0] a;
    logic signed [BWide-1:0] b;
    logic [ Width-1:0] multiplicand;
    logic [2*Rows-1:0] multiplier;

    assign a = (ASigned != 0) ? AWide'($signed(a_i)) : AWide'(a_i);
    assign b = (BSigned != 0) ? BWide'($signed(b_i)) : BWide'(b_i);

    if (Swap != 0) begin : gen_digits_a
      assign multiplicand = b;
      assign multiplier = (2 * Rows)'(a);
    end else begin : gen_digits_b
      assign multiplicand = a;
      assign multiplier = (2 * Rows)'(b);
    end

    for (genvar i = 0; i < Rows; i++) begin : gen_row
      // The last row is cut where the product ends.
      localparam int OutWidth = (PWidth - 2 * i < Width + 2) ? PWidth - 2 * i : Width + 2;
      logic [2:0] digit;
      logic [Width-1:0] partial;
      logic [OutWidth-1:0] sum;

      if (i == 0) begin : gen_first
        assign digit = {multiplier[1:0], 1'b0};
        assign partial = '0;
      end else begin : gen_next
        assign digit = multiplier[2*i-1+:3];
        assign partial = Width'(gen_row[i-1].sum >> 2);
      end

      flow_mul_row #(
          .Width(Width),
          .OutWidth(OutWidth),
          .First((i == 0) ? 1 : 0)
      ) u_row (
          .a_i(multiplicand),
          .digit_i(digit),
          .partial_i(partial),
          .sum_o(sum)
      );

      if (i < Rows - 1) begin : gen_low
        assign p_o[2*i+:2] = sum[1:0];
      end else begin : gen_high
        assign p_o[PWidth-1:2*i] = sum;
      end
    end
  end

  initial if (AWidth < 1 || BWidth < 1) $fatal(1, "flow_mul_array: widths must be at least 1");

endmodule
