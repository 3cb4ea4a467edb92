// Product with a number of few digits: p = a * b modulo 2**PWidth, one shift and addition a digit.
//
// b is a sum of at most Digits powers of two below 2**BWidth, as flow.formats.khot has them. b_i
// holds a field for each, the first in the lowest bits: the exponent, of which BWidth and above say
// that there is no such digit, and where BSigned a sign above it. A weight memory keeps them so.
// Legal parameters: AWidth, BWidth, Digits >= 1. Latency: 0 cycles, combinational.
//
// An addition starts from a field's own sign as its carry, so that a negative digit costs nothing.

module flow_mul_khot #(
    parameter int AWidth = 8,
    parameter int BWidth = 8,
    parameter int ASigned = 1,
    parameter int BSigned = 1,
    parameter int Digits = 2,
    localparam int PWidth = AWidth + BWidth,
    localparam int ExponentWidth = $clog2(BWidth + 1),
    localparam int FieldWidth = ExponentWidth + ((BSigned != 0) ? 1 : 0)
) (
    input  logic [           AWidth-1:0] a_i,
    input  logic [Digits*FieldWidth-1:0] b_i,
    output logic [           PWidth-1:0] p_o
);

  logic [PWidth-1:0] a;
  logic [Digits*PWidth+PWidth-1:0] sums;

  assign a = (ASigned != 0) ? PWidth'($signed(a_i)) : PWidth'(a_i);
  assign sums[PWidth-1:0] = '0;

  for (genvar i = 0; i < Digits; i++) begin : gen_digits
    logic [ExponentWidth-1:0] exponent;
    logic negative;
    logic [PWidth-1:0] shifted;
    logic [PWidth:0] chain;
    logic unused;

    assign exponent = b_i[i*FieldWidth+:ExponentWidth];

    if (BSigned != 0) begin : gen_sign
      assign negative = b_i[i*FieldWidth+ExponentWidth];
    end else begin : gen_no_sign
      assign negative = 1'b0;
    end

    assign shifted = (exponent < ExponentWidth'(BWidth)) ? a << exponent : '0;
    // A subtraction of the complement: its left side, the sum, goes into the carry chain itself.
    assign chain = {sums[i*PWidth+:PWidth], negative} - {~(shifted ^ {PWidth{negative}}), 1'b1};
    assign sums[(i+1)*PWidth+:PWidth] = chain[PWidth:1];
    assign unused = chain[0];
  end

  assign p_o = sums[Digits*PWidth+:PWidth];

  initial if (AWidth < 1 || BWidth < 1 || Digits < 1) begin
    $fatal(1, "flow_mul_khot: widths and Digits must be at least 1");
  end

endmodule
