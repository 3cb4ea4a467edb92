// Poolings over [CHANNELS, HEIGHT, WIDTH] without padding: the highest code of a window, or scale times its sum.
#ifndef FLOW_POOL_H
#define FLOW_POOL_H

#include "flow_fixed.h"

namespace flow {

// The highest code of each window.
// \tparam X                   type of an input
// \tparam Y                   type of a result, which holds every input
// \tparam CHANNELS            channels of input and result
// \tparam HEIGHT, WIDTH       size of the input
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam STRIDE_H, STRIDE_W  step of the window
template <class X, class Y, int CHANNELS, int HEIGHT, int WIDTH, int KERNEL_H, int KERNEL_W, int STRIDE_H,
          int STRIDE_W>
void max_pool2d(const X x[CHANNELS * HEIGHT * WIDTH],
                Y y[CHANNELS * ((HEIGHT - KERNEL_H) / STRIDE_H + 1) * ((WIDTH - KERNEL_W) / STRIDE_W + 1)]) {
    const int ROWS = (HEIGHT - KERNEL_H) / STRIDE_H + 1;
    const int COLUMNS = (WIDTH - KERNEL_W) / STRIDE_W + 1;
channels:
    for (int c = 0; c < CHANNELS; ++c) {
    rows:
        for (int r = 0; r < ROWS; ++r) {
        columns:
            for (int q = 0; q < COLUMNS; ++q) {
                X best = x[(c * HEIGHT + r * STRIDE_H) * WIDTH + q * STRIDE_W];
            window:
                for (int k = 1; k < KERNEL_H * KERNEL_W; ++k) {
// One comparison a cycle; x has one read port.
#pragma HLS PIPELINE II=1
                    const int row = r * STRIDE_H + k / KERNEL_W;
                    const int column = q * STRIDE_W + k % KERNEL_W;
                    const X next = x[(c * HEIGHT + row) * WIDTH + column];
                    best = next > best ? next : best;
                }
                y[(c * ROWS + r) * COLUMNS + q] = best;
            }
        }
    }
}

// The scale times the sum of each window.
// \tparam X, S, Y             types of an input, the scale, a result
// \tparam SUM                 type that holds the sum of a window
// \tparam CHANNELS            channels of input and result
// \tparam HEIGHT, WIDTH       size of the input
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam STRIDE_H, STRIDE_W  step of the window
// \tparam SC                  type of the stored scale
template <class X, class S, class SUM, class Y, int CHANNELS, int HEIGHT, int WIDTH, int KERNEL_H, int KERNEL_W,
          int STRIDE_H, int STRIDE_W, class SC>
void avg_pool2d(const X x[CHANNELS * HEIGHT * WIDTH], const SC scale[1],
                Y y[CHANNELS * ((HEIGHT - KERNEL_H) / STRIDE_H + 1) * ((WIDTH - KERNEL_W) / STRIDE_W + 1)]) {
    const int ROWS = (HEIGHT - KERNEL_H) / STRIDE_H + 1;
    const int COLUMNS = (WIDTH - KERNEL_W) / STRIDE_W + 1;
channels:
    for (int c = 0; c < CHANNELS; ++c) {
    rows:
        for (int r = 0; r < ROWS; ++r) {
        columns:
            for (int q = 0; q < COLUMNS; ++q) {
                SUM sum = 0;
            window:
                for (int k = 0; k < KERNEL_H * KERNEL_W; ++k) {
// One addition a cycle; x has one read port.
#pragma HLS PIPELINE II=1
                    const int row = r * STRIDE_H + k / KERNEL_W;
                    const int column = q * STRIDE_W + k % KERNEL_W;
                    sum += x[(c * HEIGHT + row) * WIDTH + column];
                }
                y[(c * ROWS + r) * COLUMNS + q] = from_code<S>(scale[0]) * sum;
            }
        }
    }
}

} // namespace flow

#endif
