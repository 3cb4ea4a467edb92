// One register in a stream, behind whatever combinational logic stands in front of its data.
//
// Legal parameters: Width >= 1. Latency: 1 cycle; throughput: 1 beat a cycle. Ready passes through
// combinationally, as in flow_quantize_stream.

module flow_register #(
    parameter int Width = 8
) (
    input  logic             clk_i,
    input  logic             rst_ni,
    input  logic [Width-1:0] data_i,
    input  logic             valid_i,
    output logic             ready_o,
    output logic [Width-1:0] data_o,
    output logic             valid_o,
    input  logic             ready_i
);

  assign ready_o = ready_i | ~valid_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (ready_o) valid_o <= valid_i;
  end

  always_ff @(posedge clk_i) begin
    if (ready_o) data_o <= data_i;
  end

  initial if (Width < 1) $fatal(1, "flow_register: Width must be at least 1");

endmodule
