// flow_dense.h over a stream of codes: every sum is kept, and grows as codes come.
#ifndef FLOW_DENSE_STREAM_H
#define FLOW_DENSE_STREAM_H

#include "flow_lanes.h"
#include "flow_multiply.h"

namespace flow {

// SIMD codes are taken in as many cycles; with the last of them all sums take their products, PE sums a cycle. The sum
// wraps harmlessly and the weight is stored as flow_dense.h says.
// \tparam X         type of an input
// \tparam W         type of a weight
// \tparam B         type of a bias
// \tparam MULTIPLY  how a product is made, see flow_multiply.h
// \tparam Y         type of a result
// \tparam INPUTS    terms of a sum
// \tparam OUTPUTS   sums
// \tparam PE        sums that take products at once; divides OUTPUTS
// \tparam SIMD      products of one sum made at once
// \tparam WC, BC    types of the stored codes
template <class X, class W, class B, class MULTIPLY, class Y, int INPUTS, int OUTPUTS, int PE, int SIMD, class WC,
          class BC>
void dense_stream(hls::stream<lanes<X, 1> > &x,
                  const WC weight[OUTPUTS * ((INPUTS + SIMD - 1) / SIMD) * SIMD * MULTIPLY::WORDS],
                  const BC bias[OUTPUTS], hls::stream<lanes<Y, 1> > &y) {
    const int STEPS = (INPUTS + SIMD - 1) / SIMD;
    const int CYCLES = SIMD - 1 + OUTPUTS / PE;
    const int BANKS = PE * SIMD * MULTIPLY::WORDS;
    static_assert(BANKS > 0 && OUTPUTS % PE == 0, "PE must divide the outputs");
    X taken[SIMD];
    Y sum[OUTPUTS];
// The codes of a step are registers; PE sums and their weights are read in the same cycle.
#pragma HLS ARRAY_PARTITION variable=taken complete
#pragma HLS ARRAY_PARTITION variable=sum cyclic factor=PE
#pragma HLS ARRAY_PARTITION variable=weight cyclic factor=BANKS
#pragma HLS ARRAY_PARTITION variable=bias cyclic factor=PE
steps:
    for (int step = 0; step < STEPS; ++step) {
    cycles:
        for (int k = 0; k < CYCLES; ++k) {
            FLOW_BEAT_A_CYCLE
            if (k < SIMD && step * SIMD + k < INPUTS) {
                taken[k] = x.read().code[0];
            }
            if (k >= SIMD - 1) {
                const int fold = k - (SIMD - 1);
            elements:
                for (int p = 0; p < PE; ++p) {
#pragma HLS UNROLL
                    const int o = fold * PE + p;
                    Y total = step == 0 ? Y(from_code<B>(bias[o])) : sum[o];
                products:
                    for (int lane = 0; lane < SIMD; ++lane) {
// The lanes are the multipliers.
#pragma HLS UNROLL
                        if (step * SIMD + lane < INPUTS) {
                            const int place = ((fold * STEPS + step) * PE + p) * SIMD + lane;
                            total += MULTIPLY::template at<W>(weight, place, taken[lane]);
                        }
                    }
                    sum[o] = total;
                }
            }
        }
    }
results:
    for (int o = 0; o < OUTPUTS; ++o) {
        FLOW_BEAT_A_CYCLE
        lanes<Y, 1> next;
        FLOW_ONE_WORD(next)
        next.code[0] = sum[o];
        y.write(next);
    }
}

} // namespace flow

#endif
