// y = overflow(round(x)): the only operator that loses bits. Both modes belong to Y, and the assignment applies them.
#ifndef FLOW_REQUANTIZE_H
#define FLOW_REQUANTIZE_H

#include "flow_fixed.h"

namespace flow {

// \tparam X     type of an input
// \tparam Y     type of a result with its rounding and overflow mode
// \tparam SIZE  number of codes
template <class X, class Y, int SIZE> void requantize(const X x[SIZE], Y y[SIZE]) {
codes:
    for (int i = 0; i < SIZE; ++i) {
// One result a cycle.
#pragma HLS PIPELINE II=1
        y[i] = x[i];
    }
}

} // namespace flow

#endif
