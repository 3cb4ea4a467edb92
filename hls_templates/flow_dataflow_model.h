// A DATAFLOW region for plain g++: every layer runs on a stack of its own and hands over where it has to wait.
//
// Written for the C simulation only; synthesis never sees this file. Layers are taken in turn, so that a run is the same
// every time. Whether FIFOs of given depths let the layers finish does not depend on the order (they are a Kahn network),
// so a run that ends shows that the design cannot deadlock on that sample, and a run that cannot end says who waits.
#ifndef FLOW_DATAFLOW_MODEL_H
#define FLOW_DATAFLOW_MODEL_H

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <ucontext.h>
#include <vector>

namespace flow {

class region {
  public:
    // One layer; it starts in run().
    struct process {
        process() : stack(0), started(false), done(false), waits(""), stream("") {}
        virtual ~process() { delete[] stack; }
        virtual void work() = 0;
        char *stack;
        bool started, done;
        const char *waits, *stream; // to read or write, and which one
        std::exception_ptr error;
        ucontext_t context;
    };

    region() : current(-1), moves(0) {}
    ~region() {
        for (std::size_t i = 0; i < processes.size(); ++i) {
            delete processes[i];
        }
    }

    // \tparam BODY  type of a function object
    template <class BODY> void add(const BODY &body) { processes.push_back(new process_of<BODY>(body)); }

    // All layers to their end.
    void run() {
        region *outer = active();
        active() = this;
        for (std::size_t open = processes.size(); open > 0;) {
            const std::size_t before = moves;
            open = 0;
            for (std::size_t i = 0; i < processes.size(); ++i) {
                if (!processes[i]->done) {
                    resume(i);
                    open += processes[i]->done ? 0 : 1;
                }
            }
            if (open > 0 && moves == before) {
                active() = outer;
                throw std::runtime_error("deadlock: " + waiting());
            }
        }
        active() = outer;
    }

    // Let the others go on; false where nothing runs side by side.
    static bool wait(const char *what, const char *stream) {
        region *here = active();
        if (!here || here->current < 0) {
            return false;
        }
        process &mine = *here->processes[here->current];
        mine.waits = what;
        mine.stream = stream;
        swapcontext(&mine.context, &here->scheduler);
        return true;
    }

    static void fail(const char *reason) { throw std::runtime_error(reason); }

    // An element was read or written.
    static void moved() {
        if (active()) {
            ++active()->moves;
        }
    }

  private:
    // Memory that is not touched costs nothing.
    static const std::size_t STACK = std::size_t(1) << 24;

    template <class BODY> struct process_of : process {
        explicit process_of(const BODY &what) : body(what) {}
        void work() { body(); }
        BODY body;
    };

    // Stacks of layers that have ended, for those of the next sample.
    static std::vector<char *> &spare() {
        static std::vector<char *> held;
        return held;
    }

    static region *&active() {
        static region *now = 0;
        return now;
    }

    // The first function on the stack of a layer; an exception must not leave it.
    static void enter() {
        process &mine = *active()->processes[active()->current];
        try {
            mine.work();
        } catch (...) {
            mine.error = std::current_exception();
        }
        mine.done = true;
    }

    void resume(std::size_t number) {
        process &next = *processes[number];
        if (!next.started) {
            next.started = true;
            next.stack = spare().empty() ? new char[STACK] : spare().back();
            if (!spare().empty()) {
                spare().pop_back();
            }
            getcontext(&next.context);
            next.context.uc_stack.ss_sp = next.stack;
            next.context.uc_stack.ss_size = STACK;
            next.context.uc_link = &scheduler;
            makecontext(&next.context, &region::enter, 0);
        }
        current = static_cast<int>(number);
        swapcontext(&scheduler, &next.context);
        current = -1;
        if (next.done) {
            ++moves;
            spare().push_back(next.stack);
            next.stack = 0;
        }
        if (next.error) {
            active() = 0;
            std::rethrow_exception(next.error);
        }
    }

    std::string waiting() const {
        std::string all;
        for (std::size_t i = 0; i < processes.size(); ++i) {
            if (!processes[i]->done) {
                all += all.empty() ? "layers wait to " : ", ";
                all += std::string(processes[i]->waits) + " " + processes[i]->stream;
            }
        }
        return all;
    }

    std::vector<process *> processes;
    ucontext_t scheduler;
    int current;
    std::size_t moves;
};

} // namespace flow

#endif
