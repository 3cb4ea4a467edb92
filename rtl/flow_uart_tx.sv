// UART transmitter, 8N1: a stream of bytes on a serial line, lowest bit first.
//
// A bit takes Divider clock cycles (clock frequency / baud rate, to the nearest); a byte takes ten
// bits, and the next one follows at once. The line is high at rest.
// Legal parameters: Divider >= 1. Latency: 1 cycle to the start bit; throughput: a byte in
// 10 * Divider cycles.

module flow_uart_tx #(
    parameter int Divider = 100
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic [7:0] data_i,
    input  logic       valid_i,
    output logic       ready_o,
    output logic       tx_o
);

  localparam int CountWidth = (Divider > 1) ? $clog2(Divider) : 1;
  localparam logic [CountWidth-1:0] BIT = CountWidth'(Divider - 1);

  logic [8:0] bits_q;  // what is to come, ones above it: start bit first, the stop bit is a one
  logic [3:0] left_q;  // bits after the current one
  logic [CountWidth-1:0] count_q;
  logic end_bit;

  assign end_bit = count_q == '0;
  assign ready_o = end_bit && left_q == '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      bits_q <= '1;
      left_q <= '0;
      count_q <= '0;
      tx_o <= 1'b1;
    end else if (!end_bit) begin
      count_q <= count_q - 1'b1;
    end else if (left_q != '0) begin
      tx_o <= bits_q[0];
      bits_q <= {1'b1, bits_q[8:1]};
      left_q <= left_q - 1'b1;
      count_q <= BIT;
    end else if (valid_i) begin
      tx_o <= 1'b0;
      bits_q <= {1'b1, data_i};
      left_q <= 4'd9;
      count_q <= BIT;
    end
  end

  initial if (Divider < 1) $fatal(1, "flow_uart_tx: Divider must be at least 1");

endmodule
