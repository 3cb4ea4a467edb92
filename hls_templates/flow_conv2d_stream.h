// flow_conv2d.h over a stream of positions: KERNEL_H - 1 lines are kept, zeros are put around the image on the way.
#ifndef FLOW_CONV2D_STREAM_H
#define FLOW_CONV2D_STREAM_H

#include "flow_multiply.h"
#include "flow_window.h"

namespace flow {

// One position of the padded image after the other; where a window is complete, its sums take OUTPUTS / PE times
// ceil(terms / SIMD) cycles, elsewhere a position takes one. The sum wraps harmlessly, as in flow_dense.h; the weight is
// stored as flow_conv2d.h says.
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
void conv2d_stream(hls::stream<lanes<X, CHANNELS> > &x,
                   const WC weight[OUTPUTS * ((KERNEL_H * KERNEL_W * CHANNELS / GROUPS + SIMD - 1) / SIMD) * SIMD *
                                   MULTIPLY::WORDS],
                   const BC bias[OUTPUTS], hls::stream<lanes<Y, OUTPUTS> > &y) {
    const int ROWS = HEIGHT + 2 * PAD_H;
    const int COLUMNS = WIDTH + 2 * PAD_W;
    const int LINES = KERNEL_H > 1 ? KERNEL_H - 1 : 1;
    const int WINDOWS = ((ROWS - KERNEL_H) / STRIDE_H + 1) * ((COLUMNS - KERNEL_W) / STRIDE_W + 1);
    const int SLICE = CHANNELS / GROUPS;
    const int TERMS = KERNEL_H * KERNEL_W * SLICE;
    const int STEPS = (TERMS + SIMD - 1) / SIMD;
    const int LAST = OUTPUTS / PE * STEPS - 1;
    const int BANKS = PE * SIMD * MULTIPLY::WORDS;
    static_assert(BANKS > 0 && OUTPUTS % PE == 0, "PE must divide the outputs");
    lanes<X, CHANNELS> lines[LINES][COLUMNS];
    lanes<X, CHANNELS> window[KERNEL_H][KERNEL_W];
    Y sum[PE];
    lanes<Y, OUTPUTS> result;
    FLOW_ONE_WORD(result)
// A memory per line, registers for the window and the sums; every lane reads weights from its own bank.
#pragma HLS ARRAY_PARTITION variable=lines complete dim=1
#pragma HLS ARRAY_PARTITION variable=window complete dim=0
#pragma HLS ARRAY_PARTITION variable=sum complete
#pragma HLS ARRAY_PARTITION variable=weight cyclic factor=BANKS
#pragma HLS ARRAY_PARTITION variable=bias cyclic factor=PE
    int row = 0, column = 0, k = 0;
cycles:
    for (int cycle = 0; cycle < ROWS * COLUMNS + WINDOWS * LAST; ++cycle) {
        FLOW_BEAT_A_CYCLE
        if (k == 0) {
            const bool inside = row >= PAD_H && row < HEIGHT + PAD_H && column >= PAD_W && column < WIDTH + PAD_W;
            lanes<X, CHANNELS> next;
            if (inside) {
                next = x.read();
            } else {
            zeros:
                for (int c = 0; c < CHANNELS; ++c) {
#pragma HLS UNROLL
                    next.code[c] = 0;
                }
            }
            slide<X, CHANNELS, KERNEL_H, KERNEL_W, LINES, COLUMNS>(lines, window, next, column);
        }
        const bool complete = row >= KERNEL_H - 1 && (row - (KERNEL_H - 1)) % STRIDE_H == 0 &&
                              column >= KERNEL_W - 1 && (column - (KERNEL_W - 1)) % STRIDE_W == 0;
        if (complete) {
            const int step = k % STEPS;
        elements:
            for (int p = 0; p < PE; ++p) {
#pragma HLS UNROLL
                const int o = k / STEPS * PE + p;
                Y total = step == 0 ? Y(from_code<B>(bias[o])) : sum[p];
            products:
                for (int lane = 0; lane < SIMD; ++lane) {
// The lanes are the multipliers.
#pragma HLS UNROLL
                    const int term = step * SIMD + lane;
                    if (term < TERMS) {
                        const int c = o / (OUTPUTS / GROUPS) * SLICE + term % SLICE;
                        const X &value = window[term / SLICE / KERNEL_W][term / SLICE % KERNEL_W].code[c];
                        total += MULTIPLY::template at<W>(weight, (k * PE + p) * SIMD + lane, value);
                    }
                }
                sum[p] = total;
                if (step == STEPS - 1) {
                    result.code[o] = total;
                }
            }
            if (k == LAST) {
                y.write(result);
            }
        }
        if (complete && k < LAST) {
            ++k;
        } else {
            k = 0;
            row += column == COLUMNS - 1 ? 1 : 0;
            column = column == COLUMNS - 1 ? 0 : column + 1;
        }
    }
}

} // namespace flow

#endif
