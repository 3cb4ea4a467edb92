// A stream whose every lane is rounded to the numbers of a minifloat, in fixed point: y = the
// minifloat next to x, in steps.
//
// A step is the smallest subnormal. Parameters as in flow_minifloat_encode, whose code
// flow_minifloat_decode turns back; the code itself is never a signal that leaves. Legal
// parameters: Lanes >= 1, OutWidth holds every number and is at most that of the decoder.
// Latency: 1 cycle; throughput: 1 beat a cycle. Ready passes through combinationally, as in
// flow_quantize_stream.

module flow_minifloat_stream #(
    parameter int Lanes = 1,
    parameter int InWidth = 12,
    parameter int InSigned = 1,
    parameter int Shift = 0,
    parameter int Exponent = 3,
    parameter int Mantissa = 2,
    parameter int Signed = 1,
    parameter int Rounding = 0,
    parameter int Highest = (1 << (Exponent + Mantissa)) - 1,
    parameter int OutWidth = (1 << Exponent) + Mantissa - ((Signed != 0) ? 0 : 1)
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

  localparam int CodeWidth = Exponent + Mantissa + ((Signed != 0) ? 1 : 0);
  localparam int FixedWidth = (1 << Exponent) + Mantissa - ((Signed != 0) ? 0 : 1);

  logic [Lanes*OutWidth-1:0] data_d;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lanes
    logic [ CodeWidth-1:0] code;
    logic [FixedWidth-1:0] fixed;

    flow_minifloat_encode #(
        .InWidth (InWidth),
        .InSigned(InSigned),
        .Shift   (Shift),
        .Exponent(Exponent),
        .Mantissa(Mantissa),
        .Signed  (Signed),
        .Rounding(Rounding),
        .Highest (Highest)
    ) u_encode (
        .data_i(data_i[i*InWidth+:InWidth]),
        .code_o(code)
    );

    flow_minifloat_decode #(
        .Exponent(Exponent),
        .Mantissa(Mantissa),
        .Signed  (Signed)
    ) u_decode (
        .code_i(code),
        .data_o(fixed)
    );

    assign data_d[i*OutWidth+:OutWidth] = fixed[OutWidth-1:0];
    // Above OutWidth there are copies of the sign.
    logic unused;
    assign unused = ^fixed;
  end

  flow_register #(
      .Width(Lanes * OutWidth)
  ) u_register (
      .clk_i,
      .rst_ni,
      .data_i(data_d),
      .valid_i,
      .ready_o,
      .data_o,
      .valid_o,
      .ready_i
  );

  initial if (Lanes < 1 || OutWidth < 1 || OutWidth > FixedWidth) begin
    $fatal(1, "flow_minifloat_stream: Lanes must be at least 1 and OutWidth within the decoder's");
  end

endmodule
