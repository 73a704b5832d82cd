// Keeps the calling thread on some processors for a while, and what it starts meanwhile for good.
//
// Threads and processes inherit where they may run from the thread that starts them. So whatever is
// made for a model instance in such a while (its thread, a runtime's pool, a worker process and the
// thread that would start it again) is where its host policy says; and memory follows, for the
// kernel gives pages from the node of the thread that touches them first.
//
// Threads: confined to the thread that pinned. Owns: where that thread could run before.
#pragma once

#include <sched.h>

#include <span>
#include <vector>

#include "base/status.h"

namespace tritonpy {

class ScopedAffinity {
  public:
    ScopedAffinity() = default;
    // Back to where the thread could run before.
    ~ScopedAffinity();
    ScopedAffinity(const ScopedAffinity&) = delete;
    ScopedAffinity& operator=(const ScopedAffinity&) = delete;

    // Nothing happens for no processors. unavailable, and nothing changed, when the machine does
    // not allow it. REQUIRES: not pinned yet.
    Status pin(std::span<const int> cpus);

  private:
    std::vector<cpu_set_t> before_;  // empty: not pinned
};

}  // namespace tritonpy
