// A second copy of a value: a DATAFLOW region wants one reader for every array.
#ifndef FLOW_FORK_H
#define FLOW_FORK_H

namespace flow {

// \tparam T     type of a code
// \tparam SIZE  number of codes
template <class T, int SIZE> void fork(const T x[SIZE], T first[SIZE], T second[SIZE]) {
codes:
    for (int i = 0; i < SIZE; ++i) {
// One code a cycle to both copies.
#pragma HLS PIPELINE II=1
        first[i] = x[i];
        second[i] = x[i];
    }
}

} // namespace flow

#endif
