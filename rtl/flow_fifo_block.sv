// First-in first-out buffer in block RAM; the oldest beat stands at the output.
//
// Legal parameters: Width >= 1, Depth >= 2. Latency: 2 cycles when empty; throughput: 1 beat a
// cycle; holds Depth + 1 beats.
//
// The read port of a block RAM has a register, which is the output here: the next beat is read
// where that register is empty or its beat leaves, so there is no cycle lost and no copy of the
// beat. Always block RAM, however small; up to some hundred beats flow_fifo is the better form.
// Ready and valid are functions of registers only, as in flow_fifo.

module flow_fifo_block #(
    parameter int Width = 8,
    parameter int Depth = 512
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

  (* ram_style = "block" *) logic [Width-1:0] beats_q[Depth];
  logic [ AddrWidth-1:0] write_q, read_q;
  logic [CountWidth-1:0] count_q;  // beats in the memory, the one at the output not among them
  logic push, pull;

  assign ready_o = count_q != CountWidth'(Depth);
  assign push = valid_i & ready_o;
  assign pull = count_q != '0 && (ready_i || !valid_o);

  always_ff @(posedge clk_i) begin
    if (push) beats_q[write_q] <= data_i;
  end

  always_ff @(posedge clk_i) begin
    if (pull) data_o <= beats_q[read_q];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q <= '0;
      count_q <= '0;
      valid_o <= 1'b0;
    end else begin
      if (push) write_q <= (write_q == LAST) ? '0 : write_q + 1'b1;
      if (pull) read_q <= (read_q == LAST) ? '0 : read_q + 1'b1;
      if (push && !pull) count_q <= count_q + 1'b1;
      if (pull && !push) count_q <= count_q - 1'b1;
      if (pull) valid_o <= 1'b1;
      else if (ready_i) valid_o <= 1'b0;
    end
  end

  initial if (Width < 1 || Depth < 2) begin
    $fatal(1, "flow_fifo_block: Width must be at least 1 and Depth at least 2");
  end

endmodule
