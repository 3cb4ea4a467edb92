// y[o] = sum_i of an entry that the bits of x[i] choose in the table of (o, i): truth tables instead of products.
#ifndef FLOW_LUT_DENSE_H
#define FLOW_LUT_DENSE_H

#include "flow_fixed.h"

namespace flow {

// The address is ADDRESS bits of the code from bit shift[i] on; beyond the code stands its sign.
//
// The sum is kept in the type of the result, where a partial sum that leaves it wraps harmlessly.
// \tparam X        type of an input
// \tparam E        type of an entry
// \tparam N        type of a shift
// \tparam Y        type of a result
// \tparam ROWS     sums of the same tables, over inputs one after the other
// \tparam INPUTS   terms of a sum
// \tparam OUTPUTS  sums of one row
// \tparam ADDRESS  bits of an address
// \tparam EC, NC   types of the stored codes
template <class X, class E, class N, class Y, int ROWS, int INPUTS, int OUTPUTS, int ADDRESS, class EC, class NC>
void lut_dense(const X x[ROWS * INPUTS], const EC tables[OUTPUTS * INPUTS * (1 << ADDRESS)], const NC shifts[INPUTS],
               Y y[ROWS * OUTPUTS]) {
    const int WIDE = X::width + (1 << N::width) + ADDRESS;
rows:
    for (int r = 0; r < ROWS; ++r) {
    outputs:
        for (int o = 0; o < OUTPUTS; ++o) {
            Y total = 0;
        terms:
            for (int i = 0; i < INPUTS; ++i) {
// One table a cycle; the ROM has one port.
#pragma HLS PIPELINE II=1
                const ap_int<WIDE> code = to_code<WIDE>(x[r * INPUTS + i]);
                const ap_uint<ADDRESS> address = code >> from_code<N>(shifts[i]).to_int();
                total += from_code<E>(tables[((o * INPUTS + i) << ADDRESS) + address.to_int()]);
            }
            y[r * OUTPUTS + o] = total;
        }
    }
}

} // namespace flow

#endif
