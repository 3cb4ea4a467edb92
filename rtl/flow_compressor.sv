// Sum of many words without a chain of carries for each: y = sum_i x[i], modulo 2**OutWidth.
//
// Legal parameters: Terms, Width, OutWidth >= 1; Signed says how a word is extended to OutWidth.
// Latency: 0 cycles, combinational.
//
// Six words become three in one level of logic: a column of six bits holds 0 to 6 ones, and each of
// the three bits of that number is one LUT6. What is left over is compressed three to two, and the
// last two words are added on a carry chain.
// A column of six costs three LUT6s and removes three bits, just what three carry chains cost, and
// the tree is flatter. With Yosys 0.70 on xc7 it is also smaller than a sum left to synthesis: 26
// LUTs instead of 36 for 16 single bits, 163 instead of 205 for 16 signed bytes. With LUT4s (ECP5)
// that holds for single bits only, 74 and 86; 16 bytes take 476 instead of 378. Up to four terms
// nothing is gained. It is the Adder 1 of dot products; benchmarks/cells.py has all of them.

module flow_compressor #(
    parameter int Terms = 8,
    parameter int Width = 8,
    parameter int Signed = 1,
    parameter int OutWidth = 11
) (
    input  logic [Terms*Width-1:0] x_i,
    output logic [   OutWidth-1:0] y_o
);

  localparam int MAX_LEVELS = 32;  // a level halves the words

  // Words in front of every level: six become three, three of the rest two. One function that calls
  // no other, because Icarus 11 evaluates no call inside a constant function.
  function automatic logic [32*MAX_LEVELS-1:0] counts();
    int count, rest;
    count = Terms;
    for (int level = 0; level < MAX_LEVELS; level++) begin
      counts[32*level+:32] = count;
      rest = count % 6;
      count = (count / 6) * 3 + ((rest >= 3) ? rest - 1 : rest);
    end
  endfunction

  localparam logic [32*MAX_LEVELS-1:0] COUNTS = counts();

  // Levels until two words are left.
  function automatic int depth();
    depth = 0;
    while (COUNTS[32*depth+:32] > 2) depth = depth + 1;
  endfunction

  // Bit `place` of the number of ones among six bits.
  function automatic logic [63:0] ones(input int place);
    int count;
    for (int line = 0; line < 64; line++) begin
      count = 0;
      for (int j = 0; j < 6; j++) count = count + ((line >> j) & 1);
      ones[line] = ((count >> place) & 1) != 0;
    end
  endfunction

  localparam int Levels = depth();
  localparam logic [63:0] ONES_0 = ones(0);
  localparam logic [63:0] ONES_1 = ones(1);
  localparam logic [63:0] ONES_2 = ones(2);

  for (genvar l = 0; l <= Levels; l++) begin : gen_level
    localparam int Words = int'(COUNTS[32*l+:32]);
    logic [Words*OutWidth-1:0] word;

    if (l == 0) begin : gen_terms
      for (genvar i = 0; i < Terms; i++) begin : gen_extend
        if (Signed != 0) begin : gen_signed
          assign word[i*OutWidth+:OutWidth] = OutWidth'($signed(x_i[i*Width+:Width]));
        end else begin : gen_unsigned
          assign word[i*OutWidth+:OutWidth] = OutWidth'(x_i[i*Width+:Width]);
        end
      end
    end else begin : gen_counters
      localparam int Before = int'(COUNTS[32*(l-1)+:32]);
      localparam int Sixes = Before / 6;
      localparam int Threes = (Before % 6) / 3;
      localparam int Rest = Before - 6 * Sixes - 3 * Threes;

      for (genvar g = 0; g < Sixes; g++) begin : gen_six
        logic [OutWidth-1:0] one, two, four;
        for (genvar b = 0; b < OutWidth; b++) begin : gen_column
          logic [5:0] column;
          for (genvar j = 0; j < 6; j++) begin : gen_bit
            assign column[j] = gen_level[l-1].word[(6*g+j)*OutWidth+b];
          end
          assign one[b] = ONES_0[column];
          assign two[b] = ONES_1[column];
          assign four[b] = ONES_2[column];
        end
        assign word[(3*g+0)*OutWidth+:OutWidth] = one;
        assign word[(3*g+1)*OutWidth+:OutWidth] = two << 1;
        assign word[(3*g+2)*OutWidth+:OutWidth] = four << 2;
      end

      for (genvar g = 0; g < Threes; g++) begin : gen_three
        localparam int From = 6 * Sixes * OutWidth;
        logic [OutWidth-1:0] a, b, c;
        assign a = gen_level[l-1].word[From+:OutWidth];
        assign b = gen_level[l-1].word[From+OutWidth+:OutWidth];
        assign c = gen_level[l-1].word[From+2*OutWidth+:OutWidth];
        assign word[3*Sixes*OutWidth+:OutWidth] = a ^ b ^ c;
        assign word[(3*Sixes+1)*OutWidth+:OutWidth] = ((a & b) | (a & c) | (b & c)) << 1;
      end

      if (Rest > 0) begin : gen_rest
        assign word[(Words-Rest)*OutWidth+:Rest*OutWidth]
            = gen_level[l-1].word[(Before-Rest)*OutWidth+:Rest*OutWidth];
      end
    end
  end

  if (Terms > 1) begin : gen_sum
    assign y_o = gen_level[Levels].word[0+:OutWidth] + gen_level[Levels].word[OutWidth+:OutWidth];
  end else begin : gen_single
    assign y_o = gen_level[Levels].word;
  end

  initial if (Terms < 1 || Width < 1 || OutWidth < 1) begin
    $fatal(1, "flow_compressor: Terms and both widths must be at least 1");
  end

endmodule
