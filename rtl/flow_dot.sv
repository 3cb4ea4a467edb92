// Dot product of Simd codes and Simd weights: y = sum_i x[i] * w[i], modulo 2**OutWidth.
//
// Legal parameters: Simd, XWidth, WWidth, OutWidth >= 1; either side signed or unsigned.
// UseDsp: 0 products in logic, 1 as DSPs (flow_dot_dsp) where they have the nine bits that Yosys
// asks for. Adder: how terms in logic are summed (flow_dot_sum); 0 by `+`, which synthesis shapes,
// 1 by a compressor tree, 2 by a tree of carry chains, -1 by what is smallest.
// Latency: 0 cycles, combinational.
//
// In logic two products share their rows (flow_dot_pair), which saves the adder between them; only
// an odd last product stands alone, and two products of up to six bits, which are tables then.
// Working modulo 2**OutWidth is exact wherever the final sum fits. The `+` of Adder 0 are a loop,
// which Yosys merges into one compressor of full adders. They stand in front of the products since
// the order of the text is that of the netlist, which moves areas by up to one per cent. Unsigned
// by signed, four products, LUTs with Yosys 0.70 (benchmarks/cells.py):
//
//   widths                    4x4   6x6   8x8
//   `*` by Yosys' booth       123   290   457
//   single arrays and a sum    72   134   207
//   pairs and a sum            57   111   181
//
// Of three terms and more no sum is smaller than the chains by more than a LUT, and on ECP5 they
// are smaller by up to a fifth; but single bits are better off with `+`. LUTs on xc7, and on ECP5
// with the two in every carry cell:
//
//   products, widths     +  compressor  chains        +  compressor  chains (ECP5)
//          8   4x4       125         124     124      286         303     276
//          8   6x6       237         236     236      566         591     552
//          8   8x8       381         380     380      942         976     924
//         16   4x4       281         284     259      652         688     564
//         16   6x6       525         531     487     1271        1302    1120
//         16   8x8       825         840     779     2055        2106    1868
//         32   4x4       619         572     530     1427        1517    1142
//         32   6x6      1104        1053     990     2597        2771    2258
//         32   8x8      1722        1672    1578     4183        4414    3758

module flow_dot #(
    parameter int Simd = 4,
    parameter int XWidth = 8,
    parameter int XSigned = 0,
    parameter int WWidth = 8,
    parameter int WSigned = 1,
    parameter int OutWidth = 20,
    parameter int UseDsp = 0,
    parameter int Adder = -1
) (
    input  logic [Simd*XWidth-1:0] x_i,
    input  logic [Simd*WWidth-1:0] w_i,
    output logic [   OutWidth-1:0] y_o
);

  localparam int PSigned = (XSigned != 0 || WSigned != 0) ? 1 : 0;
  localparam int PWidth = XWidth + WWidth;
  // Two tables and an adder take fewer LUTs than the rows of two narrow products.
  localparam int Tables = (Simd == 2 && PWidth <= 6 && XWidth > 1 && WWidth > 2) ? 1 : 0;
  localparam int Pairs = (Tables != 0) ? 0 : Simd / 2;
  localparam int Terms = Simd - Pairs;
  localparam int TermWidth = (Pairs > 0) ? PWidth + 1 : PWidth;

  if (UseDsp != 0 && PWidth >= 9) begin : gen_dsp
    flow_dot_dsp #(
        .Simd    (Simd),
        .XWidth  (XWidth),
        .XSigned (XSigned),
        .WWidth  (WWidth),
        .WSigned (WSigned),
        .OutWidth(OutWidth)
    ) u_dot (
        .x_i(x_i),
        .w_i(w_i),
        .y_o(y_o)
    );
  end else begin : gen_logic
    localparam int Smallest = (Terms > 2 && PWidth > 2) ? 2 : 0;
    logic [Terms*OutWidth-1:0] terms;

    flow_dot_sum #(
        .Adder   ((Adder == -1) ? Smallest : Adder),
        .Terms   (Terms),
        .Width   (TermWidth),
        .Signed  (PSigned),
        .OutWidth(OutWidth)
    ) u_sum (
        .x_i(terms),
        .y_o(y_o)
    );

    for (genvar i = 0; i < Terms; i++) begin : gen_terms
      // The pairs first: what follows them starts behind 2 * Pairs factors.
      localparam int First = (i < Pairs) ? 2 * i : i + Pairs;
      localparam int Width = (i < Pairs) ? PWidth + 1 : PWidth;
      logic [Width-1:0] term;

      if (i < Pairs) begin : gen_pair
        flow_dot_pair #(
            .AWidth (XWidth),
            .BWidth (WWidth),
            .ASigned(XSigned),
            .BSigned(WSigned)
        ) u_pair (
            .a_i(x_i[First*XWidth+:2*XWidth]),
            .b_i(w_i[First*WWidth+:2*WWidth]),
            .y_o(term)
        );
      end else begin : gen_array
        flow_mul_array #(
            .AWidth (XWidth),
            .BWidth (WWidth),
            .ASigned(XSigned),
            .BSigned(WSigned)
        ) u_mul (
            .a_i(x_i[First*XWidth+:XWidth]),
            .b_i(w_i[First*WWidth+:WWidth]),
            .p_o(term)
        );
      end

      if (PSigned != 0) begin : gen_signed
        assign terms[i*OutWidth+:OutWidth] = OutWidth'($signed(term));
      end else begin : gen_unsigned
        assign terms[i*OutWidth+:OutWidth] = OutWidth'(term);
      end
    end
  end

  initial if (Simd < 1 || XWidth < 1 || WWidth < 1 || OutWidth < 1) begin
    $fatal(1, "flow_dot: Simd and all widths must be at least 1");
  end

endmodule
