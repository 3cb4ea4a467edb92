// Index of the highest of Count codes; of equal codes the first.
//
// Legal parameters: Lanes divides Count; IndexWidth holds Count-1.
// Latency: 1 cycle after the last beat; throughput: one vector in Count/Lanes cycles.
//
// Lane by lane a strictly greater code replaces the best so far, which keeps the first of equals
// without comparing indices. A chain, not a tree: Lanes is the PE count of the layer before, which
// is small.

module flow_argmax #(
    parameter int Count = 10,
    parameter int Lanes = 2,
    parameter int Width = 8,
    parameter int Signed = 1,
    parameter int IndexWidth = 4,
    localparam int Beats = Count / Lanes,
    localparam int BeatWidth = (Beats > 1) ? $clog2(Beats) : 1
) (
    input  logic                   clk_i,
    input  logic                   rst_ni,
    input  logic [Lanes*Width-1:0] data_i,
    input  logic                   valid_i,
    output logic                   ready_o,
    output logic [ IndexWidth-1:0] data_o,
    output logic                   valid_o,
    input  logic                   ready_i
);

  localparam logic [BeatWidth-1:0] LAST = BeatWidth'(Beats - 1);
  // Flipping the sign bit turns signed order into unsigned order.
  localparam logic [Width-1:0] FLIP = (Signed != 0) ? Width'(1) << (Width - 1) : '0;

  logic [ BeatWidth-1:0] beat_q;
  logic [     Width-1:0] best_q, best_d;
  logic [IndexWidth-1:0] index_q, index_d;
  logic [IndexWidth-1:0] base_q;
  logic last, accept;

  assign last = beat_q == LAST;
  assign ready_o = ~(last & valid_o & ~ready_i);
  assign accept = valid_i & ready_o;

  always_comb begin
    best_d = best_q;
    index_d = index_q;
    for (int i = 0; i < Lanes; i++) begin
      if ((i == 0 && beat_q == '0) || ((data_i[i*Width+:Width] ^ FLIP) > best_d)) begin
        best_d = data_i[i*Width+:Width] ^ FLIP;
        index_d = base_q + IndexWidth'(i);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q <= '0;
      base_q <= '0;
    end else if (accept) begin
      beat_q <= last ? '0 : beat_q + 1'b1;
      base_q <= last ? '0 : base_q + IndexWidth'(Lanes);
    end
  end

  always_ff @(posedge clk_i) begin
    if (accept) begin
      best_q <= best_d;
      index_q <= index_d;
      if (last) data_o <= index_d;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (accept && last) valid_o <= 1'b1;
    else if (ready_i) valid_o <= 1'b0;
  end

  initial begin
    if (Lanes < 1 || Count % Lanes != 0) $fatal(1, "flow_argmax: Lanes must divide Count");
    if (IndexWidth < 31 && Count > (1 << IndexWidth)) begin
      $fatal(1, "flow_argmax: IndexWidth must hold Count-1");
    end
  end

endmodule
