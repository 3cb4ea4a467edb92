// Several streams one after the other: a beat of the stream whose turn it is, and of no other.
//
// Legal parameters: Ways, Width >= 1. `turn_i` has one bit set, said from outside by counters that
// go on where `step_o` is set.
// Latency: 1 cycle; throughput: 1 beat a cycle. Ready passes through combinationally, as in
// flow_quantize_stream; that of one way depends on no other way's valid.

module flow_select #(
    parameter int Ways  = 2,
    parameter int Width = 8
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    output logic                  step_o,
    input  logic [      Ways-1:0] turn_i,
    input  logic [Ways*Width-1:0] data_i,
    input  logic [      Ways-1:0] valid_i,
    output logic [      Ways-1:0] ready_o,
    output logic [     Width-1:0] data_o,
    output logic                  valid_o,
    input  logic                  ready_i
);

  logic [Width-1:0] data_d;
  logic room, valid;

  assign room = ready_i | ~valid_o;
  assign valid = |(turn_i & valid_i);
  assign ready_o = turn_i & {Ways{room}};
  assign step_o = room & valid;

  always_comb begin
    data_d = '0;
    for (int i = 0; i < Ways; i++) data_d = data_d | (data_i[i*Width+:Width] & {Width{turn_i[i]}});
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (room) valid_o <= valid;
  end

  always_ff @(posedge clk_i) begin
    if (room) data_o <= data_d;
  end

  initial if (Ways < 1 || Width < 1) $fatal(1, "flow_select: Ways and Width must be at least 1");

endmodule
