// y[o] = sum_i w[o, i] x[i] + b[o], exact.
#ifndef FLOW_DENSE_H
#define FLOW_DENSE_H

#include "flow_fixed.h"

namespace flow {

// One output row after the other; each row is summed in REUSE steps of ceil(INPUTS / REUSE) products.
//
// The sum is kept in the type of the result. It holds every final sum, and where an intermediate one leaves it, it
// wraps, which addition modulo 2^width undoes: no bit is lost and none is spent on the order of the additions.
// \tparam X        type of an input
// \tparam W        type of a weight
// \tparam B        type of a bias
// \tparam Y        type of a result
// \tparam INPUTS   terms of a sum
// \tparam OUTPUTS  sums
// \tparam REUSE    products that one multiplier makes for one sum
// \tparam WC, BC   types of the stored codes
template <class X, class W, class B, class Y, int INPUTS, int OUTPUTS, int REUSE, class WC, class BC>
void dense(const X x[INPUTS], const WC weight[OUTPUTS * INPUTS], const BC bias[OUTPUTS], Y y[OUTPUTS]) {
    const int LANES = (INPUTS + REUSE - 1) / REUSE;
// Every lane reads its own bank, so that one step takes one cycle.
#pragma HLS ARRAY_PARTITION variable=x cyclic factor=LANES
#pragma HLS ARRAY_PARTITION variable=weight cyclic factor=LANES
rows:
    for (int o = 0; o < OUTPUTS; ++o) {
        Y sum = from_code<B>(bias[o]);
    steps:
        for (int step = 0; step < REUSE; ++step) {
// One step a cycle; the multipliers are busy all the time.
#pragma HLS PIPELINE II=1
        lanes:
            for (int lane = 0; lane < LANES; ++lane) {
// The lanes are the multipliers.
#pragma HLS UNROLL
                const int i = step * LANES + lane;
                if (i < INPUTS) {
                    sum += from_code<W>(weight[o * INPUTS + i]) * x[i];
                }
            }
        }
        y[o] = sum;
    }
}

} // namespace flow

#endif
