// A stream of the design out as AXI-Stream: registered, padded with zeros to bytes, TLAST added.
//
// Legal parameters: Width >= 1, Beats >= 1 (beats in a sample). TdataWidth is Width padded to
// bytes.
// Latency: 1 cycle; throughput: 1 beat a cycle. TLAST marks the last beat of each sample.

module flow_axis_out #(
    parameter int Width = 8,
    parameter int Beats = 1,
    localparam int TdataWidth = ((Width + 7) / 8) * 8,
    localparam int BeatWidth = (Beats > 1) ? $clog2(Beats) : 1
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  logic [     Width-1:0] data_i,
    input  logic                  valid_i,
    output logic                  ready_o,
    output logic [TdataWidth-1:0] m_axis_tdata_o,
    output logic                  m_axis_tvalid_o,
    input  logic                  m_axis_tready_i,
    output logic                  m_axis_tlast_o
);

  localparam logic [BeatWidth-1:0] LAST = BeatWidth'(Beats - 1);

  logic [BeatWidth-1:0] beat_q;
  logic [    Width-1:0] data;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) beat_q <= '0;
    else if (m_axis_tvalid_o && m_axis_tready_i) beat_q <= m_axis_tlast_o ? '0 : beat_q + 1'b1;
  end

  assign m_axis_tlast_o = beat_q == LAST;
  assign m_axis_tdata_o = TdataWidth'(data);

  flow_skid #(
      .Width(Width)
  ) u_skid (
      .clk_i,
      .rst_ni,
      .data_i,
      .valid_i,
      .ready_o,
      .data_o (data),
      .valid_o(m_axis_tvalid_o),
      .ready_i(m_axis_tready_i)
  );

  initial if (Width < 1 || Beats < 1) begin
    $fatal(1, "flow_axis_out: Width and Beats must be at least 1");
  end

endmodule
