// Models that were given requests in one burst, to be woken together at its end.
//
// An io thread reads many sockets in a turn. Were an instance woken for the first request, it would
// run that one alone, often on the io thread's own core; woken at the end, it finds all of them and
// runs them as one batch, for one system call. The same holds for the steps of ensembles that the
// answers of one batch begin.
//
// Threads: compatible; a Burst is of the thread that made it.
// Owns: a ModelRef for each model that is to be woken, so that it cannot go before; hold it no
// longer than a burst lasts.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "model/model.h"

namespace tritonpy {

class DeferredWakes {
  public:
    DeferredWakes() = default;
    ~DeferredWakes() { wake_all(); }
    DeferredWakes(const DeferredWakes&) = delete;
    DeferredWakes& operator=(const DeferredWakes&) = delete;

    // Remembers to wake `model`.
    void add(ModelRef model) {
        bool known = std::any_of(models_.begin(), models_.end(), [&](const ModelRef& other) {
            return &*other == &*model;
        });
        if (!known) {
            models_.push_back(std::move(model));
        }
    }

    // From the thread of `host`, if there is one: it may answer requests in it.
    void wake_all(InstanceHost* host = nullptr) {
        std::swap(models_, waking_);
        for (ModelRef& model : waking_) {
            if (host != nullptr) {
                model->wake(*host);
            } else {
                model->wake();
            }
        }
        waking_.clear();
    }

    // While it lives, requests that models make on this thread (steps of ensembles) join `wakes`.
    class Burst {
      public:
        explicit Burst(DeferredWakes& wakes) : outer_(std::exchange(current_, &wakes)) {}
        ~Burst() { current_ = outer_; }
        Burst(const Burst&) = delete;
        Burst& operator=(const Burst&) = delete;

      private:
        DeferredWakes* const outer_;
    };
    // Those of the innermost burst of this thread; null outside of any.
    static DeferredWakes* of_burst() { return current_; }

  private:
    static inline thread_local DeferredWakes* current_ = nullptr;

    std::vector<ModelRef> models_;
    std::vector<ModelRef> waking_;  // empty, but in wake_all: its capacity is kept in use
};

}  // namespace tritonpy
