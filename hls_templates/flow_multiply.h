// The product of a stored weight and a value, in the way that the exporter chose for a layer. All ways give the same bits.
#ifndef FLOW_MULTIPLY_H
#define FLOW_MULTIPLY_H

#include "flow_fixed.h"

namespace flow {

// The type that holds every bit of a product.
// \tparam A, B  ap_fixed or ap_ufixed
template <class A, class B> struct product { typedef decltype(A() * B()) type; };

// Whatever the tool finds best. Every way has WORDS, the stored words of one weight.
struct multiply_by_tool {
    static const int WORDS = 1;
    template <class W, class X, class WC>
    static typename product<W, X>::type at(const WC weight[], int place, const X &x) {
#pragma HLS INLINE
        return from_code<W>(weight[place]) * x;
    }
};

// A DSP block.
struct multiply_in_dsp {
    static const int WORDS = 1;
    template <class W, class X, class WC>
    static typename product<W, X>::type at(const WC weight[], int place, const X &x) {
#pragma HLS INLINE
        const typename product<W, X>::type result = from_code<W>(weight[place]) * x;
// Vivado HLS knows the binding by another name.
#ifdef __VITIS_HLS__
#pragma HLS BIND_OP variable=result op=mul impl=dsp
#else
#pragma HLS RESOURCE variable=result core=DSP48
#endif
        return result;
    }
};

// LUTs and carry chains.
struct multiply_in_fabric {
    static const int WORDS = 1;
    template <class W, class X, class WC>
    static typename product<W, X>::type at(const WC weight[], int place, const X &x) {
#pragma HLS INLINE
        const typename product<W, X>::type result = from_code<W>(weight[place]) * x;
// Vivado HLS knows the binding by another name.
#ifdef __VITIS_HLS__
#pragma HLS BIND_OP variable=result op=mul impl=fabric
#else
#pragma HLS RESOURCE variable=result core=Mul_LUT
#endif
        return result;
    }
};

// Shifts and additions, no multiplier: the ROM holds the digits of a weight, d for 2^(d - 1), -d for -2^(d - 1), 0 for none.
// Where a layer is fully unrolled the digits are constants, and the shifts are wires. The sum is taken modulo 2^width of
// the product, which holds the result, so that a digit may lie above it.
// \tparam DIGITS  most digits of one weight
template <int DIGITS> struct multiply_by_shifts {
    static const int WORDS = DIGITS;
    template <class W, class X, class WC>
    static typename product<W, X>::type at(const WC digits[], int place, const X &x) {
#pragma HLS INLINE
        typedef typename product<W, X>::type exact;
        const ap_int<exact::width> code = to_code<exact::width>(x);
        ap_int<exact::width> sum = 0;
    terms:
        for (int d = 0; d < DIGITS; ++d) {
// All digits in the same cycle.
#pragma HLS UNROLL
            const int digit = static_cast<int>(digits[place * DIGITS + d]);
            if (digit > 0) {
                sum += code << (digit - 1);
            } else if (digit < 0) {
                sum -= code << (-digit - 1);
            }
        }
        return from_code<exact>(sum);
    }
};

} // namespace flow

#endif
