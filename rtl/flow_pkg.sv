// Constants shared by the cells and the generated tops.
//
// The numbers are the order of the modes in flow.formats; a test holds the two lists equal.

// A design that does without some of the modes is no reason for a warning.
// verilator lint_off UNUSEDPARAM

package flow_pkg;

  // Rounding: which neighbour is taken when bits are dropped.
  localparam int ROUND_TRN = 0;          // towards minus infinity
  localparam int ROUND_TRN_ZERO = 1;     // towards zero
  localparam int ROUND_RND = 2;          // nearest, ties towards plus infinity
  localparam int ROUND_RND_ZERO = 3;     // nearest, ties towards zero
  localparam int ROUND_RND_INF = 4;      // nearest, ties away from zero
  localparam int ROUND_RND_MIN_INF = 5;  // nearest, ties towards minus infinity
  localparam int ROUND_RND_CONV = 6;     // nearest, ties to even
  localparam int ROUND_MODES = 7;

  // Overflow: what happens to a code outside the format.
  localparam int OVERFLOW_WRAP = 0;      // drop the high bits
  localparam int OVERFLOW_SAT = 1;       // nearest end of the range
  localparam int OVERFLOW_SAT_ZERO = 2;  // zero
  localparam int OVERFLOW_SAT_SYM = 3;   // nearest end of the symmetric range
  localparam int OVERFLOW_WRAP_SM = 4;   // reflect at the ends; signed formats only
  localparam int OVERFLOW_MODES = 5;

endpackage

// verilator lint_on UNUSEDPARAM
