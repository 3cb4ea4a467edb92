// A design on a serial line: bytes in become beats, beats out become bytes, 8N1.
//
// A beat is its bytes, lowest first, as many as its bits need; bits of the last byte beyond the
// beat are dropped on the way in and 0 on the way out. For boards that have a UART and no bus. The
// line cannot wait, so Depth bytes are kept in a FIFO; a byte that finds it full is lost and raises
// error_o, as does a byte without a stop bit; error_o stays up until reset.
// Legal parameters: Divider >= 4; InWidth, OutWidth >= 1; Depth >= 2. Latency: a byte's time and 3
// cycles in; 2 cycles out.

module flow_uart_bridge #(
    parameter int Divider = 100,
    parameter int InWidth = 8,
    parameter int OutWidth = 8,
    parameter int Depth = 16
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  logic                rx_i,
    output logic                tx_o,
    output logic                error_o,
    output logic [ InWidth-1:0] data_o,
    output logic                valid_o,
    input  logic                ready_i,
    input  logic [OutWidth-1:0] data_i,
    input  logic                valid_i,
    output logic                ready_o
);

  localparam int InBytes = (InWidth + 7) / 8;
  localparam int OutBytes = (OutWidth + 7) / 8;

  logic [7:0] rx_data, kept_data, tx_data;
  logic rx_valid, rx_ready, kept_valid, kept_ready, tx_valid, tx_ready;
  logic frame_error, overrun;
  logic [8*InBytes-1:0] beat;

  flow_uart_rx #(
      .Divider(Divider)
  ) u_rx (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .rx_i(rx_i),
      .data_o(rx_data),
      .valid_o(rx_valid),
      .ready_i(rx_ready),
      .frame_error_o(frame_error),
      .overrun_o(overrun)
  );

  flow_fifo #(
      .Width(8),
      .Depth(Depth)
  ) u_fifo (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .data_i(rx_data),
      .valid_i(rx_valid),
      .ready_o(rx_ready),
      .data_o(kept_data),
      .valid_o(kept_valid),
      .ready_i(kept_ready)
  );

  flow_width #(
      .Width(8),
      .InLanes(1),
      .OutLanes(InBytes)
  ) u_pack (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .data_i(kept_data),
      .valid_i(kept_valid),
      .ready_o(kept_ready),
      .data_o(beat),
      .valid_o(valid_o),
      .ready_i(ready_i)
  );

  flow_width #(
      .Width(8),
      .InLanes(OutBytes),
      .OutLanes(1)
  ) u_unpack (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .data_i((8 * OutBytes)'(data_i)),
      .valid_i(valid_i),
      .ready_o(ready_o),
      .data_o(tx_data),
      .valid_o(tx_valid),
      .ready_i(tx_ready)
  );

  flow_uart_tx #(
      .Divider(Divider)
  ) u_tx (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .data_i(tx_data),
      .valid_i(tx_valid),
      .ready_o(tx_ready),
      .tx_o(tx_o)
  );

  assign data_o = beat[InWidth-1:0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) error_o <= 1'b0;
    else error_o <= error_o | frame_error | overrun;
  end

  logic unused;
  assign unused = ^beat;

  initial if (Divider < 4 || InWidth < 1 || OutWidth < 1 || Depth < 2) begin
    $fatal(1, "flow_uart_bridge: Divider must be at least 4, Depth 2 and both widths 1");
  end

endmodule
