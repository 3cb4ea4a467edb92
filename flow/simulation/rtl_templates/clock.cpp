// Toggles the clock of a testbench until it calls $finish; $fatal ends the program with an error.

#include <memory>

#include "Vtop.h"
#include "verilated.h"

int main(int argc, char** argv) {
  const std::unique_ptr<VerilatedContext> context{new VerilatedContext};
  context->commandArgs(argc, argv);
  const std::unique_ptr<Vtop> top{new Vtop{context.get()}};
  top->clk_i = 0;
  while (!context->gotFinish()) {
    top->eval();
    context->timeInc(1);
    top->clk_i = !top->clk_i;
  }
  top->final();
  return 0;
}
