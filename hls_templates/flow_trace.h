// The trace: with -DFLOW_TRACE the top writes the codes of every node, in node order, as 64-bit integers of this machine.
#ifndef FLOW_TRACE_H
#define FLOW_TRACE_H

#include "flow_fixed.h"
#include <cstdio>
#include <stdexcept>
#include <vector>

namespace flow {

// The file that receives the trace; the program that calls the top opens and closes it.
inline std::FILE *&trace_file() {
    static std::FILE *file = 0;
    return file;
}

// Append codes.
inline void trace_codes(const std::vector<long long> &codes) {
    if (std::fwrite(&codes[0], sizeof(long long), codes.size(), trace_file()) != codes.size()) {
        throw std::runtime_error("the trace file cannot be written; free space there");
    }
}

// Append the codes of one value.
// \tparam T     type of the codes
// \tparam SIZE  number of codes
template <class T, int SIZE> void trace_value(const T (&x)[SIZE]) {
    std::vector<long long> codes(SIZE);
    for (int i = 0; i < SIZE; ++i) {
        codes[i] = to_code<64>(x[i]).to_int64();
    }
    trace_codes(codes);
}

// Append the codes of one value of the streaming form, from the beats that its stream carried.
// \tparam T      type of the codes
// \tparam LANES  codes of a beat
// \tparam BEATS  beats of a sample
// \tparam S      type of the stream, which keeps its beats with -DFLOW_TRACE
template <class T, int LANES, int BEATS, class S> void trace_beats(const S &stream) {
    if (stream.written() != BEATS) {
        throw std::runtime_error("a layer wrote more or fewer beats than a sample has");
    }
    std::vector<long long> codes(LANES * BEATS);
    for (int i = 0; i < LANES * BEATS; ++i) {
        codes[i] = to_code<64>(stream[i % BEATS].code[i / BEATS]).to_int64();
    }
    trace_codes(codes);
}

} // namespace flow

#endif
