// Beats of a sample in another order: some of them several times or never, zeros in between.
//
// Legal parameters: Width, Beats >= 1 (beats of a sample in), Depth a power of two, at least 2.
//
// What comes next is said from outside, by counters that go on where `step_o` is set: the next beat
// out is beat `place_i` of the sample, or zeros where `zero_i` is set (then `place_i` is 0); it is
// the last one of the sample where `last_i` is set; where `release_i` is set, no later beat out
// needs a beat before `freed_i`. Depth must hold all beats from the first one that is still needed
// to the one that comes next.
// Latency: 2 cycles from the beat that comes next to its beat out; throughput: 1 beat a cycle on
// either side.
//
// One memory used as a ring, as in flow_window; a Depth that is a power of two makes its addresses
// wrap by themselves. `avail` counts beats from the first one of the present sample; it is negative
// while beats of the sample before it are still to come. Ready is a function of registers only.

module flow_reorder #(
    parameter int Width = 8,
    parameter int Beats = 4,
    parameter int Depth = 8,
    localparam int PlaceWidth = (Beats > 1) ? $clog2(Beats) : 1,
    localparam int FreedWidth = $clog2(Beats + 1)
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    output logic                  step_o,
    input  logic [PlaceWidth-1:0] place_i,
    input  logic                  zero_i,
    input  logic                  release_i,
    input  logic [FreedWidth-1:0] freed_i,
    input  logic                  last_i,
    input  logic [     Width-1:0] data_i,
    input  logic                  valid_i,
    output logic                  ready_o,
    output logic [     Width-1:0] data_o,
    output logic                  valid_o,
    input  logic                  ready_i
);

  localparam int AddrWidth = $clog2(Depth);
  localparam int AvailWidth = $clog2(Depth + Beats + 1) + 1;
  localparam logic signed [AvailWidth-1:0] FULL = AvailWidth'(Depth);
  localparam logic signed [AvailWidth-1:0] SAMPLE = AvailWidth'(Beats);

  logic signed [AvailWidth-1:0] avail_q, used;
  logic [FreedWidth-1:0] freed_q;
  logic room, present, step, write;

  assign used = avail_q - $signed(AvailWidth'(freed_q));
  assign ready_o = used != FULL;
  assign write = valid_i & ready_o;
  assign present = avail_q > $signed(AvailWidth'(place_i));
  assign room = ready_i | ~valid_o;
  assign step = room & present;
  assign step_o = step;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      avail_q <= '0;
      freed_q <= '0;
    end else begin
      avail_q <= avail_q + $signed(AvailWidth'(write)) - ((step && last_i) ? SAMPLE : '0);
      if (step && last_i) freed_q <= '0;
      else if (step && release_i) freed_q <= freed_i;
    end
  end

  // The ring.
  logic [Width-1:0] beats_q[Depth];
  logic [Width-1:0] read_q;
  logic [AddrWidth-1:0] write_addr_q, base_q, read_addr;
  logic zero_q;

  assign read_addr = base_q + AddrWidth'(place_i);

  always_ff @(posedge clk_i) begin
    if (write) beats_q[write_addr_q] <= data_i;
    if (room) read_q <= beats_q[read_addr];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_addr_q <= '0;
      base_q <= '0;
    end else begin
      if (write) write_addr_q <= write_addr_q + 1'b1;
      if (step && last_i) base_q <= base_q + AddrWidth'(Beats);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (room) valid_o <= present;
  end

  always_ff @(posedge clk_i) begin
    if (room) zero_q <= zero_i;
  end

  assign data_o = zero_q ? '0 : read_q;

  initial begin
    if (Width < 1 || Beats < 1) $fatal(1, "flow_reorder: Width and Beats must be at least 1");
    if (Depth < 2 || (Depth & (Depth - 1)) != 0) begin
      $fatal(1, "flow_reorder: Depth must be a power of two and at least 2");
    end
  end

endmodule
