// Skid buffer: a stream with every output a register, ready included.
//
// Legal parameters: Width >= 1. Latency: 1 cycle; throughput: 1 beat a cycle; holds two beats.
//
// It cuts the combinational path of ready, which a single register cannot do at full throughput.

module flow_skid #(
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

  logic [Width-1:0] spare_q;
  logic spare_valid_q;
  logic move;

  assign ready_o = ~spare_valid_q;
  assign move = ready_i | ~valid_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_o <= 1'b0;
      spare_valid_q <= 1'b0;
    end else if (move) begin
      valid_o <= spare_valid_q | valid_i;
      spare_valid_q <= 1'b0;
    end else if (valid_i && ready_o) begin
      spare_valid_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (move) data_o <= spare_valid_q ? spare_q : data_i;
    if (ready_o) spare_q <= data_i;
  end

  initial if (Width < 1) $fatal(1, "flow_skid: Width must be at least 1");

endmodule
