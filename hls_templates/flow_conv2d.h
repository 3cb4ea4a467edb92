// y[o, r, q] = sum_{c, i, j} w[o, c, i, j] x[c, r SH + i - PH, q SW + j - PW] + b[o], exact, zeros outside x.
#ifndef FLOW_CONV2D_H
#define FLOW_CONV2D_H

#include "flow_multiply.h"

namespace flow {

// Cross-correlation over [CHANNELS, HEIGHT, WIDTH]. PE channels of a result at once, each summed in steps of SIMD
// products. The sum wraps harmlessly, as in flow_dense.h.
//
// The terms of a sum are ordered rows, columns, channels of the window; the weight is stored [OUTPUTS / PE, steps, PE,
// SIMD], so that a step reads neighbours; zeros fill the last step.
// \tparam X, W, B, Y          types of an input, a weight, a bias, a result
// \tparam MULTIPLY            how a product is made, see flow_multiply.h
// \tparam CHANNELS            input channels
// \tparam HEIGHT, WIDTH       size of the input
// \tparam OUTPUTS             output channels
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam STRIDE_H, STRIDE_W  step of the window
// \tparam PAD_H, PAD_W        rows and columns of zeros on each side
// \tparam GROUPS              groups of channels that do not see each other
// \tparam PE                  output channels made at once; divides OUTPUTS
// \tparam SIMD                products of one sum made at once
// \tparam WC, BC              types of the stored codes
template <class X, class W, class B, class MULTIPLY, class Y, int CHANNELS, int HEIGHT, int WIDTH, int OUTPUTS,
          int KERNEL_H, int KERNEL_W, int STRIDE_H, int STRIDE_W, int PAD_H, int PAD_W, int GROUPS, int PE, int SIMD,
          class WC, class BC>
void conv2d(const X x[CHANNELS * HEIGHT * WIDTH],
            const WC weight[OUTPUTS * ((KERNEL_H * KERNEL_W * CHANNELS / GROUPS + SIMD - 1) / SIMD) * SIMD *
                            MULTIPLY::WORDS],
            const BC bias[OUTPUTS],
            Y y[OUTPUTS * ((HEIGHT + 2 * PAD_H - KERNEL_H) / STRIDE_H + 1) *
                ((WIDTH + 2 * PAD_W - KERNEL_W) / STRIDE_W + 1)]) {
    const int ROWS = (HEIGHT + 2 * PAD_H - KERNEL_H) / STRIDE_H + 1;
    const int COLUMNS = (WIDTH + 2 * PAD_W - KERNEL_W) / STRIDE_W + 1;
    const int SLICE = CHANNELS / GROUPS;
    const int TERMS = KERNEL_H * KERNEL_W * SLICE;
    const int STEPS = (TERMS + SIMD - 1) / SIMD;
    const int BANKS = PE * SIMD * MULTIPLY::WORDS;
    static_assert(BANKS > 0 && OUTPUTS % PE == 0, "PE must divide the outputs");
// A bank per channel of x and neighbouring weights in different banks: every lane reads its own.
#pragma HLS ARRAY_PARTITION variable=x block factor=CHANNELS
#pragma HLS ARRAY_PARTITION variable=weight cyclic factor=BANKS
#pragma HLS ARRAY_PARTITION variable=bias cyclic factor=PE
folds:
    for (int fold = 0; fold < OUTPUTS / PE; ++fold) {
    rows:
        for (int r = 0; r < ROWS; ++r) {
        columns:
            for (int q = 0; q < COLUMNS; ++q) {
                Y sum[PE];
#pragma HLS ARRAY_PARTITION variable=sum complete
            steps:
                for (int step = 0; step < STEPS; ++step) {
// One step a cycle; window and channels are one loop, because a pipeline does not cross the end of an inner one.
#pragma HLS PIPELINE II=1
                elements:
                    for (int p = 0; p < PE; ++p) {
#pragma HLS UNROLL
                        const int o = fold * PE + p;
                        Y total = step == 0 ? Y(from_code<B>(bias[o])) : sum[p];
                    lanes:
                        for (int lane = 0; lane < SIMD; ++lane) {
// The lanes are the multipliers.
#pragma HLS UNROLL
                            const int term = step * SIMD + lane;
                            const int c = o / (OUTPUTS / GROUPS) * SLICE + term % SLICE;
                            const int row = r * STRIDE_H + term / SLICE / KERNEL_W - PAD_H;
                            const int column = q * STRIDE_W + term / SLICE % KERNEL_W - PAD_W;
                            const bool inside = row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH;
                            if (inside && term < TERMS) {
                                const int place = ((fold * STEPS + step) * PE + p) * SIMD + lane;
                                total += MULTIPLY::template at<W>(weight, place, x[(c * HEIGHT + row) * WIDTH + column]);
                            }
                        }
                        sum[p] = total;
                        if (step == STEPS - 1) {
                            y[(o * ROWS + r) * COLUMNS + q] = total;
                        }
                    }
                }
            }
        }
    }
}

} // namespace flow

#endif
