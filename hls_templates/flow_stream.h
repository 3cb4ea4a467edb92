// AXI4-Stream at the ports of the top: TLAST on the last beat of a sample.
//
// TDATA is a whole number of bytes for every code of the beat, lane 0 in the lowest ones; a code is extended by its sign.
// In the parallel form a beat is one code, in row-major order; for the streaming form see flow_lanes.h. TLAST is set on
// results and not read on inputs: a sample has a fixed number of beats.
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

// One beat a cycle. The pipeline flushes: where the next beat is late, those inside still come out. Without that a beat
// could wait inside one branch of a residual join for a beat that the other branch holds back.
#ifdef __VITIS_HLS__
#define FLOW_BEAT_A_CYCLE _Pragma("HLS PIPELINE II=1 style=flp")
#else
#define FLOW_BEAT_A_CYCLE _Pragma("HLS PIPELINE II=1 enable_flush")
#endif

// The codes of a beat are one word of a FIFO. Vitis HLS makes them so by itself.
#ifdef __VITIS_HLS__
#define FLOW_ONE_WORD(beat)
#else
#define FLOW_PRAGMA(text) _Pragma(#text)
#define FLOW_ONE_WORD(beat) FLOW_PRAGMA(HLS DATA_PACK variable = beat)
#endif

namespace flow {

// The beat that carries LANES codes of T. Vivado HLS has no side channel of zero bits, so there they have one.
// \tparam T      ap_fixed or ap_ufixed
// \tparam LANES  codes of a beat
template <class T, int LANES = 1> struct beat {
    static const int lane_bits = (T::width + 7) / 8 * 8;
    static const int bits = lane_bits * LANES;
#ifdef __VITIS_HLS__
    typedef ap_axiu<bits, 0, 0, 0> type;
#else
    typedef ap_axiu<bits, 1, 1, 1> type;
#endif
};

// The beat of some codes.
// \tparam T      type of the codes
// \tparam LANES  how many
template <class T, int LANES> typename beat<T, LANES>::type pack(const T code[LANES], bool last) {
#pragma HLS INLINE
    const int BITS = beat<T, LANES>::lane_bits;
    typename beat<T, LANES>::type next;
    next.data = 0;
codes:
    for (int l = 0; l < LANES; ++l) {
#pragma HLS UNROLL
        next.data.range(BITS * l + BITS - 1, BITS * l) = ap_uint<BITS>(to_code<BITS>(code[l]));
    }
    next.keep = -1;
    next.strb = -1;
#ifndef __VITIS_HLS__
    next.user = 0;
    next.id = 0;
    next.dest = 0;
#endif
    next.last = last;
    return next;
}

// The codes of a beat's TDATA.
// \tparam T      type of the codes
// \tparam LANES  how many
// \tparam D      ap_uint of the beat's bits
template <class T, int LANES, class D> void unpack(const D &data, T code[LANES]) {
#pragma HLS INLINE
    const int BITS = beat<T, LANES>::lane_bits;
codes:
    for (int l = 0; l < LANES; ++l) {
#pragma HLS UNROLL
        const ap_uint<BITS> bits = data.range(BITS * l + BITS - 1, BITS * l);
        code[l] = from_code<T>(bits);
    }
}

// Read one sample of one code a beat.
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

// Write one sample of one code a beat, TLAST on its last one.
// \tparam T     type of the codes
// \tparam SIZE  codes of a sample
template <class T, int SIZE> void write_stream(const T x[SIZE], hls::stream<typename beat<T>::type> &sink) {
codes:
    for (int i = 0; i < SIZE; ++i) {
// One beat a cycle is all the port can carry.
#pragma HLS PIPELINE II=1
        sink.write(pack<T, 1>(x + i, i == SIZE - 1));
    }
}

} // namespace flow

#endif
