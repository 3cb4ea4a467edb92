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

// Put one sample on a stream: lane l of beat b is code l * beats + b.
// \tparam T      type of the codes
// \tparam LANES  codes of a beat
template <class T, int LANES> void send(const sample &codes, hls::stream<typename beat<T, LANES>::type> &sink) {
    const std::size_t beats = codes.size() / LANES;
    for (std::size_t b = 0; b < beats; ++b) {
        T values[LANES];
        for (int l = 0; l < LANES; ++l) {
            const ap_int<64> code = codes[l * beats + b];
            values[l] = from_code<T>(code);
            if (to_code<64>(values[l]) != code) {
                std::ostringstream message;
                message << "the input code " << codes[l * beats + b] << " does not fit its type of " << T::width << " bits";
                throw std::runtime_error(message.str());
            }
        }
        sink.write(pack<T, LANES>(values, b + 1 == beats));
    }
}

// Take one sample from a stream; TLAST must mark its last beat and no other.
// \tparam T      type of the codes
// \tparam LANES  codes of a beat
template <class T, int LANES> sample receive(std::size_t size, hls::stream<typename beat<T, LANES>::type> &source) {
    sample codes(size);
    const std::size_t beats = size / LANES;
    for (std::size_t b = 0; b < beats; ++b) {
        const typename beat<T, LANES>::type next = source.read();
        if ((next.last == 1) != (b + 1 == beats)) {
            std::ostringstream message;
            message << "TLAST is " << next.last << " on beat " << b << " of " << beats;
            throw std::runtime_error(message.str());
        }
        T values[LANES];
        unpack<T, LANES>(next.data, values);
        for (int l = 0; l < LANES; ++l) {
            codes[l * beats + b] = to_code<64>(values[l]).to_int64();
        }
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
