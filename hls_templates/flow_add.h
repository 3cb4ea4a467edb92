// y = a + b, exact: the binary points are aligned, the carry kept.
#ifndef FLOW_ADD_H
#define FLOW_ADD_H

#include "flow_fixed.h"

namespace flow {

// \tparam A, B, Y  types of the operands and of the result
// \tparam SIZE     number of codes
template <class A, class B, class Y, int SIZE> void add(const A a[SIZE], const B b[SIZE], Y y[SIZE]) {
codes:
    for (int i = 0; i < SIZE; ++i) {
// One result a cycle.
#pragma HLS PIPELINE II=1
        y[i] = a[i] + b[i];
    }
}

} // namespace flow

#endif
