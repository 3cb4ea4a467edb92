// Shares of a row: y = floor(2**x / sum(2**x)) near enough, code by code, without a maximum first.
//
// A code's integer part is the exponent of its power, its fraction addresses a ROM outside, which
// answers in the same cycle with the power of the fraction less one, Mantissa bits. The row is kept
// and read twice: while it comes, its powers are summed (flow_softmax_add); then 2**(2*Mantissa+1)
// is divided by the sum, a bit a cycle; then every power is multiplied by the quotient and shifted.
//
// Legal parameters: Count, Width >= 1; Frac <= 12, below 0 for codes of whole multiples of a power
// of two; Mantissa 1..20; ExpWidth holds every exponent and the difference of any two; UseDsp as
// in flow_dot. Latency: from the last code in, Mantissa + 6 cycles to the first share out, then a
// share a cycle; a row in 2*Count + Mantissa + 5 cycles.
//
// One row at a time: sums, division and product take turns, so that one ROM and one row buffer
// serve all. A second row at once would double both, and before a softmax most often stands a
// product of matrices that takes far longer for a row.

module flow_softmax #(
    parameter int Count = 8,
    parameter int Width = 8,
    parameter int Signed = 1,
    parameter int Frac = 4,
    parameter int Mantissa = 8,
    parameter int ExpWidth = 6,
    parameter int UseDsp = 0,
    localparam int Address = (Frac > 0) ? Frac : 0,
    localparam int AddressWidth = (Frac > 0) ? Frac : 1
) (
    input  logic                    clk_i,
    input  logic                    rst_ni,
    output logic [AddressWidth-1:0] address_o,
    input  logic [    Mantissa-1:0] power_i,
    input  logic [       Width-1:0] data_i,
    input  logic                    valid_i,
    output logic                    ready_o,
    output logic [      Mantissa:0] data_o,
    output logic                    valid_o,
    input  logic                    ready_i
);

  localparam int Lift = (Frac < 0) ? -Frac : 0;
  localparam int PlaceWidth = (Count > 1) ? $clog2(Count) : 1;
  localparam int StepWidth = $clog2(((Count > Mantissa) ? Count : Mantissa) + 2);
  // A code with its sign, as far as its address and its exponent reach.
  localparam int Wide = ((Width > Address) ? Width : Address) + ExpWidth;
  localparam logic [StepWidth-1:0] LAST = StepWidth'(Count - 1);
  localparam logic [1:0] LOAD = 2'd0, SUM = 2'd1, DIVIDE = 2'd2, SEND = 2'd3;

  logic [Width-1:0] row_q[Count];
  logic [1:0] phase_q;
  logic [StepWidth-1:0] step_q;
  logic accept, advance;

  // The power of the code that comes in, or of the one that is read again.
  logic [Width-1:0] code;
  logic [Wide-1:0] wide;
  logic [ExpWidth-1:0] exponent;
  logic [Mantissa:0] power;

  assign code = (phase_q == SEND) ? row_q[PlaceWidth'(step_q)] : data_i;
  if (Signed != 0) begin : gen_signed
    assign wide = Wide'($signed(code));
  end else begin : gen_unsigned
    assign wide = Wide'(code);
  end
  assign exponent = ExpWidth'((wide >> Address) << Lift);
  assign power = {1'b1, power_i};
  if (Address > 0) begin : gen_address
    assign address_o = wide[AddressWidth-1:0];
  end else begin : gen_whole
    assign address_o = '0;
  end

  // Pass 1.
  logic [Mantissa:0] power_q, total_q, total_d;
  logic [ExpWidth-1:0] exponent_q, top_q, top_d;
  logic add_q, first_q;

  flow_softmax_add #(
      .Mantissa(Mantissa),
      .ExpWidth(ExpWidth)
  ) u_add (
      .first_i(first_q),
      .total_i(total_q),
      .top_i(top_q),
      .power_i(power_q),
      .exponent_i(exponent_q),
      .total_o(total_d),
      .top_o(top_d)
  );

  assign ready_o = phase_q == LOAD;
  assign accept = valid_i & ready_o;

  always_ff @(posedge clk_i) begin
    if (accept) row_q[PlaceWidth'(step_q)] <= data_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) add_q <= 1'b0;
    else add_q <= accept;
  end

  always_ff @(posedge clk_i) begin
    if (accept) first_q <= step_q == '0;
    if (add_q) begin
      total_q <= total_d;
      top_q <= top_d;
    end
  end

  // Between the passes: the quotient's bits from the highest on.
  logic [Mantissa+1:0] rest_q, quotient_q;
  logic over;

  assign over = rest_q >= {1'b0, total_q};

  always_ff @(posedge clk_i) begin
    if (phase_q == SUM) rest_q <= (Mantissa + 2)'(1) << Mantissa;
    if (phase_q == DIVIDE) begin
      rest_q <= (over ? rest_q - {1'b0, total_q} : rest_q) << 1;
      quotient_q <= {quotient_q[Mantissa:0], over};
    end
  end

  // Pass 2: read, multiply, shift.
  logic [2*Mantissa+2:0] product;
  logic [Mantissa+1:0] share_q;
  logic [ExpWidth-1:0] behind_q;

  assign advance = (phase_q == SEND) & (ready_i | ~valid_o);

  flow_dot #(
      .Simd    (1),
      .XWidth  (Mantissa + 1),
      .XSigned (0),
      .WWidth  (Mantissa + 2),
      .WSigned (0),
      .OutWidth(2 * Mantissa + 3),
      .UseDsp  (UseDsp)
  ) u_dot (
      .x_i(power_q),
      .w_i(quotient_q),
      .y_o(product)
  );

  always_ff @(posedge clk_i) begin
    if (accept || advance) begin
      power_q <= power;
      exponent_q <= exponent;
    end
    if (advance) begin
      share_q <= (Mantissa + 2)'(product >> (Mantissa + 1));
      behind_q <= top_q - exponent_q;
      data_o <= (Mantissa + 1)'(share_q >> behind_q);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (advance) valid_o <= step_q > StepWidth'(1);
    else if (ready_i) valid_o <= 1'b0;
  end

  // Steps of a phase: codes, one, bits, codes and the two registers behind them.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      phase_q <= LOAD;
      step_q <= '0;
    end else begin
      case (phase_q)
        LOAD:
        if (accept) begin
          phase_q <= (step_q == LAST) ? SUM : LOAD;
          step_q <= (step_q == LAST) ? '0 : step_q + 1'b1;
        end
        SUM: phase_q <= DIVIDE;
        DIVIDE: begin
          phase_q <= (step_q == StepWidth'(Mantissa + 1)) ? SEND : DIVIDE;
          step_q <= (step_q == StepWidth'(Mantissa + 1)) ? '0 : step_q + 1'b1;
        end
        default:
        if (advance) begin
          phase_q <= (step_q == StepWidth'(Count + 1)) ? LOAD : SEND;
          step_q <= (step_q == StepWidth'(Count + 1)) ? '0 : step_q + 1'b1;
        end
      endcase
    end
  end

  initial if (Frac > 12) $fatal(1, "flow_softmax: Frac must be at most 12");

endmodule
