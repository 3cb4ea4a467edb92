// y = overflow(round(x)) with a format per place.
//
// A type is known when the code is compiled and a place only when it runs, so every distinct format has a cast of its own
// and a ROM says which of them is taken. A cast to fixed bounds is a rounding increment and a comparator; shifters that
// serve all formats would cost more, unless there are many of them.
#ifndef FLOW_REQUANTIZE_EACH_H
#define FLOW_REQUANTIZE_EACH_H

#include "flow_broadcast.h"

namespace flow {

// The end of the list of casts: a place of no bits.
struct no_bits {
    template <class Y, class X> static Y choose(const X &, int) {
#pragma HLS INLINE
        return 0;
    }
};

// One cast, and those after it. The three types of the cast are those of flow_requantize.h.
// \tparam WIDE     type of an input with enough bits to drop
// \tparam ROUNDED  type of a rounded input
// \tparam FORM     type of the place with its rounding and overflow mode
// \tparam REST     the further casts
template <class WIDE, class ROUNDED, class FORM, class REST> struct casts {
    template <class Y, class X> static Y choose(const X &x, int number) {
#pragma HLS INLINE
        const FORM mine = ROUNDED(WIDE(x));
        return number == 0 ? Y(mine) : REST::template choose<Y>(x, number - 1);
    }
};

// \tparam CASTS  list of casts
template <class CASTS> struct cast_by_number {
    template <class Y, class X, class C> static Y apply(const X &x, const C &number) {
#pragma HLS INLINE
        return CASTS::template choose<Y>(x, static_cast<int>(number));
    }
};

// \tparam X                             type of an input
// \tparam N                             type of the number of a cast
// \tparam CASTS                         list of casts
// \tparam Y                             type of a result, which holds the values of all formats
// \tparam FIRST, SECOND, THIRD, FOURTH  size of the result
// \tparam PLACES                        which axes the numbers have, see flow_broadcast.h
// \tparam NC                            type of a stored number
template <class X, class N, class CASTS, class Y, int FIRST, int SECOND, int THIRD, int FOURTH, int PLACES, class NC>
void requantize_each(const X x[FIRST * SECOND * THIRD * FOURTH],
                     const NC numbers[layout<FIRST, SECOND, THIRD, FOURTH, PLACES>::SIZE],
                     Y y[FIRST * SECOND * THIRD * FOURTH]) {
    broadcast<cast_by_number<CASTS>, X, NC, Y, FIRST, SECOND, THIRD, FOURTH, 15, PLACES>(x, numbers, y);
}

} // namespace flow

#endif
