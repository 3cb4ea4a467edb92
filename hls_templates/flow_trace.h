// The trace: with -DFLOW_TRACE the top writes the codes of every node, in node order, as 64-bit integers of this machine.
#ifndef FLOW_TRACE_H
#define FLOW_TRACE_H

#include "flow_fixed.h"
#include <cstdio>
#include <stdexcept>

namespace flow {

// The file that receives the trace; the program that calls the top opens and closes it.
inline std::FILE *&trace_file() {
    static std::FILE *file = 0;
    return file;
}

// Append the codes of one value.
// \tparam T     type of the codes
// \tparam SIZE  number of codes
template <class T, int SIZE> void trace_value(const T (&x)[SIZE]) {
    long long codes[SIZE];
    for (int i = 0; i < SIZE; ++i) {
        codes[i] = to_code<64>(x[i]).to_int64();
    }
    if (std::fwrite(codes, sizeof(long long), SIZE, trace_file()) != SIZE) {
        throw std::runtime_error("the trace file cannot be written; free space there");
    }
}

} // namespace flow

#endif
