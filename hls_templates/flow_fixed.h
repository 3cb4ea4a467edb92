// Codes and fixed-point values.
//
// A value is an integer code and a format: value = code * 2^-frac, and ap_fixed<W, I> has frac = W - I. Operators on
// ap_fixed are exact; a value loses bits only where it is assigned to a type with fewer of them, by that type's modes.
#ifndef FLOW_FIXED_H
#define FLOW_FIXED_H

#include <ap_fixed.h>

namespace flow {

// The type of a stored constant. Synthesis gets a ROM of exactly WIDTH bits. The C simulation gets the smallest C
// integer instead: an array of those is plain data for g++, where an array of ap_int is a constructor call per element.
#ifdef __SYNTHESIS__
template <int WIDTH, bool SIGNED> struct code;
template <int WIDTH> struct code<WIDTH, true> { typedef ap_int<WIDTH> type; };
template <int WIDTH> struct code<WIDTH, false> { typedef ap_uint<WIDTH> type; };
#else
template <int BYTES> struct c_integer;
template <> struct c_integer<1> { typedef signed char with_sign; typedef unsigned char without_sign; };
template <> struct c_integer<2> { typedef short with_sign; typedef unsigned short without_sign; };
template <> struct c_integer<4> { typedef int with_sign; typedef unsigned int without_sign; };
template <> struct c_integer<8> { typedef long long with_sign; typedef unsigned long long without_sign; };

template <int WIDTH, bool SIGNED> struct code;
template <int WIDTH> struct code<WIDTH, true> {
    typedef typename c_integer<(WIDTH <= 8 ? 1 : WIDTH <= 16 ? 2 : WIDTH <= 32 ? 4 : 8)>::with_sign type;
};
template <int WIDTH> struct code<WIDTH, false> {
    typedef typename c_integer<(WIDTH <= 8 ? 1 : WIDTH <= 16 ? 2 : WIDTH <= 32 ? 4 : 8)>::without_sign type;
};
#endif

// The value whose bits are those of `bits`: a change of type, no arithmetic, no logic.
// \tparam T  ap_fixed or ap_ufixed
// \tparam C  C integer or ap_int that holds the code
template <class T, class C> T from_code(C bits) {
#pragma HLS INLINE
    T value;
    value.range() = ap_uint<T::width>(bits);
    return value;
}

// The bits of a value, without its sign.
// \tparam T  ap_fixed or ap_ufixed
template <class T> ap_uint<T::width> to_bits(const T &value) {
#pragma HLS INLINE
    return value.range();
}

// Whether a fixed-point type has a sign.
// \tparam T  ap_fixed or ap_ufixed
template <class T> struct has_sign;
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct has_sign<ap_fixed<W, I, Q, O, N> > {
    static const bool value = true;
};
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct has_sign<ap_ufixed<W, I, Q, O, N> > {
    static const bool value = false;
};

// The code of a value in a signed integer of WIDTH bits, sign-extended.
// \tparam WIDTH  bits of the result, at least those of T
// \tparam T      ap_fixed or ap_ufixed
template <int WIDTH, class T> ap_int<WIDTH> to_code(const T &value) {
#pragma HLS INLINE
    ap_int<T::width> with_sign = to_bits(value);
    ap_uint<T::width> without_sign = to_bits(value);
    return has_sign<T>::value ? ap_int<WIDTH>(with_sign) : ap_int<WIDTH>(without_sign);
}

} // namespace flow

#endif
