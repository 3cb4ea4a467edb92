// y = a - b, exact: the binary points are aligned, the borrow kept. Either operand may be narrow.
#ifndef FLOW_SUB_H
#define FLOW_SUB_H

#include "flow_broadcast.h"

namespace flow {

struct subtract {
    template <class Y, class A, class B> static Y apply(const A &a, const B &b) {
#pragma HLS INLINE
        return a - b;
    }
};

// \tparam A, B, Y                       types of the operands and of the result
// \tparam FIRST, SECOND, THIRD, FOURTH  size of the result
// \tparam LEFT, RIGHT                   which axes the operands have, see flow_broadcast.h
template <class A, class B, class Y, int FIRST, int SECOND, int THIRD, int FOURTH, int LEFT, int RIGHT>
void sub(const A a[layout<FIRST, SECOND, THIRD, FOURTH, LEFT>::SIZE],
         const B b[layout<FIRST, SECOND, THIRD, FOURTH, RIGHT>::SIZE], Y y[FIRST * SECOND * THIRD * FOURTH]) {
    broadcast<subtract, A, B, Y, FIRST, SECOND, THIRD, FOURTH, LEFT, RIGHT>(a, b, y);
}

} // namespace flow

#endif
