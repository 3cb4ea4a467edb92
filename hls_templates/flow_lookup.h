// y[i, d] = rows[x[i], d]: for every code a row from a ROM, as an embedding has it.
#ifndef FLOW_LOOKUP_H
#define FLOW_LOOKUP_H

#include "flow_fixed.h"

namespace flow {

// The code is the number of the row; the exporter has proved that it is one.
// \tparam X      type of an input
// \tparam E      type of an entry
// \tparam Y      type of a result, that of an entry
// \tparam SIZE   number of codes
// \tparam ROWS   number of rows
// \tparam WIDTH  entries of a row
// \tparam EC     type of a stored entry
template <class X, class E, class Y, int SIZE, int ROWS, int WIDTH, class EC>
void lookup(const X x[SIZE], const EC rows[ROWS * WIDTH], Y y[SIZE * WIDTH]) {
codes:
    for (int i = 0; i < SIZE; ++i) {
        const ap_uint<X::width> row = to_bits(x[i]);
    entries:
        for (int d = 0; d < WIDTH; ++d) {
// One entry a cycle; the ROM has one port.
#pragma HLS PIPELINE II=1
            y[i * WIDTH + d] = from_code<E>(rows[row.to_int() * WIDTH + d]);
        }
    }
}

} // namespace flow

#endif
