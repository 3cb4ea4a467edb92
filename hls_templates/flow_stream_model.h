// hls::stream and ap_axiu for plain g++: an unbounded FIFO and a beat, as far as the generated code uses them.
//
// Written for the C simulation only; synthesis never sees this file.
#ifndef FLOW_STREAM_MODEL_H
#define FLOW_STREAM_MODEL_H

#include <ap_int.h>
#include <cstddef>
#include <deque>
#include <stdexcept>

// One AXI4-Stream transfer.
// \tparam D   bits of TDATA
// \tparam U   bits of TUSER
// \tparam TI  bits of TID
// \tparam TD  bits of TDEST
template <int D, int U, int TI, int TD> struct ap_axiu {
    ap_uint<D> data;
    ap_uint<(D + 7) / 8> keep;
    ap_uint<(D + 7) / 8> strb;
    ap_uint<U> user;
    ap_uint<1> last;
    ap_uint<TI> id;
    ap_uint<TD> dest;
};

namespace hls {

// A FIFO that reads in the order of writing.
// \tparam T  type of an element
template <class T> class stream {
  public:
    // Take the oldest element; hardware would wait for ever where none is there, so the simulation stops.
    T read() {
        if (elements.empty()) {
            throw std::runtime_error("read from an empty hls::stream: the design takes more beats than it was sent");
        }
        T oldest = elements.front();
        elements.pop_front();
        return oldest;
    }
    void write(const T &element) { elements.push_back(element); }
    bool empty() const { return elements.empty(); }
    std::size_t size() const { return elements.size(); }

  private:
    std::deque<T> elements;
};

} // namespace hls

#endif
