// flow_matmul.h over streams: b is taken whole, a row by row; the lanes are pairs of matrices side by side.
#ifndef FLOW_MATMUL_STREAM_H
#define FLOW_MATMUL_STREAM_H

#include "flow_lanes.h"

namespace flow {

// The sum is kept in the type of the result, where a partial sum that leaves it wraps harmlessly.
// \tparam A, B, Y  types of the factors and of the result
// \tparam LANES    pairs of matrices that a beat carries a code of each
// \tparam COUNT    pairs of matrices one after the other
// \tparam ROWS     rows of a and of y
// \tparam TERMS    columns of a, rows of b
// \tparam COLUMNS  columns of b and of y
template <class A, class B, class Y, int LANES, int COUNT, int ROWS, int TERMS, int COLUMNS>
void matmul_stream(hls::stream<lanes<A, LANES> > &a, hls::stream<lanes<B, LANES> > &b,
                   hls::stream<lanes<Y, LANES> > &y) {
    lanes<B, LANES> whole[TERMS * COLUMNS];
    lanes<A, LANES> row[TERMS];
    lanes<Y, LANES> sum;
    FLOW_ONE_WORD(whole)
    FLOW_ONE_WORD(row)
    FLOW_ONE_WORD(sum)
pairs:
    for (int c = 0; c < COUNT; ++c) {
    fill:
        for (int i = 0; i < TERMS * COLUMNS; ++i) {
            FLOW_BEAT_A_CYCLE
            whole[i] = b.read();
        }
    rows:
        for (int m = 0; m < ROWS; ++m) {
        take:
            for (int k = 0; k < TERMS; ++k) {
                FLOW_BEAT_A_CYCLE
                row[k] = a.read();
            }
        columns:
            for (int n = 0; n < COLUMNS; ++n) {
            terms:
                for (int k = 0; k < TERMS; ++k) {
                    FLOW_BEAT_A_CYCLE
                    const lanes<A, LANES> left = row[k];
                    const lanes<B, LANES> right = whole[k * COLUMNS + n];
                products:
                    for (int l = 0; l < LANES; ++l) {
// The lanes are the multipliers.
#pragma HLS UNROLL
                        const Y before = k == 0 ? Y(0) : sum.code[l];
                        sum.code[l] = before;
                        sum.code[l] += left.code[l] * right.code[l];
                    }
                    if (k == TERMS - 1) {
                        y.write(sum);
                    }
                }
            }
        }
    }
}

} // namespace flow

#endif
