// A stream whose every lane is cast to another format; see flow_requantize for the formula.
//
// Legal parameters: Lanes >= 1, the others as in flow_requantize.
// Latency: 1 cycle; throughput: 1 beat a cycle. Ready passes through combinationally, so a FIFO or
// a skid buffer must stand somewhere behind: one register is half the cost of a skid buffer here.

module flow_quantize_stream #(
    parameter int Lanes = 1,
    parameter int InWidth = 8,
    parameter int InSigned = 1,
    parameter int Shift = 2,
    parameter int OutWidth = 4,
    parameter int OutSigned = 1,
    parameter int Rounding = flow_pkg::ROUND_RND,
    parameter int Overflow = flow_pkg::OVERFLOW_SAT
) (
    input  logic                      clk_i,
    input  logic                      rst_ni,
    input  logic [ Lanes*InWidth-1:0] data_i,
    input  logic                      valid_i,
    output logic                      ready_o,
    output logic [Lanes*OutWidth-1:0] data_o,
    output logic                      valid_o,
    input  logic                      ready_i
);

  logic [Lanes*OutWidth-1:0] data_d;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lanes
    flow_requantize #(
        .InWidth  (InWidth),
        .InSigned (InSigned),
        .Shift    (Shift),
        .OutWidth (OutWidth),
        .OutSigned(OutSigned),
        .Rounding (Rounding),
        .Overflow (Overflow)
    ) u_requantize (
        .data_i(data_i[i*InWidth+:InWidth]),
        .data_o(data_d[i*OutWidth+:OutWidth])
    );
  end

  assign ready_o = ready_i | ~valid_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (ready_o) valid_o <= valid_i;
  end

  always_ff @(posedge clk_i) begin
    if (ready_o) data_o <= data_d;
  end

  initial if (Lanes < 1) $fatal(1, "flow_quantize_stream: Lanes must be at least 1");

endmodule
