// AXI-Stream into the design: registered, padding dropped, framing checked.
//
// Legal parameters: Width >= 1, Beats >= 1 (beats in a sample). TdataWidth is Width padded to
// bytes.
// Latency: 1 cycle; throughput: 1 beat a cycle.
//
// Samples are framed by counting beats: TLAST never moves data, so a wrong one cannot lose a
// sample. A TLAST that is missing on the last beat or present on another raises `frame_error_o`,
// which stays up until reset.

module flow_axis_in #(
    parameter int Width = 8,
    parameter int Beats = 1,
    localparam int TdataWidth = ((Width + 7) / 8) * 8,
    localparam int BeatWidth = (Beats > 1) ? $clog2(Beats) : 1
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  logic [TdataWidth-1:0] s_axis_tdata_i,
    input  logic                  s_axis_tvalid_i,
    output logic                  s_axis_tready_o,
    input  logic                  s_axis_tlast_i,
    output logic                  frame_error_o,
    output logic [     Width-1:0] data_o,
    output logic                  valid_o,
    input  logic                  ready_i
);

  localparam logic [BeatWidth-1:0] LAST = BeatWidth'(Beats - 1);

  logic [BeatWidth-1:0] beat_q;
  logic accept, last;

  assign accept = s_axis_tvalid_i & s_axis_tready_o;
  assign last = beat_q == LAST;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q <= '0;
      frame_error_o <= 1'b0;
    end else if (accept) begin
      beat_q <= last ? '0 : beat_q + 1'b1;
      frame_error_o <= frame_error_o | (s_axis_tlast_i != last);
    end
  end

  flow_skid #(
      .Width(Width)
  ) u_skid (
      .clk_i,
      .rst_ni,
      .data_i (s_axis_tdata_i[Width-1:0]),
      .valid_i(s_axis_tvalid_i),
      .ready_o(s_axis_tready_o),
      .data_o,
      .valid_o,
      .ready_i
  );

  logic unused;
  assign unused = ^s_axis_tdata_i;

  initial if (Width < 1 || Beats < 1) begin
    $fatal(1, "flow_axis_in: Width and Beats must be at least 1");
  end

endmodule
