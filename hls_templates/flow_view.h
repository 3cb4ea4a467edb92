// The codes of a strided view in order, exact: y[i, j, ...] = x[START + i FIRST_STEP + j SECOND_STEP + ...].
//
// A slice starts somewhere and takes longer steps, a transposition takes the steps of the axes in another order.
#ifndef FLOW_VIEW_H
#define FLOW_VIEW_H

#include "flow_fixed.h"

namespace flow {

// \tparam X, Y                                        types of an input and of a result
// \tparam SIZE                                        codes of the input
// \tparam START                                       where the first code lies
// \tparam FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH  size of the result, the last axis running fastest
// \tparam FIRST_STEP, SECOND_STEP, THIRD_STEP, FOURTH_STEP, FIFTH_STEP, SIXTH_STEP  how far neighbours lie apart
template <class X, class Y, int SIZE, int START, int FIRST, int SECOND, int THIRD, int FOURTH, int FIFTH, int SIXTH,
          int FIRST_STEP, int SECOND_STEP, int THIRD_STEP, int FOURTH_STEP, int FIFTH_STEP, int SIXTH_STEP>
void view(const X x[SIZE], Y y[FIRST * SECOND * THIRD * FOURTH * FIFTH * SIXTH]) {
first:
    for (int i = 0; i < FIRST; ++i) {
    second:
        for (int j = 0; j < SECOND; ++j) {
        third:
            for (int k = 0; k < THIRD; ++k) {
            fourth:
                for (int l = 0; l < FOURTH; ++l) {
                fifth:
                    for (int m = 0; m < FIFTH; ++m) {
                    sixth:
                        for (int n = 0; n < SIXTH; ++n) {
// One code a cycle.
#pragma HLS PIPELINE II=1
                            const int from = START + i * FIRST_STEP + j * SECOND_STEP + k * THIRD_STEP +
                                             l * FOURTH_STEP + m * FIFTH_STEP + n * SIXTH_STEP;
                            y[((((i * SECOND + j) * THIRD + k) * FOURTH + l) * FIFTH + m) * SIXTH + n] = x[from];
                        }
                    }
                }
            }
        }
    }
}

} // namespace flow

#endif
