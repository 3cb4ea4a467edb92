// Sum of many words by a binary tree of adders, one carry chain each: y = sum_i x[i], modulo
// 2**OutWidth.
//
// Legal parameters: Terms, Width, OutWidth >= 1; Signed says how a word is extended to OutWidth.
// Latency: 0 cycles, combinational.
//
// A chain adds two words with one LUT a bit, and each level is one bit wider than the one in front
// of it. Left to itself, Yosys merges adders that follow each other into one compressor of full
// adders, two LUTs a bit for every word that it removes; `keep` on the sums holds it back.
// With Yosys 0.70 on xc7 16 signed bytes take 131 LUTs here, 163 in flow_compressor, which has the
// same interface, and 205 as a plain sum; on ECP5 they are 78 carry cells at 110 MHz, for 106 and
// 100 of the others. Single bits are better off in flow_compressor: 26 LUTs on xc7, not 44.

module flow_adder_tree #(
    parameter int Terms = 8,
    parameter int Width = 8,
    parameter int Signed = 1,
    parameter int OutWidth = 11
) (
    input  logic [Terms*Width-1:0] x_i,
    output logic [   OutWidth-1:0] y_o
);

  localparam int Levels = $clog2(Terms);

  // Node n is the sum of nodes 2n and 2n+1; those from Terms on are the words.
  for (genvar n = 2 * Terms - 1; n >= 1; n = n - 1) begin : gen_node
    localparam int Wide = Width + Levels + 1 - $clog2(n + 1);
    localparam int NodeWidth = (Wide < OutWidth) ? Wide : OutWidth;
    (* keep *) logic [NodeWidth-1:0] sum;

    if (n >= Terms) begin : gen_word
      if (Signed != 0) begin : gen_signed
        assign sum = NodeWidth'($signed(x_i[(n-Terms)*Width+:Width]));
      end else begin : gen_unsigned
        assign sum = NodeWidth'(x_i[(n-Terms)*Width+:Width]);
      end
    end else if (Signed != 0) begin : gen_signed
      assign sum = NodeWidth'($signed(gen_node[2*n].sum))
                 + NodeWidth'($signed(gen_node[2*n+1].sum));
    end else begin : gen_unsigned
      assign sum = NodeWidth'(gen_node[2*n].sum) + NodeWidth'(gen_node[2*n+1].sum);
    end
  end

  if (Signed != 0) begin : gen_signed
    assign y_o = OutWidth'($signed(gen_node[1].sum));
  end else begin : gen_unsigned
    assign y_o = OutWidth'(gen_node[1].sum);
  end

  initial if (Terms < 1 || Width < 1 || OutWidth < 1) begin
    $fatal(1, "flow_adder_tree: Terms and both widths must be at least 1");
  end

endmodule
