// The fields of a minifloat code: its value is (-1)**negative * significand * 2**shift steps.
//
// A code is [sign] exponent mantissa without infinities and NaNs; exponent field 0 holds zero and
// the subnormals, so there the significand lacks its leading one and the shift is that of field 1.
// A step is the smallest subnormal (flow.formats.Minifloat), so the bias takes no part.
// Legal parameters: Exponent >= 1, Mantissa >= 0. Latency: 0 cycles, combinational.

module flow_minifloat_unpack #(
    parameter int Exponent = 3,
    parameter int Mantissa = 2,
    parameter int Signed = 1,
    localparam int Width = Exponent + Mantissa + ((Signed != 0) ? 1 : 0)
) (
    input  logic [   Width-1:0] code_i,
    output logic                negative_o,
    output logic [  Mantissa:0] significand_o,
    output logic [Exponent-1:0] shift_o
);

  logic [Exponent-1:0] field;
  logic normal;

  assign field = code_i[Mantissa+:Exponent];
  assign normal = |field;
  assign shift_o = field - Exponent'(normal);

  if (Mantissa > 0) begin : gen_mantissa
    assign significand_o = {normal, code_i[Mantissa-1:0]};
  end else begin : gen_no_mantissa
    assign significand_o = normal;
  end

  if (Signed != 0) begin : gen_signed
    assign negative_o = code_i[Width-1];
  end else begin : gen_unsigned
    assign negative_o = 1'b0;
  end

  initial if (Exponent < 1 || Mantissa < 0) begin
    $fatal(1, "flow_minifloat_unpack: Exponent must be at least 1 and Mantissa at least 0");
  end

endmodule
