// Back end of a folded layer: sums products over the steps of a fold and hands out complete sums,
// y = ((sum of its products) << ProductShift) + bias.
//
// Legal parameters: Lanes, Width >= 1, ProductShift >= 0. Sums wrap modulo 2**Width, which is exact
// wherever the final ones fit.
//
// A step is announced by `step_i` with its `first_i` and `last_i`, one cycle in front of its
// products and its bias. No step comes while `stall_o` is set, in whose cycles the caller keeps the
// operands of the step before. Latency: 3 cycles from the last step of a fold to its sums.
//
// The pipeline stops only when finished sums have nowhere to go, not whenever the output is
// occupied, and then its first stage still takes a step: what a layer holds does not depend on when
// its beats came.

module flow_accumulate #(
    parameter int Lanes = 2,
    parameter int Width = 20,
    parameter int ProductShift = 0
) (
    input  logic                   clk_i,
    input  logic                   rst_ni,
    input  logic                   step_i,
    input  logic                   first_i,
    input  logic                   last_i,
    output logic                   stall_o,
    input  logic [Lanes*Width-1:0] product_i,
    input  logic [Lanes*Width-1:0] bias_i,
    output logic [Lanes*Width-1:0] data_o,
    output logic                   valid_o,
    input  logic                   ready_i
);

  // Stage 1: the caller's operands. Stage 2: products and the bias. Stage 3: sums and output.
  // `start` is declared first: Yosys gives the later operand of an addition to the carry chain
  // itself, and only the choice in front of the other one shares the LUT of the sum.
  logic [Lanes*Width-1:0] start, product_q, bias_q2, sum, acc_q;
  logic valid_q1, first_q1, last_q1;
  logic valid_q2, first_q2, last_q2;
  logic hold;

  assign hold = valid_q2 & last_q2 & valid_o & ~ready_i;
  assign stall_o = hold & valid_q1;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lanes
    assign start[i*Width+:Width] = first_q2 ? bias_q2[i*Width+:Width] : acc_q[i*Width+:Width];
    assign sum[i*Width+:Width]
        = (product_q[i*Width+:Width] << ProductShift) + start[i*Width+:Width];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q1 <= 1'b0;
    else if (!stall_o) valid_q1 <= step_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q2 <= 1'b0;
    else if (!hold) valid_q2 <= valid_q1;
  end

  always_ff @(posedge clk_i) begin
    if (!stall_o) begin
      first_q1 <= first_i;
      last_q1 <= last_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!hold) begin
      product_q <= product_i;
      bias_q2 <= bias_i;
      first_q2 <= first_q1;
      last_q2 <= last_q1;
      if (valid_q2) acc_q <= sum;
      if (valid_q2 && last_q2) data_o <= sum;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (valid_q2 && last_q2) valid_o <= 1'b1;
    else if (ready_i) valid_o <= 1'b0;
  end

  initial if (Lanes < 1 || Width < 1 || ProductShift < 0) begin
    $fatal(1, "flow_accumulate: Lanes and Width must be at least 1, ProductShift at least 0");
  end

endmodule
