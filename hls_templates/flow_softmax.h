// y = 2^x / sum(2^x) along one axis, without a pass for the maximum: a power is a mantissa and an exponent.
//
// The integer part of a code is the exponent, a ROM has the power of the fraction as a mantissa in [1, 2). The sum is
// kept in the same form, cut after MANTISSA fractional bits, so that it is as long for any number of terms.
#ifndef FLOW_SOFTMAX_H
#define FLOW_SOFTMAX_H

#include "flow_fixed.h"

namespace flow {

// The sizes that everything here shares.
// \tparam X         type of an input
// \tparam ADDRESS   fractional bits of an input
// \tparam LIFT      bits by which an input without fractional bits is too coarse
// \tparam MANTISSA  fractional bits of a mantissa
// \tparam EXPONENT  bits of an exponent, and of a difference of two of them
template <class X, int ADDRESS, int LIFT, int MANTISSA, int EXPONENT> struct softmax_rows {
    typedef ap_uint<MANTISSA + 1> mantissa;
    typedef ap_int<EXPONENT> exponent;
    static const int WIDE = (X::width > ADDRESS ? X::width : ADDRESS) + 1;

    // The integer part of a code.
    static exponent exponent_of(const X &x) {
#pragma HLS INLINE
        return exponent(ap_int<WIDE>(to_code<WIDE>(x) >> ADDRESS)) << LIFT;
    }

    // The fractional part of a code.
    static int address_of(const X &x) {
#pragma HLS INLINE
        return ap_uint<ADDRESS + 1>(ap_uint<WIDE>(to_code<WIDE>(x)) & ((1 << ADDRESS) - 1)).to_int();
    }

    // What a mantissa is shifted by: MOST where nothing is left.
    template <int MOST> static int places(const exponent &bits) {
#pragma HLS INLINE
        return bits < 0 ? 0 : bits > MOST ? MOST : bits.to_int();
    }

    // Add a power to a sum.
    static void add(mantissa &total, exponent &top, const mantissa &power, const exponent &at, bool first) {
#pragma HLS INLINE
        const exponent ahead = first ? exponent(0) : exponent(at - top);
        const exponent behind = -ahead;
        const mantissa before = first ? mantissa(0) : total;
        const mantissa kept = before >> places<MANTISSA + 1>(ahead);
        const mantissa added = power >> places<MANTISSA + 1>(behind);
        const ap_uint<MANTISSA + 2> sum = kept + added;
        const int carry = sum[MANTISSA + 1] ? 1 : 0;
        const exponent larger = first || ahead > 0 ? at : top;
        total = sum >> carry;
        top = larger + carry;
    }

    // The factor of all shares of a row.
    static ap_uint<MANTISSA + 2> reciprocal(const mantissa &total) {
#pragma HLS INLINE
        const ap_uint<2 * MANTISSA + 2> one = ap_uint<2 * MANTISSA + 2>(1) << (2 * MANTISSA + 1);
        return one / total;
    }

    // The share of a power.
    static mantissa share(const mantissa &power, const ap_uint<MANTISSA + 2> &factor, const exponent &behind) {
#pragma HLS INLINE
        const ap_uint<2 * MANTISSA + 3> product = power * factor;
        const ap_uint<MANTISSA + 2> whole = product >> (MANTISSA + 1);
        return whole >> places<MANTISSA + 1>(behind);
    }
};

// \tparam X         type of an input
// \tparam E         type of a power
// \tparam Y         type of a result
// \tparam OUTER     places in front of the axis
// \tparam LENGTH    length of the axis
// \tparam INNER     places behind the axis
// \tparam ADDRESS, LIFT, MANTISSA, EXPONENT  see above
// \tparam EC        type of a stored power
template <class X, class E, class Y, int OUTER, int LENGTH, int INNER, int ADDRESS, int LIFT, int MANTISSA,
          int EXPONENT, class EC>
void softmax(const X x[OUTER * LENGTH * INNER], const EC powers[1 << ADDRESS], Y y[OUTER * LENGTH * INNER]) {
    typedef softmax_rows<X, ADDRESS, LIFT, MANTISSA, EXPONENT> rows;
outer:
    for (int o = 0; o < OUTER; ++o) {
    inner:
        for (int i = 0; i < INNER; ++i) {
            typename rows::mantissa total = 0;
            typename rows::exponent top = 0;
        sums:
            for (int k = 0; k < LENGTH; ++k) {
// One addition a cycle; x has one read port.
#pragma HLS PIPELINE II=1
                const X code = x[(o * LENGTH + k) * INNER + i];
                rows::add(total, top, powers[rows::address_of(code)], rows::exponent_of(code), k == 0);
            }
            const ap_uint<MANTISSA + 2> factor = rows::reciprocal(total);
        shares:
            for (int k = 0; k < LENGTH; ++k) {
// One product a cycle; x has one read port.
#pragma HLS PIPELINE II=1
                const X code = x[(o * LENGTH + k) * INNER + i];
                const typename rows::exponent behind = top - rows::exponent_of(code);
                y[(o * LENGTH + k) * INNER + i] =
                    from_code<Y>(rows::share(powers[rows::address_of(code)], factor, behind));
            }
        }
    }
}

} // namespace flow

#endif
