// y[o, r, q] = sum_{c, i, j} w[o, c, i, j] x[c, r SH + i - PH, q SW + j - PW] + b[o], exact, zeros outside x.
#ifndef FLOW_CONV2D_H
#define FLOW_CONV2D_H

#include "flow_fixed.h"

namespace flow {

// Cross-correlation over [CHANNELS, HEIGHT, WIDTH]. One result after the other; each position of the window takes REUSE
// steps of ceil(channels of a group / REUSE) products. The sum wraps harmlessly, as in flow_dense.h.
//
// The weight is stored [OUTPUTS, KERNEL_H, KERNEL_W, CHANNELS / GROUPS], so that the channels of one step are neighbours.
// \tparam X, W, B, Y          types of an input, a weight, a bias, a result
// \tparam CHANNELS            input channels
// \tparam HEIGHT, WIDTH       size of the input
// \tparam OUTPUTS             output channels
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam STRIDE_H, STRIDE_W  step of the window
// \tparam PAD_H, PAD_W        rows and columns of zeros on each side
// \tparam GROUPS              groups of channels that do not see each other
// \tparam REUSE               products that one multiplier makes for one position of the window
// \tparam WC, BC              types of the stored codes
template <class X, class W, class B, class Y, int CHANNELS, int HEIGHT, int WIDTH, int OUTPUTS, int KERNEL_H,
          int KERNEL_W, int STRIDE_H, int STRIDE_W, int PAD_H, int PAD_W, int GROUPS, int REUSE, class WC, class BC>
void conv2d(const X x[CHANNELS * HEIGHT * WIDTH], const WC weight[OUTPUTS * KERNEL_H * KERNEL_W * CHANNELS / GROUPS],
            const BC bias[OUTPUTS],
            Y y[OUTPUTS * ((HEIGHT + 2 * PAD_H - KERNEL_H) / STRIDE_H + 1) *
                ((WIDTH + 2 * PAD_W - KERNEL_W) / STRIDE_W + 1)]) {
    const int ROWS = (HEIGHT + 2 * PAD_H - KERNEL_H) / STRIDE_H + 1;
    const int COLUMNS = (WIDTH + 2 * PAD_W - KERNEL_W) / STRIDE_W + 1;
    const int SLICE = CHANNELS / GROUPS;
    const int LANES = (SLICE + REUSE - 1) / REUSE;
// A bank per channel of x and neighbouring weights in different banks: every lane reads its own.
#pragma HLS ARRAY_PARTITION variable=x block factor=CHANNELS
#pragma HLS ARRAY_PARTITION variable=weight cyclic factor=LANES
outputs:
    for (int o = 0; o < OUTPUTS; ++o) {
        const int first = o / (OUTPUTS / GROUPS) * SLICE;
    rows:
        for (int r = 0; r < ROWS; ++r) {
        columns:
            for (int q = 0; q < COLUMNS; ++q) {
                Y sum = from_code<B>(bias[o]);
            window:
                for (int k = 0; k < KERNEL_H * KERNEL_W * REUSE; ++k) {
// One step a cycle; window and steps are one loop, because a pipeline does not cross the end of an inner one.
#pragma HLS PIPELINE II=1
                    const int step = k % REUSE;
                    const int i = k / REUSE / KERNEL_W;
                    const int j = k / REUSE % KERNEL_W;
                    const int row = r * STRIDE_H + i - PAD_H;
                    const int column = q * STRIDE_W + j - PAD_W;
                    const bool inside = row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH;
                lanes:
                    for (int lane = 0; lane < LANES; ++lane) {
// The lanes are the multipliers.
#pragma HLS UNROLL
                        const int c = step * LANES + lane;
                        if (inside && c < SLICE) {
                            sum += from_code<W>(weight[((o * KERNEL_H + i) * KERNEL_W + j) * SLICE + c]) *
                                   x[((first + c) * HEIGHT + row) * WIDTH + column];
                        }
                    }
                }
                y[(o * ROWS + r) * COLUMNS + q] = sum;
            }
        }
    }
}

} // namespace flow

#endif
