// Dot product of Simd codes and Simd weights: y = sum_i x[i] * w[i], modulo 2**OutWidth.
//
// Legal parameters: Simd, XWidth, WWidth, OutWidth >= 1; either side signed or unsigned.
// Latency: 0 cycles, combinational.
//
// The sum is a loop, not a tree written by hand: synthesis merges the additions into one compressor
// and shapes the tree itself. Working modulo 2**OutWidth is exact wherever the final sum fits.

module flow_dot #(
    parameter int Simd = 4,
    parameter int XWidth = 8,
    parameter int XSigned = 0,
    parameter int WWidth = 8,
    parameter int WSigned = 1,
    parameter int OutWidth = 20,
    parameter int UseDsp = 0
) (
    input  logic [Simd*XWidth-1:0] x_i,
    input  logic [Simd*WWidth-1:0] w_i,
    output logic [   OutWidth-1:0] y_o
);

  // Both sides as signed numbers: an unsigned code gets a zero above it.
  localparam int AWidth = (XSigned != 0) ? XWidth : XWidth + 1;
  localparam int BWidth = (WSigned != 0) ? WWidth : WWidth + 1;
  localparam int PWidth = AWidth + BWidth;

  logic [Simd*OutWidth-1:0] products;

  for (genvar i = 0; i < Simd; i++) begin : gen_products
    logic signed [AWidth-1:0] a;
    logic signed [BWidth-1:0] b;
    logic signed [PWidth-1:0] p;

    if (XSigned != 0) begin : gen_x_signed
      assign a = x_i[i*XWidth+:XWidth];
    end else begin : gen_x_unsigned
      assign a = {1'b0, x_i[i*XWidth+:XWidth]};
    end

    if (WSigned != 0) begin : gen_w_signed
      assign b = w_i[i*WWidth+:WWidth];
    end else begin : gen_w_unsigned
      assign b = {1'b0, w_i[i*WWidth+:WWidth]};
    end

    if (UseDsp != 0) begin : gen_dsp
      flow_mul #(
          .AWidth(AWidth),
          .BWidth(BWidth)
      ) u_mul (
          .a_i(a),
          .b_i(b),
          .p_o(p)
      );
    end else begin : gen_fabric
      flow_mul_fabric #(
          .AWidth(AWidth),
          .BWidth(BWidth)
      ) u_mul (
          .a_i(a),
          .b_i(b),
          .p_o(p)
      );
    end

    assign products[i*OutWidth+:OutWidth] = OutWidth'(p);
  end

  always_comb begin
    y_o = '0;
    for (int i = 0; i < Simd; i++) y_o = y_o + products[i*OutWidth+:OutWidth];
  end

  initial if (Simd < 1 || XWidth < 1 || WWidth < 1 || OutWidth < 1) begin
    $fatal(1, "flow_dot: Simd and all widths must be at least 1");
  end

endmodule
