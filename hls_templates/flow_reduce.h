// One axis becomes one place: the highest code along it, or the exact sum.
#ifndef FLOW_REDUCE_H
#define FLOW_REDUCE_H

#include "flow_fixed.h"

namespace flow {

// The highest code along the axis.
// \tparam X       type of an input
// \tparam Y       type of a result, which holds every input
// \tparam OUTER   places in front of the axis
// \tparam LENGTH  length of the axis
// \tparam INNER   places behind the axis
template <class X, class Y, int OUTER, int LENGTH, int INNER>
void reduce_max(const X x[OUTER * LENGTH * INNER], Y y[OUTER * INNER]) {
outer:
    for (int o = 0; o < OUTER; ++o) {
    inner:
        for (int i = 0; i < INNER; ++i) {
            X best = x[o * LENGTH * INNER + i];
        axis:
            for (int k = 1; k < LENGTH; ++k) {
// One comparison a cycle; x has one read port.
#pragma HLS PIPELINE II=1
                const X next = x[(o * LENGTH + k) * INNER + i];
                best = next > best ? next : best;
            }
            y[o * INNER + i] = best;
        }
    }
}

// The sum along the axis.
// \tparam X       type of an input
// \tparam Y       type of a result, which holds every partial sum
// \tparam OUTER   places in front of the axis
// \tparam LENGTH  length of the axis
// \tparam INNER   places behind the axis
template <class X, class Y, int OUTER, int LENGTH, int INNER>
void reduce_sum(const X x[OUTER * LENGTH * INNER], Y y[OUTER * INNER]) {
outer:
    for (int o = 0; o < OUTER; ++o) {
    inner:
        for (int i = 0; i < INNER; ++i) {
            Y sum = 0;
        axis:
            for (int k = 0; k < LENGTH; ++k) {
// One addition a cycle; x has one read port.
#pragma HLS PIPELINE II=1
                sum += x[(o * LENGTH + k) * INNER + i];
            }
            y[o * INNER + i] = sum;
        }
    }
}

} // namespace flow

#endif
