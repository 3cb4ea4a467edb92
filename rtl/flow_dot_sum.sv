// Sum of the terms of a dot product: y = sum_i x[i], modulo 2**OutWidth.
//
// Every term has OutWidth bits, of which those above Width are its sign, or zeros.
// Legal parameters: Terms, Width, OutWidth >= 1; Adder 0 for `+`, which synthesis shapes, 1 for
// counters (flow_compressor), 2 for carry chains (flow_adder_tree). Latency: 0 cycles,
// combinational.

module flow_dot_sum #(
    parameter int Adder = 2,
    parameter int Terms = 8,
    parameter int Width = 8,
    parameter int Signed = 1,
    parameter int OutWidth = 11
) (
    input  logic [Terms*OutWidth-1:0] x_i,
    output logic [      OutWidth-1:0] y_o
);

  if (Adder == 0) begin : gen_plus
    // A loop, of which Yosys makes one compressor of full adders.
    always_comb begin
      y_o = '0;
      for (int i = 0; i < Terms; i++) y_o = y_o + x_i[i*OutWidth+:OutWidth];
    end
  end else begin : gen_tree
    localparam int TermWidth = (Width < OutWidth) ? Width : OutWidth;
    logic [Terms*TermWidth-1:0] terms;

    for (genvar i = 0; i < Terms; i++) begin : gen_terms
      assign terms[i*TermWidth+:TermWidth] = x_i[i*OutWidth+:TermWidth];
    end
    logic unused;  // what is above a term
    assign unused = ^x_i;

    if (Adder == 1) begin : gen_compressor
      flow_compressor #(
          .Terms   (Terms),
          .Width   (TermWidth),
          .Signed  (Signed),
          .OutWidth(OutWidth)
      ) u_sum (
          .x_i(terms),
          .y_o(y_o)
      );
    end else begin : gen_chains
      flow_adder_tree #(
          .Terms   (Terms),
          .Width   (TermWidth),
          .Signed  (Signed),
          .OutWidth(OutWidth)
      ) u_sum (
          .x_i(terms),
          .y_o(y_o)
      );
    end
  end

  initial begin
    if (Terms < 1 || Width < 1 || OutWidth < 1) begin
      $fatal(1, "flow_dot_sum: Terms and both widths must be at least 1");
    end
    if (Adder < 0 || Adder > 2) begin
      $fatal(1, "flow_dot_sum: Adder must be 0, 1 or 2, or in a dot product -1");
    end
  end

endmodule
