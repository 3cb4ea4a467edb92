// Two streams combined lane by lane: a + b, a - b or a * b of codes with aligned binary points.
//
// y = (a << AShift) + (b << BShift), with Operation 1 the difference, with Operation 2 the product
// of the unshifted codes. Legal parameters: Lanes and widths >= 1, shifts >= 0, Operation 0 to 2;
// the result is exact modulo 2**OutWidth, which holds every final code.
// Latency: 1 cycle; throughput: 1 beat a cycle. A beat moves on both inputs in the same cycle.
//
// Ready of one input waits for valid of the other, never valid for ready. Ready passes through
// combinationally, as in flow_quantize_stream.

module flow_join #(
    parameter int Lanes = 1,
    parameter int Operation = 0,
    parameter int AWidth = 8,
    parameter int ASigned = 1,
    parameter int AShift = 0,
    parameter int BWidth = 8,
    parameter int BSigned = 1,
    parameter int BShift = 0,
    parameter int OutWidth = 9
) (
    input  logic                      clk_i,
    input  logic                      rst_ni,
    input  logic [  Lanes*AWidth-1:0] a_data_i,
    input  logic                      a_valid_i,
    output logic                      a_ready_o,
    input  logic [  Lanes*BWidth-1:0] b_data_i,
    input  logic                      b_valid_i,
    output logic                      b_ready_o,
    output logic [Lanes*OutWidth-1:0] data_o,
    output logic                      valid_o,
    input  logic                      ready_i
);

  logic [Lanes*OutWidth-1:0] data_d;
  logic room;

  assign room = ready_i | ~valid_o;
  assign a_ready_o = room & b_valid_i;
  assign b_ready_o = room & a_valid_i;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lanes
    logic [AWidth-1:0] a_code;
    logic [BWidth-1:0] b_code;

    assign a_code = a_data_i[i*AWidth+:AWidth];
    assign b_code = b_data_i[i*BWidth+:BWidth];

    if (Operation == 2) begin : gen_product
      logic [AWidth+BWidth-1:0] product;
      flow_mul_array #(
          .AWidth (AWidth),
          .BWidth (BWidth),
          .ASigned(ASigned),
          .BSigned(BSigned)
      ) u_mul (
          .a_i(a_code),
          .b_i(b_code),
          .p_o(product)
      );
      if (ASigned != 0 || BSigned != 0) begin : gen_signed
        assign data_d[i*OutWidth+:OutWidth] = OutWidth'($signed(product));
      end else begin : gen_unsigned
        assign data_d[i*OutWidth+:OutWidth] = OutWidth'(product);
      end
    end else begin : gen_sum
      logic [OutWidth-1:0] a, b;
      if (ASigned != 0) begin : gen_a_signed
        assign a = OutWidth'($signed(a_code));
      end else begin : gen_a_unsigned
        assign a = OutWidth'(a_code);
      end
      if (BSigned != 0) begin : gen_b_signed
        assign b = OutWidth'($signed(b_code));
      end else begin : gen_b_unsigned
        assign b = OutWidth'(b_code);
      end
      if (Operation == 0) begin : gen_plus
        assign data_d[i*OutWidth+:OutWidth] = (a << AShift) + (b << BShift);
      end else begin : gen_minus
        assign data_d[i*OutWidth+:OutWidth] = (a << AShift) - (b << BShift);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (room) valid_o <= a_valid_i & b_valid_i;
  end

  always_ff @(posedge clk_i) begin
    if (room) data_o <= data_d;
  end

  initial begin
    if (Lanes < 1 || Operation < 0 || Operation > 2) begin
      $fatal(1, "flow_join: Lanes must be at least 1 and Operation 0, 1 or 2");
    end
    if (AShift < 0 || BShift < 0) $fatal(1, "flow_join: shifts must be at least 0");
  end

endmodule
