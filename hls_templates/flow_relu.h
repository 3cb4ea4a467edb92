// y = max(x, 0).
#ifndef FLOW_RELU_H
#define FLOW_RELU_H

#include "flow_fixed.h"

namespace flow {

// \tparam X     type of an input
// \tparam Y     type of a result; it holds every positive input, and needs no sign
// \tparam SIZE  number of codes
template <class X, class Y, int SIZE> void relu(const X x[SIZE], Y y[SIZE]) {
codes:
    for (int i = 0; i < SIZE; ++i) {
// One result a cycle.
#pragma HLS PIPELINE II=1
        y[i] = x[i] > X(0) ? Y(x[i]) : Y(0);
    }
}

} // namespace flow

#endif
