// UART receiver, 8N1: bytes of a serial line as a stream.
//
// A bit takes Divider clock cycles (clock frequency / baud rate, to the nearest). A start bit is
// checked again in its middle, and every bit is read in its middle; a byte whose stop bit is low is
// dropped and raises frame_error_o for a cycle. A serial line cannot wait: a byte that comes while
// the last one is still there is dropped and raises overrun_o for a cycle.
// Legal parameters: Divider >= 4. Latency: a byte is offered in the middle of its stop bit.

module flow_uart_rx #(
    parameter int Divider = 100
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       rx_i,
    output logic [7:0] data_o,
    output logic       valid_o,
    input  logic       ready_i,
    output logic       frame_error_o,
    output logic       overrun_o
);

  localparam int CountWidth = $clog2(Divider);
  localparam logic [CountWidth-1:0] BIT = CountWidth'(Divider - 1);
  localparam logic [CountWidth-1:0] HALF = CountWidth'(Divider / 2 - 1);
  localparam logic [3:0] STOP = 4'd9;

  logic [1:0] line_q;  // against metastability
  logic busy_q;
  logic [CountWidth-1:0] count_q;
  logic [3:0] bit_q;  // 0 start, 1 to 8 data, 9 stop
  logic [7:0] byte_q;
  logic line, middle, finish;

  assign line = line_q[1];
  assign middle = busy_q && count_q == '0;
  assign finish = middle && bit_q == STOP;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      line_q <= '1;
      busy_q <= 1'b0;
      count_q <= '0;
      bit_q <= '0;
    end else begin
      line_q <= {line_q[0], rx_i};
      if (!busy_q) begin
        busy_q <= ~line;
        count_q <= HALF;
        bit_q <= '0;
      end else if (!middle) begin
        count_q <= count_q - 1'b1;
      end else begin
        count_q <= BIT;
        bit_q <= bit_q + 1'b1;
        if (finish || (bit_q == '0 && line)) busy_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (middle) byte_q <= {line, byte_q[7:1]};
    if (finish && line && (!valid_o || ready_i)) data_o <= byte_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_o <= 1'b0;
      frame_error_o <= 1'b0;
      overrun_o <= 1'b0;
    end else begin
      if (finish && line) valid_o <= 1'b1;
      else if (ready_i) valid_o <= 1'b0;
      frame_error_o <= finish & ~line;
      overrun_o <= finish & line & valid_o & ~ready_i;
    end
  end

  initial if (Divider < 4) $fatal(1, "flow_uart_rx: Divider must be at least 4");

endmodule
