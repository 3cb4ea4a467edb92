// One row of an array multiplier: sum = floor(partial) + digit * a, modulo 2**OutWidth.
//
// The digit is a radix-4 Booth digit, -2 * digit_i[2] + digit_i[1] + digit_i[0]; a and partial are
// signed. First marks the row without a partial sum, whose digit_i[0] is 0; it reads no partial_i.
// Legal parameters: Width >= 2; 2 <= OutWidth <= Width + 2. Latency: 0 cycles, combinational.
//
// A bit of the multiple is a function of three bits of the digit and two of a, so that with the bit
// of the partial sum it fills the LUT6 in front of the carry chain: one LUT a bit selects and adds.
// This needs the partial sum on the carry chain's own input, which is the left side of a
// subtraction, the one operator whose sides synthesis does not swap; hence the complements.

module flow_mul_row #(
    parameter int Width = 8,
    parameter int OutWidth = Width + 2,
    parameter int First = 0
) (
    input  logic [   Width-1:0] a_i,
    input  logic [         2:0] digit_i,
    input  logic [   Width-1:0] partial_i,
    output logic [OutWidth-1:0] sum_o
);

  logic negative;
  logic [Width:0] multiple;  // the selected multiple of a, complemented where it is negative
  logic signed [Width:0] term;

  assign negative = digit_i[2];
  assign multiple = (digit_i[1] ^ digit_i[0]) ? {a_i[Width-1], a_i}
                  : (digit_i[2] ^ digit_i[1]) ? {a_i, 1'b0} : '0;
  assign term = $signed(multiple ^ {(Width + 1) {negative}});

  if (First != 0) begin : gen_first
    // Bit 0 is a product of two bits; what carries out of it is the 1 that completes a negative
    // multiple, unless that 1 stays in bit 0. The lowest bit of the chain stops the subtraction's
    // own carry.
    logic bit_0;
    logic signed [OutWidth-1:0] right;
    logic [OutWidth:0] chain;
    logic unused;
    assign right = OutWidth'(term);
    assign bit_0 = a_i[0] & digit_i[1];
    assign chain = {{(OutWidth - 1) {1'b0}}, negative, 1'b0}
                 - {~right[OutWidth-1:1], ~(negative ^ bit_0), 1'b1};
    assign sum_o = {chain[OutWidth:2], bit_0};
    assign unused = ^{partial_i, chain[1:0], right[0], term};
  end else begin : gen_next
    // The lowest bit of the chain only makes the carry into the sum.
    logic signed [OutWidth-1:0] left;
    logic signed [OutWidth-1:0] right;
    logic [OutWidth:0] chain;
    logic unused;
    assign left = OutWidth'($signed(partial_i));
    assign right = OutWidth'(term);
    assign chain = {left, negative} - {~right, 1'b1};
    assign sum_o = chain[OutWidth:1];
    assign unused = ^{chain[0], term};
  end

  initial if (Width < 2 || OutWidth < 2 || OutWidth > Width + 2) begin
    $fatal(1, "flow_mul_row: Width must be at least 2 and OutWidth in 2..Width+2");
  end

endmodule
