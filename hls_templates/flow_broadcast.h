// Two values place by place, where either may be narrow: along an axis that it does not have it stands for every place.
//
// A value has up to four axes here: axes next to each other that are alike for both operands count as one.
#ifndef FLOW_BROADCAST_H
#define FLOW_BROADCAST_H

#include "flow_fixed.h"

namespace flow {

// Where an operand of a four-axis result lies: constants for synthesis.
// \tparam FIRST, SECOND, THIRD, FOURTH  size of the result, the last axis running fastest
// \tparam AXES                          bit 3 says that the operand has the first axis, bit 0 the fourth
template <int FIRST, int SECOND, int THIRD, int FOURTH, int AXES> struct layout {
    static const int D = AXES & 1 ? FOURTH : 1;
    static const int C = AXES & 2 ? THIRD * D : D;
    static const int B = AXES & 4 ? SECOND * C : C;
    static const int SIZE = AXES & 8 ? FIRST * B : B;
    static int place(int i, int j, int k, int l) {
#pragma HLS INLINE
        return (AXES & 8 ? i * B : 0) + (AXES & 4 ? j * C : 0) + (AXES & 2 ? k * D : 0) + (AXES & 1 ? l : 0);
    }
};

// y = OPERATION(a, b) at every place.
// \tparam OPERATION                     class with a static apply<Y>(a, b)
// \tparam A, B, Y                       types of the operands and of the result
// \tparam FIRST, SECOND, THIRD, FOURTH  size of the result
// \tparam LEFT, RIGHT                   which axes the operands have, see layout
template <class OPERATION, class A, class B, class Y, int FIRST, int SECOND, int THIRD, int FOURTH, int LEFT,
          int RIGHT>
void broadcast(const A a[layout<FIRST, SECOND, THIRD, FOURTH, LEFT>::SIZE],
               const B b[layout<FIRST, SECOND, THIRD, FOURTH, RIGHT>::SIZE], Y y[FIRST * SECOND * THIRD * FOURTH]) {
#pragma HLS INLINE
    typedef layout<FIRST, SECOND, THIRD, FOURTH, LEFT> left;
    typedef layout<FIRST, SECOND, THIRD, FOURTH, RIGHT> right;
first:
    for (int i = 0; i < FIRST; ++i) {
    second:
        for (int j = 0; j < SECOND; ++j) {
        third:
            for (int k = 0; k < THIRD; ++k) {
            fourth:
                for (int l = 0; l < FOURTH; ++l) {
// One result a cycle.
#pragma HLS PIPELINE II=1
                    const int place = ((i * SECOND + j) * THIRD + k) * FOURTH + l;
                    y[place] = OPERATION::template apply<Y>(a[left::place(i, j, k, l)], b[right::place(i, j, k, l)]);
                }
            }
        }
    }
}

} // namespace flow

#endif
