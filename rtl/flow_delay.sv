// A value some cycles later.
//
// Legal parameters: Width >= 1, Cycles >= 1. Latency: Cycles cycles in which `advance_i` is high.

module flow_delay #(
    parameter int Width  = 8,
    parameter int Cycles = 1
) (
    input  logic             clk_i,
    input  logic             advance_i,
    input  logic [Width-1:0] data_i,
    output logic [Width-1:0] data_o
);

  logic [Cycles*Width-1:0] line_q;

  if (Cycles > 1) begin : gen_line
    always_ff @(posedge clk_i) begin
      if (advance_i) line_q <= {line_q[(Cycles-1)*Width-1:0], data_i};
    end
  end else begin : gen_register
    always_ff @(posedge clk_i) begin
      if (advance_i) line_q <= data_i;
    end
  end

  assign data_o = line_q[(Cycles-1)*Width+:Width];

  initial if (Width < 1 || Cycles < 1) begin
    $fatal(1, "flow_delay: Width and Cycles must be at least 1");
  end

endmodule
