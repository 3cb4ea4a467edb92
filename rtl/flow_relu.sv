// ReLU on every lane of a beat: y = max(x, 0).
//
// Legal parameters: Lanes, InWidth, OutWidth >= 1. The result is never negative, so OutWidth need
// only hold the highest input code; the bits above it are zero by the graph's ranges and are
// dropped.
// Latency: 0 cycles, combinational; valid and ready pass around it.

module flow_relu #(
    parameter int Lanes = 1,
    parameter int InWidth = 8,
    parameter int InSigned = 1,
    parameter int OutWidth = 7
) (
    input  logic [ Lanes*InWidth-1:0] data_i,
    output logic [Lanes*OutWidth-1:0] data_o
);

  for (genvar i = 0; i < Lanes; i++) begin : gen_lanes
    logic [InWidth-1:0] code;
    logic               negative;
    assign code = data_i[i*InWidth+:InWidth];
    assign negative = (InSigned != 0) & code[InWidth-1];
    assign data_o[i*OutWidth+:OutWidth] = negative ? '0 : OutWidth'(code);
  end

  initial if (Lanes < 1 || InWidth < 1 || OutWidth < 1) begin
    $fatal(1, "flow_relu: Lanes, InWidth and OutWidth must be at least 1");
  end

endmodule
