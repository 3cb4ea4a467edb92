// y = the entry of a code: any function of one code, from a ROM.
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include "flow_fixed.h"

namespace flow {

// The lowest bits of a code are its address, so that nothing is subtracted; the exporter has put the entries in that
// order, negative codes after the others.
// \tparam X        type of an input
// \tparam E        type of an entry
// \tparam Y        type of a result, that of an entry
// \tparam SIZE     number of codes
// \tparam ADDRESS  bits of an address
// \tparam EC       type of a stored entry
template <class X, class E, class Y, int SIZE, int ADDRESS, class EC>
void table(const X x[SIZE], const EC entries[1 << ADDRESS], Y y[SIZE]) {
codes:
    for (int i = 0; i < SIZE; ++i) {
// One lookup a cycle; the ROM has one port.
#pragma HLS PIPELINE II=1
        const ap_uint<ADDRESS> address = to_bits(x[i]);
        y[i] = from_code<E>(entries[address.to_int()]);
    }
}

} // namespace flow

#endif
