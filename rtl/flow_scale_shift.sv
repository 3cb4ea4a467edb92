// BatchNorm as scale and shift, lane by lane: y[c] = ((s[c] * x[c]) << ProductShift) + t[c].
//
// Legal parameters: Lanes, Beats, widths >= 1, ProductShift >= 0. OutWidth holds every result.
// Latency: 1 cycle; throughput: 1 beat a cycle. Ready passes through combinationally, as in
// flow_quantize_stream.
//
// The constants come from a ROM outside: line `addr_o` holds s[addr_o*Lanes+i] at bit i*SWidth and
// t[addr_o*Lanes+i] at bit i*OutWidth, read in the same cycle. Beats is the number of lines; the
// channels repeat with every pixel.

module flow_scale_shift #(
    parameter int Lanes = 1,
    parameter int Beats = 1,
    parameter int XWidth = 8,
    parameter int XSigned = 1,
    parameter int SWidth = 6,
    parameter int SSigned = 1,
    parameter int OutWidth = 15,
    parameter int ProductShift = 0,
    parameter int UseDsp = 0,
    localparam int AddrWidth = (Beats > 1) ? $clog2(Beats) : 1
) (
    input  logic                      clk_i,
    input  logic                      rst_ni,
    output logic [     AddrWidth-1:0] addr_o,
    input  logic [  Lanes*SWidth-1:0] scale_i,
    input  logic [Lanes*OutWidth-1:0] shift_i,
    input  logic [  Lanes*XWidth-1:0] data_i,
    input  logic                      valid_i,
    output logic                      ready_o,
    output logic [Lanes*OutWidth-1:0] data_o,
    output logic                      valid_o,
    input  logic                      ready_i
);

  logic [Lanes*OutWidth-1:0] data_d;

  assign ready_o = ready_i | ~valid_o;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lanes
    logic [OutWidth-1:0] product;

    flow_dot #(
        .Simd    (1),
        .XWidth  (XWidth),
        .XSigned (XSigned),
        .WWidth  (SWidth),
        .WSigned (SSigned),
        .OutWidth(OutWidth),
        .UseDsp  (UseDsp)
    ) u_dot (
        .x_i(data_i[i*XWidth+:XWidth]),
        .w_i(scale_i[i*SWidth+:SWidth]),
        .y_o(product)
    );

    assign data_d[i*OutWidth+:OutWidth] =
        (product << ProductShift) + shift_i[i*OutWidth+:OutWidth];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) addr_o <= '0;
    else if (valid_i && ready_o) begin
      addr_o <= (addr_o == AddrWidth'(Beats - 1)) ? '0 : addr_o + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (ready_o) valid_o <= valid_i;
  end

  always_ff @(posedge clk_i) begin
    if (ready_o) data_o <= data_d;
  end

  initial if (Lanes < 1 || Beats < 1 || ProductShift < 0) begin
    $fatal(1, "flow_scale_shift: Lanes and Beats must be at least 1 and ProductShift at least 0");
  end

endmodule
