// First-in first-out buffer in distributed RAM; the oldest beat stands at the output.
//
// Legal parameters: Width >= 1, Depth >= 2. Latency: 1 cycle when empty; throughput: 1 beat a
// cycle.
//
// Ready and valid are functions of registers only, so the FIFO also cuts the path of ready.

module flow_fifo #(
    parameter int Width = 8,
    parameter int Depth = 8
) (
    input  logic             clk_i,
    input  logic             rst_ni,
    input  logic [Width-1:0] data_i,
    input  logic             valid_i,
    output logic             ready_o,
    output logic [Width-1:0] data_o,
    output logic             valid_o,
    input  logic             ready_i
);

  localparam int AddrWidth = (Depth > 1) ? $clog2(Depth) : 1;
  localparam int CountWidth = $clog2(Depth + 1);
  localparam logic [AddrWidth-1:0] LAST = AddrWidth'(Depth - 1);

  logic [     Width-1:0] beats_q[Depth];
  logic [ AddrWidth-1:0] write_q, read_q;
  logic [CountWidth-1:0] count_q;
  logic push, pop;

  assign ready_o = count_q != CountWidth'(Depth);
  assign valid_o = count_q != '0;
  assign data_o = beats_q[read_q];
  assign push = valid_i & ready_o;
  assign pop = valid_o & ready_i;

  always_ff @(posedge clk_i) begin
    if (push) beats_q[write_q] <= data_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q <= '0;
      count_q <= '0;
    end else begin
      if (push) write_q <= (write_q == LAST) ? '0 : write_q + 1'b1;
      if (pop) read_q <= (read_q == LAST) ? '0 : read_q + 1'b1;
      if (push && !pop) count_q <= count_q + 1'b1;
      if (pop && !push) count_q <= count_q - 1'b1;
    end
  end

  initial if (Width < 1 || Depth < 2) begin
    $fatal(1, "flow_fifo: Width must be at least 1 and Depth at least 2");
  end

endmodule
