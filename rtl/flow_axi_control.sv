// AXI4-Lite slave for control and status: start, count, cycles, version.
//
// Registers of 32 bits, by byte address; reserved bits read 0, other addresses answer SLVERR:
//   0x00  control  write bit 0: `start_o` is high for a cycle; bit 1: clear the counters and the
//                  error bit. Reads 0.
//   0x04  status   bit 0 busy_i, bit 1 an error since the last clear (error_i)
//   0x08  count    cycles with done_i since the last clear (samples that have left)
//   0x0c  cycles   clock cycles with busy_i since the last clear
//   0x10  version  Version
// Write strobes: the lowest must be set for a write to control to count. Reads and writes may come
// in any order and be held up; one of each is under way at a time.
// Legal parameters: any. Latency: a response 1 cycle after its address (and data).

module flow_axi_control #(
    parameter logic [31:0] Version = 32'h0001_0000
) (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic [ 4:0] s_axil_awaddr_i,
    input  logic        s_axil_awvalid_i,
    output logic        s_axil_awready_o,
    input  logic [31:0] s_axil_wdata_i,
    input  logic [ 3:0] s_axil_wstrb_i,
    input  logic        s_axil_wvalid_i,
    output logic        s_axil_wready_o,
    output logic [ 1:0] s_axil_bresp_o,
    output logic        s_axil_bvalid_o,
    input  logic        s_axil_bready_i,
    input  logic [ 4:0] s_axil_araddr_i,
    input  logic        s_axil_arvalid_i,
    output logic        s_axil_arready_o,
    output logic [31:0] s_axil_rdata_o,
    output logic [ 1:0] s_axil_rresp_o,
    output logic        s_axil_rvalid_o,
    input  logic        s_axil_rready_i,
    output logic        start_o,
    input  logic        busy_i,
    input  logic        done_i,
    input  logic        error_i
);

  localparam logic [1:0] OKAY = 2'b00;
  localparam logic [1:0] SLVERR = 2'b10;
  localparam logic [2:0] CONTROL = 3'd0;
  localparam logic [2:0] STATUS = 3'd1;
  localparam logic [2:0] COUNT = 3'd2;
  localparam logic [2:0] CYCLES = 3'd3;
  localparam logic [2:0] VERSION = 3'd4;

  logic write, read, clear;
  logic error_q;
  logic [31:0] count_q, cycles_q, data;
  logic known;

  // The register of an access. Named, because in a process Icarus 11 watches all of a sliced bus.
  logic [2:0] written, wanted;
  assign written = s_axil_awaddr_i[4:2];
  assign wanted = s_axil_araddr_i[4:2];

  // Address and data of a write are taken together.
  assign write = s_axil_awvalid_i & s_axil_wvalid_i & (~s_axil_bvalid_o | s_axil_bready_i);
  assign s_axil_awready_o = write;
  assign s_axil_wready_o = write;
  assign read = s_axil_arvalid_i & s_axil_arready_o;
  assign s_axil_arready_o = ~s_axil_rvalid_o | s_axil_rready_i;

  always_comb begin
    data = '0;
    known = 1'b1;
    case (wanted)
      CONTROL: data = '0;
      STATUS: data[1:0] = {error_q, busy_i};
      COUNT: data = count_q;
      CYCLES: data = cycles_q;
      VERSION: data = Version;
      default: known = 1'b0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      s_axil_bvalid_o <= 1'b0;
      s_axil_bresp_o <= OKAY;
      s_axil_rvalid_o <= 1'b0;
      s_axil_rresp_o <= OKAY;
      s_axil_rdata_o <= '0;
      start_o <= 1'b0;
      clear <= 1'b0;
    end else begin
      if (write) begin
        s_axil_bvalid_o <= 1'b1;
        s_axil_bresp_o <= (written <= VERSION) ? OKAY : SLVERR;
      end else if (s_axil_bready_i) begin
        s_axil_bvalid_o <= 1'b0;
      end
      if (read) begin
        s_axil_rvalid_o <= 1'b1;
        s_axil_rresp_o <= known ? OKAY : SLVERR;
        s_axil_rdata_o <= data;
      end else if (s_axil_rready_i) begin
        s_axil_rvalid_o <= 1'b0;
      end
      start_o <= write && written == CONTROL && s_axil_wstrb_i[0] && s_axil_wdata_i[0];
      clear <= write && written == CONTROL && s_axil_wstrb_i[0] && s_axil_wdata_i[1];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear) begin
      error_q <= 1'b0;
      count_q <= '0;
      cycles_q <= '0;
    end else begin
      error_q <= error_q | error_i;
      if (done_i) count_q <= count_q + 1'b1;
      if (busy_i) cycles_q <= cycles_q + 1'b1;
    end
  end

  logic unused;
  assign unused = ^{s_axil_awaddr_i[1:0], s_axil_araddr_i[1:0], s_axil_wdata_i, s_axil_wstrb_i};

  initial if (VERSION != 3'd4) $fatal(1, "flow_axi_control: the registers lie at 0x00 to 0x10");

endmodule
