// Dot product whose products may be DSPs: y = sum_i x[i] * w[i], modulo 2**OutWidth.
//
// Legal parameters: Simd, XWidth, WWidth, OutWidth >= 1; either side signed or unsigned.
// Latency: 0 cycles, combinational.
//
// Four products are added in a cascade, which DSP48E1s do by themselves, with the register behind
// the last of them; carry chains add the cascades. One `+` of all products is a cascade of any
// length on the DSP48E1, which nothing pipelines, and elsewhere one compressor of full adders.
// `keep` on the sums within a cascade holds Yosys back; on the last it would hold the register out.
// LUTs beside the DSPs of 8x8 bits with Yosys 0.70, on ECP5 with the two in every carry cell:
//
//   products         ECP5  xcup  iCE40  xc7
//    4  one `+`       106    55     51    0
//       cascade        54    51     36    0
//    8  one `+`       303   165    188    0
//       cascades      128   120     91   18
//   16  one `+`       730   393    458    0
//       cascades      276   259    202   55

module flow_dot_dsp #(
    parameter int Simd = 4,
    parameter int XWidth = 8,
    parameter int XSigned = 0,
    parameter int WWidth = 8,
    parameter int WSigned = 1,
    parameter int OutWidth = 20,
    localparam int PWidth = XWidth + WWidth,
    localparam int PSigned = (XSigned != 0 || WSigned != 0) ? 1 : 0
) (
    input  logic [Simd*XWidth-1:0] x_i,
    input  logic [Simd*WWidth-1:0] w_i,
    output logic [   OutWidth-1:0] y_o
);

  localparam int CASCADE = 4;
  localparam int Cascades = (Simd + CASCADE - 1) / CASCADE;
  localparam int SumWidth = PWidth + ((Simd < CASCADE) ? $clog2(Simd) : $clog2(CASCADE));

  logic [Cascades*OutWidth-1:0] sums;

  for (genvar i = 0; i < Simd; i++) begin : gen_term
    localparam int Place = i % CASCADE;
    localparam int Wide = PWidth + $clog2(Place + 1);
    localparam int Width = (Wide < OutWidth) ? Wide : OutWidth;
    logic [PWidth-1:0] product;
    logic [ Width-1:0] sum;

    flow_mul_dsp #(
        .AWidth (XWidth),
        .BWidth (WWidth),
        .ASigned(XSigned),
        .BSigned(WSigned)
    ) u_mul (
        .a_i(x_i[i*XWidth+:XWidth]),
        .b_i(w_i[i*WWidth+:WWidth]),
        .p_o(product)
    );

    if (Place == 0 && PSigned != 0) begin : gen_first_signed
      assign sum = Width'($signed(product));
    end else if (Place == 0) begin : gen_first
      assign sum = Width'(product);
    end else begin : gen_next
      (* keep *) logic [Width-1:0] above;
      if (PSigned != 0) begin : gen_signed
        assign above = Width'($signed(gen_term[i-1].sum));
        assign sum = above + Width'($signed(product));
      end else begin : gen_unsigned
        assign above = Width'(gen_term[i-1].sum);
        assign sum = above + Width'(product);
      end
    end

    if (Place == CASCADE - 1 || i == Simd - 1) begin : gen_last
      if (PSigned != 0) begin : gen_signed
        assign sums[i/CASCADE*OutWidth+:OutWidth] = OutWidth'($signed(sum));
      end else begin : gen_unsigned
        assign sums[i/CASCADE*OutWidth+:OutWidth] = OutWidth'(sum);
      end
    end
  end

  if (Cascades > 1) begin : gen_sum
    flow_dot_sum #(
        .Adder   (2),
        .Terms   (Cascades),
        .Width   (SumWidth),
        .Signed  (PSigned),
        .OutWidth(OutWidth)
    ) u_sum (
        .x_i(sums),
        .y_o(y_o)
    );
  end else begin : gen_one
    assign y_o = sums;
  end

  initial if (Simd < 1 || XWidth < 1 || WWidth < 1 || OutWidth < 1) begin
    $fatal(1, "flow_dot_dsp: Simd and all widths must be at least 1");
  end

endmodule
