// Drives a design with one AXI-Stream input and one output as fast as it goes, and compares every result.
//
// beats.bin and expected.bin hold the beats of all samples one after another, each in whole bytes, lowest first. Prints
// one line of JSON: clock cycles, seconds of wall clock and of this process, samples, and how many beats differ.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes contents(const char* name) {
  std::ifstream file{name, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

// Verilator keeps ports in the host's order of bytes, which is lowest first on all that Verilator runs on here.
template <typename Port>
void put(Port& port, const std::uint8_t* from) {
  std::memcpy(&port, from, std::min<std::size_t>(sizeof port, IN_BYTES));
}

template <typename Port>
bool same(const Port& port, const std::uint8_t* as) {
  return std::memcmp(&port, as, std::min<std::size_t>(sizeof port, OUT_BYTES)) == 0;
}

// A rising edge; the falling one is evaluated together with the inputs that the caller sets next.
void rise(Vtop& top) {
  top.clk_i = 1;
  top.eval();
  top.clk_i = 0;
}

}  // namespace

int main(int argc, char** argv) {
  const long rounds = argc > 1 ? std::atol(argv[1]) : 1;
  const Bytes beats = contents("beats.bin"), expected = contents("expected.bin");
  const std::size_t count = beats.size() / IN_BYTES, total = count * rounds, results = expected.size() / OUT_BYTES;
  const std::size_t samples = total / IN_BEATS, awaited = results * rounds;
  const std::size_t patience = 2 * II_CYCLES * samples + 2 * LATENCY_CYCLES + 1000;
  const std::unique_ptr<VerilatedContext> context{new VerilatedContext};
  const std::unique_ptr<Vtop> top{new Vtop{context.get()}};
  top->rst_ni = 0;
  for (int i = 0; i < 4; ++i) {
    top->eval();
    rise(*top);
  }
  top->rst_ni = 1;
  top->m_axis_tready = 1;
  std::size_t sent = 0, seen = 0, wrong = 0, cycles = 0;
  const auto start = std::chrono::steady_clock::now();
  const std::clock_t ticks = std::clock();
  for (; seen < awaited && cycles < patience; ++cycles) {
    top->s_axis_tvalid = sent < total;
    top->s_axis_tlast = sent % IN_BEATS == IN_BEATS - 1;
    if (sent < total) put(top->s_axis_tdata, &beats[sent % count * IN_BYTES]);
    top->eval();
    if (top->s_axis_tvalid && top->s_axis_tready) ++sent;
    if (top->m_axis_tvalid) wrong += !same(top->m_axis_tdata, &expected[seen++ % results * OUT_BYTES]);
    rise(*top);
  }
  const double cpu = double(std::clock() - ticks) / CLOCKS_PER_SEC;
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  std::printf("{\"cycles\": %zu, \"seconds\": %.6f, \"cpu\": %.6f, \"samples\": %zu, \"wrong\": %zu}\n", cycles,
              wall.count(), cpu, seen / OUT_BEATS, wrong);
  return seen == awaited && wrong == 0 ? 0 : 1;
}
