// A stream of other lanes: the same codes in the same order, InLanes a beat in, OutLanes out.
//
// Any ratio: a buffer holds the codes that have come and not gone, in steps of the greatest common
// divisor of both counts. Lane 0 comes first. Codes that do not fill a last beat stay inside.
// Legal parameters: Width, InLanes, OutLanes >= 1. Latency: 1 cycle from the beat that completes
// one; throughput: a beat in and a beat out in every cycle that the counts allow.
//
// Where one count divides the other, the buffer is as long as the longer beat and a counter of
// steps is all the control there is. Ready of the input is a function of the fill and, to keep up
// full throughput, of ready of the output: a FIFO or a skid buffer must stand somewhere behind, as
// with flow_quantize_stream.

module flow_width #(
    parameter int Width = 8,
    parameter int InLanes = 2,
    parameter int OutLanes = 3
) (
    input  logic                      clk_i,
    input  logic                      rst_ni,
    input  logic [ InLanes*Width-1:0] data_i,
    input  logic                      valid_i,
    output logic                      ready_o,
    output logic [OutLanes*Width-1:0] data_o,
    output logic                      valid_o,
    input  logic                      ready_i
);

  // Euclid's.
  function automatic int common(input int a, input int b);
    int left;
    int right;
    int rest;
    left = a;
    right = b;
    while (right != 0) begin
      rest = left % right;
      left = right;
      right = rest;
    end
    common = left;
  endfunction

  localparam int Step = common(InLanes, OutLanes);
  localparam int StepWidth = Step * Width;
  localparam int In = InLanes / Step;  // steps of a beat
  localparam int Out = OutLanes / Step;
  // With fewer than Out steps inside, a beat may come: so many fit.
  localparam int Steps = In + Out - 1;
  localparam int FillWidth = $clog2(Steps + 1);

  logic [Steps*StepWidth-1:0] steps_q, steps_d;
  logic [FillWidth-1:0] fill_q, kept;
  logic push, pop;

  assign valid_o = fill_q >= FillWidth'(Out);
  assign data_o = steps_q[Out*StepWidth-1:0];
  assign pop = valid_o & ready_i;
  assign kept = pop ? fill_q - FillWidth'(Out) : fill_q;  // what stays if nothing comes
  assign ready_o = kept < FillWidth'(Out);
  assign push = valid_i & ready_o;

  // The steps that stay move to the bottom, and a beat goes above them.
  always_comb begin
    steps_d = steps_q;
    if (pop) steps_d = steps_q >> (Out * StepWidth);
    if (push) begin
      for (int i = 0; i < Out; i++) begin
        if (kept == FillWidth'(i)) steps_d[i*StepWidth+:In*StepWidth] = data_i;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) fill_q <= '0;
    else fill_q <= push ? kept + FillWidth'(In) : kept;
  end

  always_ff @(posedge clk_i) begin
    if (push || pop) steps_q <= steps_d;
  end

  initial if (Width < 1 || InLanes < 1 || OutLanes < 1) begin
    $fatal(1, "flow_width: Width, InLanes and OutLanes must be at least 1");
  end

endmodule
