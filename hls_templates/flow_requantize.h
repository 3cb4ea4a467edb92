// y = overflow(round(x)): the only operator that loses bits. Both modes belong to Y, and the assignment applies them.
#ifndef FLOW_REQUANTIZE_H
#define FLOW_REQUANTIZE_H

#include "flow_fixed.h"

namespace flow {

// Two types between X and Y keep the assignment at "round, then overflow" where ap_fixed leaves it:
// WIDE is X with more integer bits where rounding drops more bits than X has, because ap_fixed then reads one beyond.
// ROUNDED has the binary point of Y. For AP_WRAP_SM it rounds alone: one assignment would reflect by a bit of the
// truncated input, and a carry of the rounding would reflect the wrong way. For AP_SAT_SYM of one signed bit, whose only
// code is 0, it has no sign, because ap_fixed would let -1 through. For all other modes it is Y.
// \tparam X        type of an input
// \tparam WIDE     type of an input with enough bits to drop
// \tparam ROUNDED  type of a rounded input
// \tparam Y        type of a result with its rounding and overflow mode
// \tparam SIZE     number of codes
template <class X, class WIDE, class ROUNDED, class Y, int SIZE> void requantize(const X x[SIZE], Y y[SIZE]) {
codes:
    for (int i = 0; i < SIZE; ++i) {
// One result a cycle.
#pragma HLS PIPELINE II=1
        y[i] = ROUNDED(WIDE(x[i]));
    }
}

} // namespace flow

#endif
