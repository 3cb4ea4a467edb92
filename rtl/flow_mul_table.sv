// Product by look-up: p = a * b, every bit of it; never a DSP.
//
// Legal parameters: AWidth, BWidth >= 1, together at most 12; either side signed or unsigned.
// Latency: 0 cycles, combinational.
//
// Each bit of the product is a truth table over both operands: one LUT6 up to six bits together,
// twice as many with each further bit. Worth it for the narrowest operands, and where one level of
// logic has to do.

module flow_mul_table #(
    parameter int AWidth = 3,
    parameter int BWidth = 3,
    parameter int ASigned = 1,
    parameter int BSigned = 1,
    localparam int PWidth = AWidth + BWidth
) (
    input  logic [AWidth-1:0] a_i,
    input  logic [BWidth-1:0] b_i,
    output logic [PWidth-1:0] p_o
);

  localparam int Lines = 1 << PWidth;

  // Bit `place` of the product, for all pairs.
  function automatic logic [Lines-1:0] truth_table(input int place);
    int a;
    int b;
    for (int line = 0; line < Lines; line++) begin
      a = line >> BWidth;
      b = line & ((1 << BWidth) - 1);
      if (ASigned != 0 && a >= (1 << (AWidth - 1))) a = a - (1 << AWidth);
      if (BSigned != 0 && b >= (1 << (BWidth - 1))) b = b - (1 << BWidth);
      truth_table[line] = (((a * b) >>> place) & 1) != 0;
    end
  endfunction

  for (genvar j = 0; j < PWidth; j++) begin : gen_bits
    localparam logic [Lines-1:0] TABLE = truth_table(j);
    assign p_o[j] = TABLE[{a_i, b_i}];
  end

  initial if (AWidth < 1 || BWidth < 1 || PWidth > 12) begin
    $fatal(1, "flow_mul_table: widths must be at least 1 and together at most 12");
  end

endmodule
