// y = the minifloat next to x, saturated, as a fixed-point code: one leading-one search, one shift down and one back.
#ifndef FLOW_REQUANTIZE_MINIFLOAT_H
#define FLOW_REQUANTIZE_MINIFLOAT_H

#include "flow_fixed.h"

namespace flow {

// Which neighbour of a number is taken.
enum neighbour { NEAREST_EVEN, NEAREST_AWAY, TOWARD_ZERO, UP, DOWN };

// Whether a magnitude goes up to the next number.
// \tparam ROUNDING  one of neighbour
// \tparam T         type of the rest and of half a step
template <int ROUNDING, class T> bool raised(const T &rest, const T &half, bool odd, bool negative) {
#pragma HLS INLINE
    switch (ROUNDING) {
    case NEAREST_EVEN:
        return rest > half || (rest == half && half != 0 && odd);
    case NEAREST_AWAY:
        return rest >= half && half != 0;
    case UP:
        return rest != 0 && !negative;
    case DOWN:
        return rest != 0 && negative;
    default:
        return false;
    }
}

// A magnitude below 2^(MANTISSA + DROPPED + 1) lies in binade 0, where numbers are 2^DROPPED apart; every further bit of
// it is one binade more and doubles that spacing.
// \tparam X             type of an input
// \tparam Y             type of a result, a code per smallest number
// \tparam SIZE          number of codes
// \tparam LIFTED        bits that an input lacks to reach the smallest number
// \tparam DROPPED       bits of an input below the smallest number
// \tparam MANTISSA      mantissa bits
// \tparam TOP, BINADE   the highest number is TOP << BINADE
// \tparam ROUNDING      one of neighbour
template <class X, class Y, int SIZE, int LIFTED, int DROPPED, int MANTISSA, int TOP, int BINADE, int ROUNDING>
void requantize_minifloat(const X x[SIZE], Y y[SIZE]) {
    const int BITS = X::width + LIFTED + 1;
    const int WIDE = BITS > DROPPED + MANTISSA + 2 ? BITS : DROPPED + MANTISSA + 2;
    typedef ap_uint<WIDE + 1> magnitude;
    const ap_uint<80> highest = ap_uint<80>(TOP) << BINADE;
codes:
    for (int i = 0; i < SIZE; ++i) {
// One result a cycle.
#pragma HLS PIPELINE II=1
        const ap_int<X::width + 1> code = to_code<X::width + 1>(x[i]);
        const bool negative = code < 0;
        const magnitude size = magnitude(negative ? ap_int<X::width + 1>(-code) : code) << LIFTED;
        int binade = 0;
    leading:
        for (int k = MANTISSA + DROPPED + 1; k < WIDE; ++k) {
#pragma HLS UNROLL
            binade = size[k] ? k - MANTISSA - DROPPED : binade;
        }
        const int spacing = DROPPED + binade;
        const magnitude kept = size >> spacing;
        const magnitude rest = size - (kept << spacing);
        const magnitude half = (magnitude(1) << spacing) >> 1;
        // Without mantissa bits the parity of a number's code is that of its binade.
        const bool odd = (kept[0] == 1) != (MANTISSA == 0 && binade % 2 == 1);
        const magnitude next = kept + (raised<ROUNDING>(rest, half, odd, negative) ? 1 : 0);
        const ap_uint<WIDE + 2> steps = ap_uint<WIDE + 2>(next) << binade;
        const ap_uint<80> held = steps > highest ? highest : ap_uint<80>(steps);
        const ap_int<81> signed_steps = negative ? ap_int<81>(-ap_int<81>(held)) : ap_int<81>(held);
        y[i] = negative && !has_sign<Y>::value ? Y(0) : from_code<Y>(signed_steps);
    }
}

} // namespace flow

#endif
