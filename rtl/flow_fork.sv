// One stream to several consumers: every beat goes to each of them exactly once, at its own time.
//
// Legal parameters: Ways >= 2. Latency: 0 cycles. The data is common; only the handshake is forked.
//
// Each way remembers that it has taken the present beat, so its valid never waits for another's
// ready.

module flow_fork #(
    parameter int Ways = 2
) (
    input  logic            clk_i,
    input  logic            rst_ni,
    input  logic            valid_i,
    output logic            ready_o,
    output logic [Ways-1:0] valid_o,
    input  logic [Ways-1:0] ready_i
);

  logic [Ways-1:0] taken_q;

  assign valid_o = {Ways{valid_i}} & ~taken_q;
  assign ready_o = &(taken_q | ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || (valid_i && ready_o)) taken_q <= '0;
    else taken_q <= taken_q | (valid_o & ready_i);
  end

  initial if (Ways < 2) $fatal(1, "flow_fork: Ways must be at least 2");

endmodule
