// One part of several values joined along an axis: y[o, FIRST + i] = x[o, i], exact.
//
// A result of several parts is one call for each of them; where the result's binary point is finer, codes are lifted.
#ifndef FLOW_CONCAT_H
#define FLOW_CONCAT_H

#include "flow_fixed.h"

namespace flow {

// \tparam X, Y    types of the part and of the result
// \tparam OUTER   places before the axis
// \tparam LENGTH  codes of the part at each of them
// \tparam FIRST   codes of the result before the part, at each of them
// \tparam TOTAL   codes of the result at each of them
template <class X, class Y, int OUTER, int LENGTH, int FIRST, int TOTAL>
void concat_part(const X x[OUTER * LENGTH], Y y[OUTER * TOTAL]) {
outer:
    for (int o = 0; o < OUTER; ++o) {
    codes:
        for (int i = 0; i < LENGTH; ++i) {
// One code a cycle.
#pragma HLS PIPELINE II=1
            y[o * TOTAL + FIRST + i] = x[o * LENGTH + i];
        }
    }
}

} // namespace flow

#endif
