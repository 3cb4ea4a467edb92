// flow_lookup.h over a stream of codes: for each of them the entries of its row, one a beat.
#ifndef FLOW_LOOKUP_STREAM_H
#define FLOW_LOOKUP_STREAM_H

#include "flow_lanes.h"

namespace flow {

// \tparam X      type of an input
// \tparam E      type of an entry
// \tparam Y      type of a result, that of an entry
// \tparam SIZE   number of codes
// \tparam ROWS   number of rows
// \tparam WIDTH  entries of a row
// \tparam EC     type of a stored entry
template <class X, class E, class Y, int SIZE, int ROWS, int WIDTH, class EC>
void lookup_stream(hls::stream<lanes<X, 1> > &x, const EC rows[ROWS * WIDTH], hls::stream<lanes<Y, 1> > &y) {
    int row = 0;
codes:
    for (int i = 0; i < SIZE; ++i) {
    entries:
        for (int d = 0; d < WIDTH; ++d) {
            FLOW_BEAT_A_CYCLE
            if (d == 0) {
                const ap_uint<X::width> code = to_bits(x.read().code[0]);
                row = code.to_int();
            }
            lanes<Y, 1> next;
            FLOW_ONE_WORD(next)
            next.code[0] = from_code<E>(rows[row * WIDTH + d]);
            y.write(next);
        }
    }
}

} // namespace flow

#endif
