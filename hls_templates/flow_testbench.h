// What a testbench needs: samples from files, beats to the top, results from it, and an exact comparison.
#ifndef FLOW_TESTBENCH_H
#define FLOW_TESTBENCH_H

#include "flow_stream.h"
#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace flow {

typedef std::vector<long long> sample;

// The samples of a file: one a line, codes in row-major order, separated by blanks.
inline std::vector<sample> read_samples(const std::string &path, std::size_t size) {
    std::ifstream file(path.c_str());
    if (!file) {
        throw std::runtime_error("cannot read " + path + "; give the folder of the vectors as the first argument");
    }
    std::vector<sample> samples;
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        sample codes;
        for (long long code; words >> code;) {
            codes.push_back(code);
        }
        if (codes.size() != size || !words.eof()) {
            std::ostringstream message;
            message << path << " line " << samples.size() + 1 << " must hold " << size << " codes, not " << codes.size();
            throw std::runtime_error(message.str());
        }
        samples.push_back(codes);
    }
    return samples;
}

// Put one sample on a stream.
// \tparam T  type of the codes
template <class T> void send(const sample &codes, hls::stream<typename beat<T>::type> &sink) {
    for (std::size_t i = 0; i < codes.size(); ++i) {
        const ap_int<64> code = codes[i];
        if (to_code<64>(from_code<T>(code)) != code) {
            std::ostringstream message;
            message << "the input code " << codes[i] << " does not fit its type of " << T::width << " bits";
            throw std::runtime_error(message.str());
        }
        typename beat<T>::type next;
        next.data = code;
        next.keep = -1;
        next.strb = -1;
        next.last = i + 1 == codes.size();
        sink.write(next);
    }
}

// Take one sample from a stream; TLAST must mark its last beat and no other.
// \tparam T  type of the codes
template <class T> sample receive(std::size_t size, hls::stream<typename beat<T>::type> &source) {
    sample codes;
    for (std::size_t i = 0; i < size; ++i) {
        const typename beat<T>::type next = source.read();
        if ((next.last == 1) != (i + 1 == size)) {
            std::ostringstream message;
            message << "TLAST is " << next.last << " on beat " << i << " of " << size;
            throw std::runtime_error(message.str());
        }
        codes.push_back(to_code<64>(from_code<T>(next.data)).to_int64());
    }
    return codes;
}

// Whether a sample is what was expected; prints the first difference.
inline bool same(const char *layer, std::size_t number, const sample &expected, const sample &actual) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (expected[i] != actual[i]) {
            std::printf("MISMATCH layer %s sample %lu index %lu expected %lld actual %lld\n", layer,
                        static_cast<unsigned long>(number), static_cast<unsigned long>(i), expected[i], actual[i]);
            return false;
        }
    }
    return true;
}

} // namespace flow

#endif
