// AXI4-Stream at the ports of the top: one code a beat, in row-major order, TLAST on the last beat of a sample.
//
// TDATA is a whole number of bytes; the code sits in its low bits, extended by its sign. TLAST is set on results and
// not read on inputs: a sample has a fixed number of beats.
#ifndef FLOW_STREAM_H
#define FLOW_STREAM_H

#include "flow_fixed.h"

// The vendor's tools bring hls::stream and ap_axiu. Plain g++ gets flow_stream_model.h, which behaves alike.
#if defined(__SYNTHESIS__) || defined(__VITIS_HLS__) || defined(FLOW_VENDOR_STREAM)
#include <ap_axi_sdata.h>
#include <hls_stream.h>
#else
#include "flow_stream_model.h"
#endif

namespace flow {

// The beat that carries one code of T. Vivado HLS has no side channel of zero bits, so there they have one.
// \tparam T  ap_fixed or ap_ufixed
template <class T> struct beat {
    static const int bits = (T::width + 7) / 8 * 8;
#ifdef __VITIS_HLS__
    typedef ap_axiu<bits, 0, 0, 0> type;
#else
    typedef ap_axiu<bits, 1, 1, 1> type;
#endif
};

// Read one sample.
// \tparam T     type of the codes
// \tparam SIZE  codes of a sample
template <class T, int SIZE> void read_stream(hls::stream<typename beat<T>::type> &source, T y[SIZE]) {
codes:
    for (int i = 0; i < SIZE; ++i) {
// One beat a cycle is all the port can carry.
#pragma HLS PIPELINE II=1
        y[i] = from_code<T>(source.read().data);
    }
}

// Write one sample, TLAST on its last beat.
// \tparam T     type of the codes
// \tparam SIZE  codes of a sample
template <class T, int SIZE> void write_stream(const T x[SIZE], hls::stream<typename beat<T>::type> &sink) {
codes:
    for (int i = 0; i < SIZE; ++i) {
// One beat a cycle is all the port can carry.
#pragma HLS PIPELINE II=1
        typename beat<T>::type next;
        next.data = to_code<beat<T>::bits>(x[i]);
        next.keep = -1;
        next.strb = -1;
#ifndef __VITIS_HLS__
        next.user = 0;
        next.id = 0;
        next.dest = 0;
#endif
        next.last = i == SIZE - 1;
        sink.write(next);
    }
}

} // namespace flow

#endif
