// The window of a convolution or pooling over a stream of positions, from lines that are kept.
#ifndef FLOW_WINDOW_H
#define FLOW_WINDOW_H

#include "flow_lanes.h"

namespace flow {

// Move the window to the next position: the lines above it give the upper part of the new column.
// \tparam X                   type of a code
// \tparam CHANNELS            codes of a position
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam LINES               lines that are kept, KERNEL_H - 1, at least one
// \tparam COLUMNS             positions of a line
template <class X, int CHANNELS, int KERNEL_H, int KERNEL_W, int LINES, int COLUMNS>
void slide(lanes<X, CHANNELS> lines[LINES][COLUMNS], lanes<X, CHANNELS> window[KERNEL_H][KERNEL_W],
           const lanes<X, CHANNELS> &next, int column) {
#pragma HLS INLINE
rows:
    for (int i = 0; i < KERNEL_H; ++i) {
#pragma HLS UNROLL
    columns:
        for (int j = 0; j < KERNEL_W - 1; ++j) {
#pragma HLS UNROLL
            window[i][j] = window[i][j + 1];
        }
        window[i][KERNEL_W - 1] = i < KERNEL_H - 1 ? lines[i < LINES ? i : 0][column] : next;
    }
kept:
    for (int i = 0; i < KERNEL_H - 1; ++i) {
#pragma HLS UNROLL
        lines[i][column] = window[i + 1][KERNEL_W - 1];
    }
}

} // namespace flow

#endif
