// y[BEFORE + i STEP] = x[i] along each axis, zeros elsewhere: padding, and zeros between the codes where STEP is not 1.
//
// A value has up to four axes here: axes next to each other that are not padded count as one.
#ifndef FLOW_PAD_H
#define FLOW_PAD_H

#include "flow_fixed.h"

namespace flow {

// One axis: which place of the input a place of the result shows, if any; constants for synthesis.
// \tparam SIZE    places of the input
// \tparam BEFORE  zeros in front of the first of them; so many are cropped where negative
// \tparam STEP    from one to the next
template <int SIZE, int BEFORE, int STEP> struct padded_axis {
    static bool holds(int i) {
#pragma HLS INLINE
        return i >= BEFORE && (i - BEFORE) % STEP == 0 && (i - BEFORE) / STEP < SIZE;
    }
    static int source(int i) {
#pragma HLS INLINE
        return (i - BEFORE) / STEP;
    }
};

// The input with zeros around and between its codes.
// \tparam X, Y                                              types of an input and of a result, which are alike
// \tparam FIRST, SECOND, THIRD, FOURTH                      size of the result, the last axis running fastest
// \tparam FIRST_SIZE, SECOND_SIZE, THIRD_SIZE, FOURTH_SIZE  size of the input
// \tparam FIRST_BEFORE, SECOND_BEFORE, THIRD_BEFORE, FOURTH_BEFORE  zeros in front, see padded_axis
// \tparam FIRST_STEP, SECOND_STEP, THIRD_STEP, FOURTH_STEP  steps in the result, see padded_axis
template <class X, class Y, int FIRST, int SECOND, int THIRD, int FOURTH, int FIRST_SIZE, int SECOND_SIZE,
          int THIRD_SIZE, int FOURTH_SIZE, int FIRST_BEFORE, int SECOND_BEFORE, int THIRD_BEFORE, int FOURTH_BEFORE,
          int FIRST_STEP, int SECOND_STEP, int THIRD_STEP, int FOURTH_STEP>
void pad(const X x[FIRST_SIZE * SECOND_SIZE * THIRD_SIZE * FOURTH_SIZE], Y y[FIRST * SECOND * THIRD * FOURTH]) {
    typedef padded_axis<FIRST_SIZE, FIRST_BEFORE, FIRST_STEP> first_axis;
    typedef padded_axis<SECOND_SIZE, SECOND_BEFORE, SECOND_STEP> second_axis;
    typedef padded_axis<THIRD_SIZE, THIRD_BEFORE, THIRD_STEP> third_axis;
    typedef padded_axis<FOURTH_SIZE, FOURTH_BEFORE, FOURTH_STEP> fourth_axis;
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
                    Y result = 0;
                    if (first_axis::holds(i) && second_axis::holds(j) && third_axis::holds(k) &&
                        fourth_axis::holds(l)) {
                        const int row = first_axis::source(i) * SECOND_SIZE + second_axis::source(j);
                        const int line = row * THIRD_SIZE + third_axis::source(k);
                        result = x[line * FOURTH_SIZE + fourth_axis::source(l)];
                    }
                    y[((i * SECOND + j) * THIRD + k) * FOURTH + l] = result;
                }
            }
        }
    }
}

} // namespace flow

#endif
