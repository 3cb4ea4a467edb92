// Depthwise products: y[c] = ((sum_t w[c, t] * x[c, t]) << ProductShift) + b[c], lane by lane.
//
// Legal parameters: Lanes, Groups, Taps, widths >= 1. AccWidth holds every final sum; partial sums
// wrap modulo 2**AccWidth, which is exact.
//
// One beat in carries one tap of Lanes channels; Taps beats make a beat of Lanes sums, and Groups
// of those a pixel, in the order of flow_window. Weights and biases come from ROMs outside, as in
// flow_dense: line `weight_addr_o` = g*Taps+t holds w[g*Lanes+i, t] at bit i*WWidth, registered
// where `weight_en_o` is set; line `bias_addr_o` = g holds b[g*Lanes+i] at bit i*AccWidth, read in
// the same cycle.
// Latency: 3 cycles from the last tap to its sum; throughput: 1 tap a cycle.

module flow_depthwise #(
    parameter int Lanes = 1,
    parameter int Groups = 1,
    parameter int Taps = 9,
    parameter int XWidth = 8,
    parameter int XSigned = 0,
    parameter int WWidth = 8,
    parameter int WSigned = 1,
    parameter int AccWidth = 20,
    parameter int ProductShift = 0,
    parameter int UseDsp = 0,
    localparam int WeightAddrWidth = (Groups * Taps > 1) ? $clog2(Groups * Taps) : 1,
    localparam int BiasAddrWidth = (Groups > 1) ? $clog2(Groups) : 1
) (
    input  logic                       clk_i,
    input  logic                       rst_ni,
    output logic                       weight_en_o,
    output logic [WeightAddrWidth-1:0] weight_addr_o,
    input  logic [   Lanes*WWidth-1:0] weight_i,
    output logic [  BiasAddrWidth-1:0] bias_addr_o,
    input  logic [ Lanes*AccWidth-1:0] bias_i,
    input  logic [   Lanes*XWidth-1:0] data_i,
    input  logic                       valid_i,
    output logic                       ready_o,
    output logic [ Lanes*AccWidth-1:0] data_o,
    output logic                       valid_o,
    input  logic                       ready_i
);

  localparam int TapWidth = (Taps > 1) ? $clog2(Taps) : 1;
  localparam logic [WeightAddrWidth-1:0] LAST_WEIGHT = WeightAddrWidth'(Groups * Taps - 1);
  localparam logic [BiasAddrWidth-1:0] LAST_GROUP = BiasAddrWidth'(Groups - 1);
  localparam logic [TapWidth-1:0] LAST_TAP = TapWidth'(Taps - 1);

  logic [WeightAddrWidth-1:0] line_q;
  logic [  BiasAddrWidth-1:0] group_q;
  logic [       TapWidth-1:0] tap_q;
  logic last_tap, stall, step;

  assign last_tap = tap_q == LAST_TAP;
  assign ready_o = ~stall;
  assign step = valid_i & ~stall;
  assign weight_en_o = ~stall;
  assign weight_addr_o = line_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      line_q <= '0;
      group_q <= '0;
      tap_q <= '0;
    end else if (step) begin
      line_q <= (line_q == LAST_WEIGHT) ? '0 : line_q + 1'b1;
      tap_q <= last_tap ? '0 : tap_q + 1'b1;
      if (last_tap) group_q <= (group_q == LAST_GROUP) ? '0 : group_q + 1'b1;
    end
  end

  // Stage 1: operands, the weights in the ROM's own register.
  logic [  Lanes*XWidth-1:0] x_q;
  logic [ BiasAddrWidth-1:0] group_q1;
  logic [Lanes*AccWidth-1:0] product;

  assign bias_addr_o = group_q1;

  always_ff @(posedge clk_i) begin
    if (!stall) begin
      x_q <= data_i;
      group_q1 <= group_q;
    end
  end

  for (genvar i = 0; i < Lanes; i++) begin : gen_lanes
    flow_dot #(
        .Simd    (1),
        .XWidth  (XWidth),
        .XSigned (XSigned),
        .WWidth  (WWidth),
        .WSigned (WSigned),
        .OutWidth(AccWidth),
        .UseDsp  (UseDsp)
    ) u_dot (
        .x_i(x_q[i*XWidth+:XWidth]),
        .w_i(weight_i[i*WWidth+:WWidth]),
        .y_o(product[i*AccWidth+:AccWidth])
    );
  end

  flow_accumulate #(
      .Lanes       (Lanes),
      .Width       (AccWidth),
      .ProductShift(ProductShift)
  ) u_accumulate (
      .clk_i    (clk_i),
      .rst_ni   (rst_ni),
      .step_i   (step),
      .first_i  (tap_q == '0),
      .last_i   (last_tap),
      .stall_o  (stall),
      .product_i(product),
      .bias_i   (bias_i),
      .data_o   (data_o),
      .valid_o  (valid_o),
      .ready_i  (ready_i)
  );

  initial begin
    if (Lanes < 1 || Groups < 1 || Taps < 1) begin
      $fatal(1, "flow_depthwise: Lanes, Groups and Taps must be at least 1");
    end
    if (AccWidth < 1 || ProductShift < 0) begin
      $fatal(1, "flow_depthwise: AccWidth must be at least 1 and ProductShift at least 0");
    end
  end

endmodule
