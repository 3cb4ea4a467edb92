// hls::stream and ap_axiu for plain g++: a FIFO and a beat, as far as the generated code uses them.
//
// Written for the C simulation only; synthesis never sees this file. A FIFO may have a depth; a reader of an empty one and
// a writer to a full one wait, as hardware does, where flow_dataflow_model.h runs the layers side by side.
#ifndef FLOW_STREAM_MODEL_H
#define FLOW_STREAM_MODEL_H

#include "flow_dataflow_model.h"
#include <ap_int.h>
#include <cstddef>

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

// A FIFO that reads in the order of writing. With -DFLOW_TRACE a FIFO of the top keeps every element.
//
// Elements lie in one array, because a design has a type of its own for nearly every stream, and a container of the
// standard library for each would take most of the compiler's time.
// \tparam T  type of an element
template <class T> class stream {
  public:
    explicit stream(const char *called = "stream") : name(called), depth(0), elements(0), room(0), first(0), last(0) {}
    ~stream() { delete[] elements; }

    // Take the oldest element. Outside of a dataflow region nobody could ever write one, so the simulation stops.
    T read() {
        while (empty()) {
            if (!::flow::region::wait("read", name)) {
                ::flow::region::fail("read from an empty hls::stream: the design takes more beats than it was sent");
            }
        }
        ::flow::region::moved();
        return elements[first++];
    }
    void write(const T &element) {
        while (depth != 0 && size() >= depth && ::flow::region::wait("write", name)) {
        }
        if (last == room) {
            make_room();
        }
        elements[last++] = element;
        ::flow::region::moved();
    }
    bool empty() const { return first == last; }
    std::size_t size() const { return last - first; }

    // The elements that it holds at most in a dataflow region; 0 for any number.
    void limit(std::size_t most) { depth = most; }

    // How many elements were written, and any of them.
    std::size_t written() const { return last; }
    const T &operator[](std::size_t number) const { return elements[number]; }

  private:
    stream(const stream &);
    stream &operator=(const stream &);

    // Elements that were read are dropped, but for those that are traced; the array doubles where few were.
    void make_room() {
#ifdef FLOW_TRACE
        const std::size_t dropped = depth != 0 ? 0 : first;
#else
        const std::size_t dropped = first;
#endif
        room = 2 * (last - dropped) + 16;
        T *moved = new T[room];
        for (std::size_t i = dropped; i < last; ++i) {
            moved[i - dropped] = elements[i];
        }
        delete[] elements;
        elements = moved;
        first -= dropped;
        last -= dropped;
    }

    const char *name;
    std::size_t depth;
    T *elements;
    std::size_t room, first, last;
};

} // namespace hls

#endif
