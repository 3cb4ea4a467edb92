// Folded matrix-vector product: y[o] = ((sum_i w[o, i] * x[i]) << ProductShift) + b[o].
//
// Legal parameters: Pe divides Outputs, Simd divides Inputs. AccWidth holds every final sum;
// partial sums wrap modulo 2**AccWidth, which is exact.
//
// UseDsp: 0 products in logic, 1 a DSP for each product, 2 as many lanes to a DSP as its wide port
// of DspWidth bits holds (flow_dot_packed): 25 for a DSP48E1, 27 for a DSP48E2.
//
// Weights and biases come from ROMs outside. Line `weight_addr_o` holds w[n*Pe+p, s*Simd+i] at bit
// (p*Simd+i)*WWidth, with n = address / InFolds and s = address % InFolds; the ROM registers it
// where `weight_en_o` is set, as a block RAM does. Line `bias_addr_o` holds b[n*Pe+p] at bit
// p*AccWidth, read in the same cycle.
//
// One beat in carries Simd codes, one beat out carries Pe sums, lane 0 in the lowest bits.
// Throughput: one vector in OutFolds * InFolds cycles. Latency: 3 cycles from the step that
// completes a neuron fold to its beat. A step runs every cycle that has an operand and room for a
// result.
//
// The vector arrives during the first neuron fold, is used on the fly and kept for the other folds,
// so one copy of it suffices; a FIFO in front keeps the producer running meanwhile.

module flow_dense #(
    parameter int Inputs = 16,
    parameter int Outputs = 8,
    parameter int Pe = 2,
    parameter int Simd = 4,
    parameter int XWidth = 8,
    parameter int XSigned = 0,
    parameter int WWidth = 8,
    parameter int WSigned = 1,
    parameter int AccWidth = 20,
    parameter int ProductShift = 0,
    parameter int UseDsp = 0,
    parameter int DspWidth = 25,
    localparam int InFolds = Inputs / Simd,
    localparam int OutFolds = Outputs / Pe,
    localparam int WeightAddrWidth = (InFolds * OutFolds > 1) ? $clog2(InFolds * OutFolds) : 1,
    localparam int BiasAddrWidth = (OutFolds > 1) ? $clog2(OutFolds) : 1
) (
    input  logic                       clk_i,
    input  logic                       rst_ni,
    output logic                       weight_en_o,
    output logic [WeightAddrWidth-1:0] weight_addr_o,
    input  logic [ Pe*Simd*WWidth-1:0] weight_i,
    output logic [  BiasAddrWidth-1:0] bias_addr_o,
    input  logic [    Pe*AccWidth-1:0] bias_i,
    input  logic [    Simd*XWidth-1:0] data_i,
    input  logic                       valid_i,
    output logic                       ready_o,
    output logic [    Pe*AccWidth-1:0] data_o,
    output logic                       valid_o,
    input  logic                       ready_i
);

  // A signed weight may miss a bit of the port, an unsigned one takes a sign besides.
  localparam int Free = DspWidth - WWidth + ((WSigned != 0) ? 1 : -1);
  localparam int Room = Free / (XWidth + WWidth) + 1;
  localparam int Packed = (UseDsp == 2 && XWidth <= 17 && WWidth > 1 && Free > 0) ? Room : 1;
  localparam int InFoldWidth = (InFolds > 1) ? $clog2(InFolds) : 1;
  localparam logic [WeightAddrWidth-1:0] LAST_WEIGHT = WeightAddrWidth'(InFolds * OutFolds - 1);
  localparam logic [BiasAddrWidth-1:0] LAST_OUT = BiasAddrWidth'(OutFolds - 1);
  localparam logic [InFoldWidth-1:0] LAST_IN = InFoldWidth'(InFolds - 1);

  // Where the next step stands: its weight line, its neuron fold and its place within the vector.
  logic [WeightAddrWidth-1:0] line_q;
  logic [  BiasAddrWidth-1:0] out_fold_q;
  logic [    InFoldWidth-1:0] in_fold_q;
  logic first_step, last_step, first_fold;
  logic stall, step;
  logic [Simd*XWidth-1:0] operand;

  assign first_step = in_fold_q == '0;
  assign last_step = in_fold_q == LAST_IN;
  assign first_fold = out_fold_q == '0;
  assign ready_o = first_fold & ~stall;
  assign step = (valid_i | ~first_fold) & ~stall;
  assign weight_en_o = ~stall;
  assign weight_addr_o = line_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      line_q <= '0;
      out_fold_q <= '0;
      in_fold_q <= '0;
    end else if (step) begin
      line_q <= (line_q == LAST_WEIGHT) ? '0 : line_q + 1'b1;
      in_fold_q <= last_step ? '0 : in_fold_q + 1'b1;
      if (last_step) out_fold_q <= (out_fold_q == LAST_OUT) ? '0 : out_fold_q + 1'b1;
    end
  end

  if (OutFolds > 1) begin : gen_reuse
    // Kept for the later neuron folds: written in the first, read in the others.
    logic [Simd*XWidth-1:0] vector_q[InFolds];
    always_ff @(posedge clk_i) begin
      if (step && first_fold) vector_q[in_fold_q] <= data_i;
    end
    assign operand = first_fold ? data_i : vector_q[in_fold_q];
  end else begin : gen_once
    assign operand = data_i;
  end

  // Stage 1: operands, the weights in the ROM's own register.
  logic [  Simd*XWidth-1:0] x_q;
  logic [BiasAddrWidth-1:0] out_fold_q1;
  logic [  Pe*AccWidth-1:0] dot;

  assign bias_addr_o = out_fold_q1;

  always_ff @(posedge clk_i) begin
    if (!stall) begin
      x_q <= operand;
      out_fold_q1 <= out_fold_q;
    end
  end

  if (Packed > 1) begin : gen_packed
    // The last group has the lanes that are left.
    for (genvar p = 0; p < Pe; p = p + Packed) begin : gen_groups
      localparam int Lanes = (Pe - p < Packed) ? Pe - p : Packed;
      if (Lanes > 1) begin : gen_lanes
        flow_dot_packed #(
            .Simd    (Simd),
            .Lanes   (Lanes),
            .XWidth  (XWidth),
            .XSigned (XSigned),
            .WWidth  (WWidth),
            .WSigned (WSigned),
            .OutWidth(AccWidth),
            .DspWidth(DspWidth)
        ) u_dot (
            .x_i(x_q),
            .w_i(weight_i[p*Simd*WWidth+:Lanes*Simd*WWidth]),
            .y_o(dot[p*AccWidth+:Lanes*AccWidth])
        );
      end else begin : gen_lane
        flow_dot #(
            .Simd    (Simd),
            .XWidth  (XWidth),
            .XSigned (XSigned),
            .WWidth  (WWidth),
            .WSigned (WSigned),
            .OutWidth(AccWidth),
            .UseDsp  (UseDsp)
        ) u_dot (
            .x_i(x_q),
            .w_i(weight_i[p*Simd*WWidth+:Simd*WWidth]),
            .y_o(dot[p*AccWidth+:AccWidth])
        );
      end
    end
  end else begin : gen_single
    for (genvar p = 0; p < Pe; p++) begin : gen_dots
      flow_dot #(
          .Simd    (Simd),
          .XWidth  (XWidth),
          .XSigned (XSigned),
          .WWidth  (WWidth),
          .WSigned (WSigned),
          .OutWidth(AccWidth),
          .UseDsp  (UseDsp)
      ) u_dot (
          .x_i(x_q),
          .w_i(weight_i[p*Simd*WWidth+:Simd*WWidth]),
          .y_o(dot[p*AccWidth+:AccWidth])
      );
    end
  end

  flow_accumulate #(
      .Lanes       (Pe),
      .Width       (AccWidth),
      .ProductShift(ProductShift)
  ) u_accumulate (
      .clk_i    (clk_i),
      .rst_ni   (rst_ni),
      .step_i   (step),
      .first_i  (first_step),
      .last_i   (last_step),
      .stall_o  (stall),
      .product_i(dot),
      .bias_i   (bias_i),
      .data_o   (data_o),
      .valid_o  (valid_o),
      .ready_i  (ready_i)
  );

  initial begin
    if (Pe < 1 || Outputs % Pe != 0) $fatal(1, "flow_dense: Pe must divide Outputs");
    if (Simd < 1 || Inputs % Simd != 0) $fatal(1, "flow_dense: Simd must divide Inputs");
    if (AccWidth < 1 || ProductShift < 0) begin
      $fatal(1, "flow_dense: AccWidth must be at least 1 and ProductShift at least 0");
    end
  end

endmodule
