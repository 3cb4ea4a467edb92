// Dot products of several rows of weights with the same codes, several products to a DSP:
// y[p] = sum_i w[p, i] * x[i], modulo 2**OutWidth.
//
// w[p, i] is at bit (p*Simd+i)*WWidth, y[p] at bit p*OutWidth. One multiplication takes the weights
// of all lanes, which stand XWidth + WWidth bits apart in its wide factor; DspWidth is the width of
// that port, signed: 27 for a DSP48E2, 25 for a DSP48E1. Two products of 8 bits fit both; four of 4
// bits fit the DSP48E2, and three the DSP48E1.
// Legal parameters: Simd, Lanes, XWidth, WWidth, OutWidth >= 1; XWidth <= 17; the lanes fit into
// DspWidth, or miss it by the one bit of a signed weight. Latency: 0 cycles, combinational.
//
// A negative product would borrow from the lane above it. Signed weights below the highest lane
// therefore carry an offset, w' = w + Z with Z = 2**(WWidth-1), which is their sign bit inverted,
// and signed codes as well, x' = x + Zx. Then every lane below the highest holds its own product,
// and w * x = w' * x' - Z * x' - Zx * w. The sum of the x' is one adder tree for all lanes, and the
// sum of w is there only where codes are signed. The classic way, to add a lane's sign to the lane
// above it, costs as many LUTs as a product has bits, for every product.
// Where the highest weight lacks its highest bit, the port reads it modulo 2**(WWidth-1), and
// 2**(WWidth-1) * x' is added or subtracted behind the multiplication.

module flow_dot_packed #(
    parameter int Simd = 2,
    parameter int Lanes = 2,
    parameter int XWidth = 8,
    parameter int XSigned = 0,
    parameter int WWidth = 8,
    parameter int WSigned = 1,
    parameter int OutWidth = 20,
    parameter int DspWidth = 27
) (
    input  logic [      Simd*XWidth-1:0] x_i,
    input  logic [Lanes*Simd*WWidth-1:0] w_i,
    output logic [   Lanes*OutWidth-1:0] y_o
);

  localparam int Pitch = XWidth + WWidth;
  localparam int Top = (Lanes - 1) * Pitch;  // where the highest lane starts
  localparam int Wanted = Top + WWidth + ((WSigned != 0) ? 0 : 1);
  localparam int Missing = (Wanted > DspWidth) ? Wanted - DspWidth : 0;
  localparam int FactorWidth = Wanted - Missing;
  localparam int ProductWidth = FactorWidth + XWidth;
  localparam logic [XWidth-1:0] CODE_SIGN = XWidth'((XSigned != 0) ? 1 : 0) << (XWidth - 1);
  localparam logic [WWidth-1:0] WEIGHT_SIGN = WWidth'((WSigned != 0) ? 1 : 0) << (WWidth - 1);

  logic [Simd*XWidth-1:0] codes;  // x'
  logic [OutWidth-1:0] code_sum;
  logic [Lanes*Simd*OutWidth-1:0] terms;

  assign codes = x_i ^ {Simd{CODE_SIGN}};

  flow_adder_tree #(
      .Terms   (Simd),
      .Width   (XWidth),
      .Signed  (0),
      .OutWidth(OutWidth)
  ) u_codes (
      .x_i(codes),
      .y_o(code_sum)
  );

  for (genvar i = 0; i < Simd; i++) begin : gen_products
    logic [XWidth-1:0] code;
    logic [WWidth-1:0] highest;
    logic [FactorWidth-1:0] factor;
    logic [ProductWidth-1:0] product;
    logic [OutWidth-1:0] top;

    assign code = codes[i*XWidth+:XWidth];
    assign highest = w_i[((Lanes-1)*Simd+i)*WWidth+:WWidth];
    assign factor[FactorWidth-1:Top] = (FactorWidth - Top)'(highest);

    flow_mul_dsp #(
        .AWidth (FactorWidth),
        .BWidth (XWidth),
        .ASigned(1),
        .BSigned(0)
    ) u_mul (
        .a_i(factor),
        .b_i(code),
        .p_o(product)
    );

    for (genvar p = 0; p < Lanes - 1; p++) begin : gen_lower
      assign factor[p*Pitch+:Pitch] = Pitch'(w_i[(p*Simd+i)*WWidth+:WWidth] ^ WEIGHT_SIGN);
      assign terms[(p*Simd+i)*OutWidth+:OutWidth] = OutWidth'(product[p*Pitch+:Pitch]);
    end

    assign top = OutWidth'($signed(product[ProductWidth-1:Top]));
    if (Missing != 0) begin : gen_missing
      logic [OutWidth-1:0] step;
      assign step = OutWidth'(code) << (WWidth - 1);
      assign terms[((Lanes-1)*Simd+i)*OutWidth+:OutWidth]
          = (highest[WWidth-1] == highest[WWidth-2]) ? top
          : highest[WWidth-1] ? top - step : top + step;
    end else begin : gen_whole
      assign terms[((Lanes-1)*Simd+i)*OutWidth+:OutWidth] = top;
    end
  end

  for (genvar p = 0; p < Lanes; p++) begin : gen_sums
    localparam int Offset = (p < Lanes - 1 && WSigned != 0) ? 1 : 0;
    localparam int Signed = (p == Lanes - 1 && WSigned != 0) ? 1 : 0;
    logic [OutWidth-1:0] sum, above, left;

    flow_dot_sum #(
        .Adder   (2),
        .Terms   (Simd),
        .Width   (Pitch),
        .Signed  (Signed),
        .OutWidth(OutWidth)
    ) u_sum (
        .x_i(terms[p*Simd*OutWidth+:Simd*OutWidth]),
        .y_o(sum)
    );

    assign above = (Offset != 0) ? code_sum << (WWidth - 1) : '0;

    if (XSigned != 0) begin : gen_weights
      // The sum of w, from the offset weights: Simd * Z less.
      logic [OutWidth-1:0] offset_sum, weights;

      flow_adder_tree #(
          .Terms   (Simd),
          .Width   (WWidth),
          .Signed  (0),
          .OutWidth(OutWidth)
      ) u_weights (
          .x_i(w_i[p*Simd*WWidth+:Simd*WWidth] ^ {Simd{WEIGHT_SIGN}}),
          .y_o(offset_sum)
      );
      assign weights = offset_sum - ((WSigned != 0) ? OutWidth'(Simd) << (WWidth - 1) : '0);
      assign left = weights << (XWidth - 1);
    end else begin : gen_no_weights
      assign left = '0;
    end

    assign y_o[p*OutWidth+:OutWidth] = sum - above - left;
  end

  initial begin
    if (Simd < 1 || Lanes < 1 || XWidth < 1 || XWidth > 17 || WWidth < 1 || OutWidth < 1) begin
      $fatal(1, "flow_dot_packed: all sizes must be at least 1, and XWidth at most 17");
    end
    if (Missing > 1 || (Missing == 1 && (WSigned == 0 || WWidth < 2))) begin
      $fatal(1, "flow_dot_packed: the lanes must fit into DspWidth");
    end
  end

endmodule
