// flow_softmax.h over a stream of rows: a row is kept while its powers are summed, and read a second time.
#ifndef FLOW_SOFTMAX_STREAM_H
#define FLOW_SOFTMAX_STREAM_H

#include "flow_lanes.h"
#include "flow_softmax.h"

namespace flow {

// \tparam X         type of an input
// \tparam E         type of a power
// \tparam Y         type of a result
// \tparam LANES     rows that a beat carries a code of each
// \tparam COUNT     rows one after the other
// \tparam LENGTH    codes of a row
// \tparam ADDRESS, LIFT, MANTISSA, EXPONENT  see flow_softmax.h
// \tparam EC        type of a stored power
template <class X, class E, class Y, int LANES, int COUNT, int LENGTH, int ADDRESS, int LIFT, int MANTISSA,
          int EXPONENT, class EC>
void softmax_stream(hls::stream<lanes<X, LANES> > &x, const EC powers[1 << ADDRESS],
                    hls::stream<lanes<Y, LANES> > &y) {
    typedef softmax_rows<X, ADDRESS, LIFT, MANTISSA, EXPONENT> rows;
    lanes<X, LANES> row[LENGTH];
    FLOW_ONE_WORD(row)
    typename rows::mantissa total[LANES];
    typename rows::exponent top[LANES];
    ap_uint<MANTISSA + 2> factor[LANES];
// Every lane has a sum of its own.
#pragma HLS ARRAY_PARTITION variable=total complete
#pragma HLS ARRAY_PARTITION variable=top complete
#pragma HLS ARRAY_PARTITION variable=factor complete
count:
    for (int c = 0; c < COUNT; ++c) {
    sums:
        for (int k = 0; k < LENGTH; ++k) {
            FLOW_BEAT_A_CYCLE
            const lanes<X, LANES> next = x.read();
            row[k] = next;
        powers:
            for (int l = 0; l < LANES; ++l) {
#pragma HLS UNROLL
                rows::add(total[l], top[l], powers[rows::address_of(next.code[l])],
                          rows::exponent_of(next.code[l]), k == 0);
            }
        }
    factors:
        for (int l = 0; l < LANES; ++l) {
            factor[l] = rows::reciprocal(total[l]);
        }
    shares:
        for (int k = 0; k < LENGTH; ++k) {
            FLOW_BEAT_A_CYCLE
            const lanes<X, LANES> held = row[k];
            lanes<Y, LANES> next;
            FLOW_ONE_WORD(next)
        products:
            for (int l = 0; l < LANES; ++l) {
#pragma HLS UNROLL
                const typename rows::exponent behind = top[l] - rows::exponent_of(held.code[l]);
                next.code[l] =
                    from_code<Y>(rows::share(powers[rows::address_of(held.code[l])], factor[l], behind));
            }
            y.write(next);
        }
    }
}

} // namespace flow

#endif
