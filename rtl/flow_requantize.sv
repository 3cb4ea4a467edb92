// One fixed-point code cast to another format: y = overflow(round(x * 2**-Shift)).
//
// Legal parameters: InWidth, OutWidth >= 1; any Shift (fraction bits of the input minus those of
// the output; negative shifts left); WRAP_SM needs OutSigned.
// Latency: 0 cycles, combinational.
//
// Rounding looks at three bits only: the highest dropped bit (`half`), whether any lower one is set
// (`rest`), and the sign or the lowest kept bit. One incrementer then serves all seven modes;
// adding a constant before the shift, the usual form, would serve four of them and carry through
// more bits. Overflow looks at the bits above the result, not at comparisons with the ends of the
// range.

module flow_requantize #(
    parameter int InWidth = 8,
    parameter int InSigned = 1,
    parameter int Shift = 2,
    parameter int OutWidth = 4,
    parameter int OutSigned = 1,
    parameter int Rounding = flow_pkg::ROUND_RND,
    parameter int Overflow = flow_pkg::OVERFLOW_SAT
) (
    input  logic [ InWidth-1:0] data_i,
    output logic [OutWidth-1:0] data_o
);

  // The input as a signed number, wide enough to keep at least its sign after the shift.
  localparam int Drop = (Shift > 0) ? Shift : 0;
  localparam int Lift = (Shift < 0) ? -Shift : 0;
  localparam int SignedWidth = (InSigned != 0) ? InWidth : InWidth + 1;
  localparam int ExactWidth = (SignedWidth > Drop + 1) ? SignedWidth : Drop + 1;
  // One bit more for the increment, one above the result to see an overflow.
  localparam int RoundWidth = ExactWidth - Drop + 1 + Lift;
  localparam int WideWidth = (RoundWidth > OutWidth + 1) ? RoundWidth : OutWidth + 1;

  logic signed [ExactWidth-1:0] exact;
  logic signed [ WideWidth-1:0] floor;
  logic signed [ WideWidth-1:0] wide;
  logic                         half;
  logic                         rest;
  logic                         negative;
  logic                         raise;

  if (InSigned != 0) begin : gen_signed
    assign exact = ExactWidth'($signed(data_i));
  end else begin : gen_unsigned
    assign exact = ExactWidth'($signed({1'b0, data_i}));
  end

  if (Drop > 0) begin : gen_drop
    assign half = exact[Drop-1];
    assign floor = WideWidth'($signed(exact[ExactWidth-1:Drop]));
  end else begin : gen_lift
    assign half = 1'b0;
    assign floor = WideWidth'(exact) <<< Lift;
  end

  if (Drop > 1) begin : gen_rest
    assign rest = |exact[Drop-2:0];
  end else begin : gen_no_rest
    assign rest = 1'b0;
  end

  assign negative = exact[ExactWidth-1];

  if (Rounding == flow_pkg::ROUND_TRN_ZERO) begin : gen_trn_zero
    assign raise = negative & (half | rest);  // a negative floor with anything dropped
  end else if (Rounding == flow_pkg::ROUND_RND) begin : gen_rnd
    assign raise = half;  // at or above the middle
  end else if (Rounding == flow_pkg::ROUND_RND_ZERO) begin : gen_rnd_zero
    assign raise = half & (rest | negative);  // above the middle, or a negative tie
  end else if (Rounding == flow_pkg::ROUND_RND_INF) begin : gen_rnd_inf
    assign raise = half & (rest | ~negative);  // above the middle, or a positive tie
  end else if (Rounding == flow_pkg::ROUND_RND_MIN_INF) begin : gen_rnd_min_inf
    assign raise = half & rest;  // above the middle
  end else if (Rounding == flow_pkg::ROUND_RND_CONV) begin : gen_rnd_conv
    assign raise = half & (rest | floor[0]);  // above the middle, or a tie with an odd floor
  end else begin : gen_trn
    assign raise = 1'b0;
  end

  assign wide = floor + $signed(WideWidth'(raise));

  // Whether the bits above the result say anything but its sign.
  logic                overflow;
  logic                below;
  logic [OutWidth-1:0] low_bits;

  assign below = wide[WideWidth-1];
  assign low_bits = wide[OutWidth-1:0];

  if (OutSigned != 0) begin : gen_signed_range
    assign overflow = wide[WideWidth-1:OutWidth-1] != {(WideWidth - OutWidth + 1) {below}};
  end else begin : gen_unsigned_range
    assign overflow = |wide[WideWidth-1:OutWidth];
  end

  localparam logic [OutWidth-1:0] HIGH = (OutSigned != 0) ? ~(OutWidth'(1) << (OutWidth - 1)) : '1;
  localparam logic [OutWidth-1:0] LOW = (OutSigned != 0) ? OutWidth'(1) << (OutWidth - 1) : '0;
  localparam logic [OutWidth-1:0] LOW_SYM = (OutSigned != 0) ? ~HIGH + OutWidth'(1) : '0;

  if (Overflow == flow_pkg::OVERFLOW_SAT) begin : gen_sat
    assign data_o = !overflow ? low_bits : below ? LOW : HIGH;
  end else if (Overflow == flow_pkg::OVERFLOW_SAT_ZERO) begin : gen_sat_zero
    assign data_o = overflow ? '0 : low_bits;
  end else if (Overflow == flow_pkg::OVERFLOW_SAT_SYM) begin : gen_sat_sym
    logic lowest;
    assign lowest = (OutSigned != 0) & (low_bits == LOW);  // in range, but without a counterpart
    assign data_o = !(overflow | lowest) ? low_bits : below ? LOW_SYM : HIGH;
  end else if (Overflow == flow_pkg::OVERFLOW_WRAP_SM) begin : gen_wrap_sm
    // A triangle wave of period 2**(OutWidth+1): its falling half is the complement.
    assign data_o = (wide[OutWidth] ^ wide[OutWidth-1]) ? ~low_bits : low_bits;
  end else begin : gen_wrap
    assign data_o = low_bits;
  end

  // Read by some modes and not by others.
  logic unused;
  assign unused = ^{half, rest, negative, overflow, below, wide, exact};

  initial begin
    if (InWidth < 1 || OutWidth < 1) $fatal(1, "flow_requantize: widths must be at least 1");
    if (Rounding < 0 || Rounding >= flow_pkg::ROUND_MODES) begin
      $fatal(1, "flow_requantize: Rounding is not a mode of flow_pkg");
    end
    if (Overflow < 0 || Overflow >= flow_pkg::OVERFLOW_MODES) begin
      $fatal(1, "flow_requantize: Overflow is not a mode of flow_pkg");
    end
    if (Overflow == flow_pkg::OVERFLOW_WRAP_SM && OutSigned == 0) begin
      $fatal(1, "flow_requantize: WRAP_SM exists for signed formats only");
    end
  end

endmodule
