// A stream of codes to one code: the highest, the sum, or the first place of the highest.
#ifndef FLOW_REDUCE_STREAM_H
#define FLOW_REDUCE_STREAM_H

#include "flow_lanes.h"

namespace flow {

// The highest code.
// \tparam X       type of an input
// \tparam Y       type of a result, which holds every input
// \tparam LENGTH  number of codes
template <class X, class Y, int LENGTH>
void reduce_max_stream(hls::stream<lanes<X, 1> > &x, hls::stream<lanes<Y, 1> > &y) {
    lanes<Y, 1> best;
    FLOW_ONE_WORD(best)
codes:
    for (int i = 0; i < LENGTH; ++i) {
        FLOW_BEAT_A_CYCLE
        const X next = x.read().code[0];
        best.code[0] = i == 0 || next > best.code[0] ? Y(next) : best.code[0];
    }
    y.write(best);
}

// The sum of the codes.
// \tparam X       type of an input
// \tparam Y       type of a result, which holds every partial sum
// \tparam LENGTH  number of codes
template <class X, class Y, int LENGTH>
void reduce_sum_stream(hls::stream<lanes<X, 1> > &x, hls::stream<lanes<Y, 1> > &y) {
    lanes<Y, 1> sum;
    FLOW_ONE_WORD(sum)
    sum.code[0] = 0;
codes:
    for (int i = 0; i < LENGTH; ++i) {
        FLOW_BEAT_A_CYCLE
        sum.code[0] += x.read().code[0];
    }
    y.write(sum);
}

// The first place of the highest code.
// \tparam X     type of an input
// \tparam Y     type of a place
// \tparam SIZE  number of codes
template <class X, class Y, int SIZE>
void argmax_stream(hls::stream<lanes<X, 1> > &x, hls::stream<lanes<Y, 1> > &y) {
    X best = 0;
    lanes<Y, 1> place;
    FLOW_ONE_WORD(place)
codes:
    for (int i = 0; i < SIZE; ++i) {
        FLOW_BEAT_A_CYCLE
        const X next = x.read().code[0];
        if (i == 0 || next > best) {
            best = next;
            place.code[0] = i;
        }
    }
    y.write(place);
}

} // namespace flow

#endif
