// y[c, p] = s[c] x[c, p] + t[c], exact: batch normalisation as hardware has it.
#ifndef FLOW_SCALE_SHIFT_H
#define FLOW_SCALE_SHIFT_H

#include "flow_multiply.h"

namespace flow {

// \tparam X, S, T, Y  types of an input, a scale, a shift, a result
// \tparam MULTIPLY    how a product is made, see flow_multiply.h
// \tparam CHANNELS    length of the first axis
// \tparam POSITIONS   codes of one channel
// \tparam SC, TC      types of the stored codes
template <class X, class S, class T, class MULTIPLY, class Y, int CHANNELS, int POSITIONS, class SC, class TC>
void scale_shift(const X x[CHANNELS * POSITIONS], const SC scale[CHANNELS * MULTIPLY::WORDS], const TC shift[CHANNELS],
                 Y y[CHANNELS * POSITIONS]) {
channels:
    for (int c = 0; c < CHANNELS; ++c) {
    positions:
        for (int p = 0; p < POSITIONS; ++p) {
// One result a cycle from one multiplier.
#pragma HLS PIPELINE II=1
            y[c * POSITIONS + p] = MULTIPLY::template at<S>(scale, c, x[c * POSITIONS + p]) + from_code<T>(shift[c]);
        }
    }
}

} // namespace flow

#endif
