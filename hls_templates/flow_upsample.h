// y[i] = x[i / FACTOR] along each axis: every code is repeated, the nearest neighbour of each new place.
//
// A value has up to four axes here: axes next to each other that are not repeated count as one.
#ifndef FLOW_UPSAMPLE_H
#define FLOW_UPSAMPLE_H

#include "flow_fixed.h"

namespace flow {

// \tparam X, Y                                                      types of an input and of a result, which are alike
// \tparam FIRST, SECOND, THIRD, FOURTH                              size of the result, the last axis running fastest
// \tparam FIRST_FACTOR, SECOND_FACTOR, THIRD_FACTOR, FOURTH_FACTOR  how often each code stands there
template <class X, class Y, int FIRST, int SECOND, int THIRD, int FOURTH, int FIRST_FACTOR, int SECOND_FACTOR,
          int THIRD_FACTOR, int FOURTH_FACTOR>
void upsample(const X x[FIRST / FIRST_FACTOR * (SECOND / SECOND_FACTOR) * (THIRD / THIRD_FACTOR) *
                        (FOURTH / FOURTH_FACTOR)],
              Y y[FIRST * SECOND * THIRD * FOURTH]) {
first:
    for (int i = 0; i < FIRST; ++i) {
    second:
        for (int j = 0; j < SECOND; ++j) {
        third:
            for (int k = 0; k < THIRD; ++k) {
            fourth:
                for (int l = 0; l < FOURTH; ++l) {
// One result a cycle; x has one read port.
#pragma HLS PIPELINE II=1
                    const int row = i / FIRST_FACTOR * (SECOND / SECOND_FACTOR) + j / SECOND_FACTOR;
                    const int line = row * (THIRD / THIRD_FACTOR) + k / THIRD_FACTOR;
                    y[((i * SECOND + j) * THIRD + k) * FOURTH + l] =
                        x[line * (FOURTH / FOURTH_FACTOR) + l / FOURTH_FACTOR];
                }
            }
        }
    }
}

} // namespace flow

#endif
