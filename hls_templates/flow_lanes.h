// Values as beats: what travels through the streams between the layers of the streaming form.
//
// A beat carries LANES codes. An image [C, H, W] is H * W beats of C lanes, one position after the other in rows; every
// other value is one code a beat, in row-major order. Lane l of beat b is code l * BEATS + b of the row-major order.
#ifndef FLOW_LANES_H
#define FLOW_LANES_H

#include "flow_fixed.h"
#include "flow_stream.h"

namespace flow {

// One beat.
// \tparam T      type of a code
// \tparam LANES  codes of a beat
template <class T, int LANES> struct lanes {
    T code[LANES];
};

// Take one sample from its AXI4-Stream.
// \tparam T      type of the codes
// \tparam LANES  codes of a beat
// \tparam BEATS  beats of a sample
template <class T, int LANES, int BEATS>
void read_beats(hls::stream<typename beat<T, LANES>::type> &source, hls::stream<lanes<T, LANES> > &y) {
beats:
    for (int b = 0; b < BEATS; ++b) {
        FLOW_BEAT_A_CYCLE
        const typename beat<T, LANES>::type taken = source.read();
        lanes<T, LANES> next;
        FLOW_ONE_WORD(next)
        unpack<T, LANES>(taken.data, next.code);
        y.write(next);
    }
}

// Send one sample to its AXI4-Stream, TLAST on its last beat.
// \tparam T      type of the codes
// \tparam LANES  codes of a beat
// \tparam BEATS  beats of a sample
template <class T, int LANES, int BEATS>
void write_beats(hls::stream<lanes<T, LANES> > &x, hls::stream<typename beat<T, LANES>::type> &sink) {
beats:
    for (int b = 0; b < BEATS; ++b) {
        FLOW_BEAT_A_CYCLE
        const lanes<T, LANES> taken = x.read();
        sink.write(pack<T, LANES>(taken.code, b == BEATS - 1));
    }
}

// A second copy of a value: a stream has one reader.
// \tparam T      type of the codes
// \tparam LANES  codes of a beat
// \tparam BEATS  beats of a sample
template <class T, int LANES, int BEATS>
void fork_beats(hls::stream<lanes<T, LANES> > &x, hls::stream<lanes<T, LANES> > &first,
                hls::stream<lanes<T, LANES> > &second) {
beats:
    for (int b = 0; b < BEATS; ++b) {
        FLOW_BEAT_A_CYCLE
        const lanes<T, LANES> taken = x.read();
        first.write(taken);
        second.write(taken);
    }
}

// The end of a value that nobody reads.
// \tparam T      type of the codes
// \tparam LANES  codes of a beat
// \tparam BEATS  beats of a sample
template <class T, int LANES, int BEATS> void drain_beats(hls::stream<lanes<T, LANES> > &x) {
beats:
    for (int b = 0; b < BEATS; ++b) {
        FLOW_BEAT_A_CYCLE
        x.read();
    }
}

// Beats into an array in row-major order, for operators that need the whole sample.
// \tparam T      type of the codes
// \tparam LANES  codes of a beat
// \tparam BEATS  beats of a sample
template <class T, int LANES, int BEATS> void gather(hls::stream<lanes<T, LANES> > &x, T y[LANES * BEATS]) {
// All lanes of a beat are stored in the same cycle.
#pragma HLS ARRAY_PARTITION variable=y block factor=LANES
beats:
    for (int b = 0; b < BEATS; ++b) {
        FLOW_BEAT_A_CYCLE
        const lanes<T, LANES> taken = x.read();
    codes:
        for (int l = 0; l < LANES; ++l) {
#pragma HLS UNROLL
            y[l * BEATS + b] = taken.code[l];
        }
    }
}

// An array in row-major order into beats.
// \tparam T      type of the codes
// \tparam LANES  codes of a beat
// \tparam BEATS  beats of a sample
template <class T, int LANES, int BEATS> void scatter(const T x[LANES * BEATS], hls::stream<lanes<T, LANES> > &y) {
// All lanes of a beat are read in the same cycle.
#pragma HLS ARRAY_PARTITION variable=x block factor=LANES
beats:
    for (int b = 0; b < BEATS; ++b) {
        FLOW_BEAT_A_CYCLE
        lanes<T, LANES> next;
        FLOW_ONE_WORD(next)
    codes:
        for (int l = 0; l < LANES; ++l) {
#pragma HLS UNROLL
            next.code[l] = x[l * BEATS + b];
        }
        y.write(next);
    }
}

} // namespace flow

#endif
