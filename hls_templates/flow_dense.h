// y[o] = sum_i w[o, i] x[i] + b[o], exact.
#ifndef FLOW_DENSE_H
#define FLOW_DENSE_H

#include "flow_multiply.h"

namespace flow {

// PE outputs at once, each of them summed in ceil(INPUTS / SIMD) steps of SIMD products.
//
// The sum is kept in the type of the result. It holds every final sum, and where an intermediate one leaves it, it
// wraps, which addition modulo 2^width undoes: no bit is lost and none is spent on the order of the additions.
// The weight is stored [OUTPUTS / PE, steps, PE, SIMD], so that a step reads neighbours; zeros fill the last step.
// \tparam X         type of an input
// \tparam W         type of a weight
// \tparam B         type of a bias
// \tparam MULTIPLY  how a product is made, see flow_multiply.h
// \tparam Y         type of a result
// \tparam INPUTS    terms of a sum
// \tparam OUTPUTS   sums
// \tparam PE        sums made at once; divides OUTPUTS
// \tparam SIMD      products of one sum made at once
// \tparam WC, BC    types of the stored codes
template <class X, class W, class B, class MULTIPLY, class Y, int INPUTS, int OUTPUTS, int PE, int SIMD, class WC,
          class BC>
void dense(const X x[INPUTS], const WC weight[OUTPUTS * ((INPUTS + SIMD - 1) / SIMD) * SIMD * MULTIPLY::WORDS],
           const BC bias[OUTPUTS], Y y[OUTPUTS]) {
    const int STEPS = (INPUTS + SIMD - 1) / SIMD;
    const int BANKS = PE * SIMD * MULTIPLY::WORDS;
    static_assert(BANKS > 0 && OUTPUTS % PE == 0, "PE must divide the outputs");
    Y sum[PE];
// Every lane reads its own bank, so that one step takes one cycle.
#pragma HLS ARRAY_PARTITION variable=x cyclic factor=SIMD
#pragma HLS ARRAY_PARTITION variable=weight cyclic factor=BANKS
#pragma HLS ARRAY_PARTITION variable=bias cyclic factor=PE
#pragma HLS ARRAY_PARTITION variable=y cyclic factor=PE
#pragma HLS ARRAY_PARTITION variable=sum complete
steps:
    for (int k = 0; k < OUTPUTS / PE * STEPS; ++k) {
// One step a cycle; all sums are one loop, because a pipeline does not cross the end of an inner one.
#pragma HLS PIPELINE II=1
        const int step = k % STEPS;
    elements:
        for (int p = 0; p < PE; ++p) {
#pragma HLS UNROLL
            const int o = k / STEPS * PE + p;
            Y total = step == 0 ? Y(from_code<B>(bias[o])) : sum[p];
        lanes:
            for (int lane = 0; lane < SIMD; ++lane) {
// The lanes are the multipliers.
#pragma HLS UNROLL
                const int i = step * SIMD + lane;
                if (i < INPUTS) {
                    total += MULTIPLY::template at<W>(weight, (k * PE + p) * SIMD + lane, x[i]);
                }
            }
            sum[p] = total;
            if (step == STEPS - 1) {
                y[o] = total;
            }
        }
    }
}

} // namespace flow

#endif
