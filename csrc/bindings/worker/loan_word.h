// The word in a shared block's header that says whether the other side has the block
// (shared_arena.h): what `worker/*_arena.py` reads and writes through a memoryview.
//
// Threads: thread-safe. Borrows: the mapping that the block lies in.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory/shared_arena.h"

namespace tritonpy {

class LoanWord {
  public:
    // Of the block whose data begins at `address`.
    explicit LoanWord(uint64_t address)
        : word_(reinterpret_cast<uint32_t*>(address - SharedArena::kHeader)) {}

    // Acquire and release: whoever has the block sees what was done in it before.
    bool is_lent() const {
        return std::atomic_ref<uint32_t>(*word_).load(std::memory_order_acquire) != 0;
    }
    void set_lent(bool is_lent) const {
        std::atomic_ref<uint32_t>(*word_).store(is_lent ? 1 : 0, std::memory_order_release);
    }

  private:
    uint32_t* word_;
};

}  // namespace tritonpy
