// A minifloat code in fixed point: data = its value in steps, two's complement where signed.
//
// Codes as in flow_minifloat_unpack. Legal parameters: 1 <= Exponent <= 5, Mantissa >= 0. Latency:
// 0 cycles, combinational.
//
// The sign goes in before the shift, where the number is Mantissa + 1 bits long.

module flow_minifloat_decode #(
    parameter int Exponent = 3,
    parameter int Mantissa = 2,
    parameter int Signed = 1,
    localparam int Width = Exponent + Mantissa + ((Signed != 0) ? 1 : 0),
    localparam int OutWidth = (1 << Exponent) + Mantissa - ((Signed != 0) ? 0 : 1)
) (
    input  logic [   Width-1:0] code_i,
    output logic [OutWidth-1:0] data_o
);

  logic negative;
  logic [Mantissa:0] significand;
  logic [Exponent-1:0] shift;
  logic signed [Mantissa+1:0] number;

  flow_minifloat_unpack #(
      .Exponent(Exponent),
      .Mantissa(Mantissa),
      .Signed  (Signed)
  ) u_unpack (
      .code_i(code_i),
      .negative_o(negative),
      .significand_o(significand),
      .shift_o(shift)
  );

  assign number = $signed(({1'b0, significand} ^ {(Mantissa + 2) {negative}}))
                + $signed((Mantissa + 2)'(negative));

  if (OutWidth > Mantissa + 1) begin : gen_shift
    assign data_o = OutWidth'(number) << shift;
  end else begin : gen_one_binade
    // An unsigned number of one exponent bit: nothing is shifted, and the sign is not there.
    logic unused;
    assign data_o = significand;
    assign unused = ^{number, shift};
  end

  initial if (Exponent < 1 || Exponent > 5 || Mantissa < 0) begin
    $fatal(1, "flow_minifloat_decode: Exponent must lie in 1..5 and Mantissa be at least 0");
  end

endmodule
