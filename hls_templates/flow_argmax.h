// y = the first index whose code is highest.
#ifndef FLOW_ARGMAX_H
#define FLOW_ARGMAX_H

#include "flow_fixed.h"

namespace flow {

// \tparam X     type of an input
// \tparam Y     type of an index
// \tparam SIZE  number of codes
template <class X, class Y, int SIZE> void argmax(const X x[SIZE], Y y[1]) {
    X best = x[0];
    Y index = 0;
codes:
    for (int i = 1; i < SIZE; ++i) {
// One comparison a cycle; a later code must be higher to win, so that the first of equal ones stays.
#pragma HLS PIPELINE II=1
        if (x[i] > best) {
            best = x[i];
            index = i;
        }
    }
    y[0] = index;
}

} // namespace flow

#endif
