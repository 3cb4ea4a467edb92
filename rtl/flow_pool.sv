// Highest code or scaled sum of Taps beats, lane by lane: y = max x or y = Scale * sum x.
//
// Legal parameters: Lanes, Taps, widths, Scale >= 1. The highest code has the input's width; the
// scaled sum is exact modulo 2**OutWidth, so OutWidth need only hold the final result.
// Latency: 1 cycle after the last beat; throughput: one result in Taps cycles.
//
// The taps come one after the other from flow_window, so one comparator or adder a lane serves any
// window; the constant factor becomes shifts and adds behind the sum, never a DSP.

module flow_pool #(
    parameter int Lanes = 1,
    parameter int Taps = 4,
    parameter int Average = 0,
    parameter int Scale = 1,
    parameter int InWidth = 8,
    parameter int InSigned = 1,
    parameter int OutWidth = 8
) (
    input  logic                      clk_i,
    input  logic                      rst_ni,
    input  logic [ Lanes*InWidth-1:0] data_i,
    input  logic                      valid_i,
    output logic                      ready_o,
    output logic [Lanes*OutWidth-1:0] data_o,
    output logic                      valid_o,
    input  logic                      ready_i
);

  localparam int TapWidth = (Taps > 1) ? $clog2(Taps) : 1;

  logic [TapWidth-1:0] tap_q;
  logic [Lanes*OutWidth-1:0] kept_q, kept_d, result;
  logic first, last, accept;

  assign first = tap_q == '0;
  assign last = tap_q == TapWidth'(Taps - 1);
  assign ready_o = ~(last & valid_o & ~ready_i);
  assign accept = valid_i & ready_o;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lanes
    logic [InWidth-1:0] code;
    logic [OutWidth-1:0] wide, kept;

    assign code = data_i[i*InWidth+:InWidth];
    assign kept = kept_q[i*OutWidth+:OutWidth];
    if (InSigned != 0) begin : gen_signed
      assign wide = OutWidth'($signed(code));
    end else begin : gen_unsigned
      assign wide = OutWidth'(code);
    end

    if (Average != 0) begin : gen_average
      logic [OutWidth-1:0] sum, scaled;
      assign sum = first ? wide : kept + wide;
      assign kept_d[i*OutWidth+:OutWidth] = sum;
      // Shifts and adds: a product would become a DSP where synthesis likes it.
      always_comb begin
        scaled = '0;
        for (int i = 0; i < 31; i++) if (((Scale >> i) & 1) != 0) scaled = scaled + (sum << i);
      end
      assign result[i*OutWidth+:OutWidth] = scaled;
    end else begin : gen_max
      // Flipping the sign bit turns signed order into unsigned order.
      localparam logic [OutWidth-1:0] FLIP =
          (InSigned != 0) ? OutWidth'(1) << (OutWidth - 1) : '0;
      logic [OutWidth-1:0] highest;
      assign highest = (first || (wide ^ FLIP) > (kept ^ FLIP)) ? wide : kept;
      assign kept_d[i*OutWidth+:OutWidth] = highest;
      assign result[i*OutWidth+:OutWidth] = highest;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) tap_q <= '0;
    else if (accept) tap_q <= last ? '0 : tap_q + 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (accept) begin
      kept_q <= kept_d;
      if (last) data_o <= result;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (accept && last) valid_o <= 1'b1;
    else if (ready_i) valid_o <= 1'b0;
  end

  initial if (Lanes < 1 || Taps < 1 || Scale < 1 || InWidth < 1 || OutWidth < 1) begin
    $fatal(1, "flow_pool: Lanes, Taps, Scale and both widths must be at least 1");
  end

endmodule
