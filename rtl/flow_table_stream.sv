// A stream whose every lane goes through a table: y = Table[x], one entry for every code.
//
// Entry n is at bit n*OutWidth of Table; a signed code counts as the unsigned number of its bits.
// Legal parameters: Lanes, InWidth, OutWidth >= 1; InWidth <= 12. Latency: 1 cycle; throughput: 1
// beat a cycle. Ready passes through combinationally, as in flow_quantize_stream.
//
// An activation function of few bits is a ROM of its own size, whatever the function: one LUT6 a
// bit of an entry up to six bits of code. Generated layers keep the tables of long codes in modules
// of their own, where synthesis may choose block RAM.

module flow_table_stream #(
    parameter int Lanes = 1,
    parameter int InWidth = 4,
    parameter int OutWidth = 4,
    parameter logic [(1<<InWidth)*OutWidth-1:0] Table = '0
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

  localparam int Entries = 1 << InWidth;

  // Bit `place` of every entry.
  function automatic logic [Entries-1:0] column(input int place);
    for (int line = 0; line < Entries; line++) column[line] = Table[line*OutWidth+place];
  endfunction

  logic [Lanes*OutWidth-1:0] entries;

  for (genvar j = 0; j < OutWidth; j++) begin : gen_bits
    localparam logic [Entries-1:0] COLUMN = column(j);
    for (genvar i = 0; i < Lanes; i++) begin : gen_lanes
      assign entries[i*OutWidth+j] = COLUMN[data_i[i*InWidth+:InWidth]];
    end
  end

  flow_register #(
      .Width(Lanes * OutWidth)
  ) u_register (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .data_i(entries),
      .valid_i(valid_i),
      .ready_o(ready_o),
      .data_o(data_o),
      .valid_o(valid_o),
      .ready_i(ready_i)
  );

  initial if (Lanes < 1 || InWidth < 1 || InWidth > 12 || OutWidth < 1) begin
    $fatal(1, "flow_table_stream: all sizes must be at least 1, and InWidth at most 12");
  end

endmodule
