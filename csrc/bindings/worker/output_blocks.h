// Blocks of the worker's memory for what it sends, cut from `worker/output_arena.py` for good: only
// this lends them, and nothing comes between its look at one and its loan.
//
// Threads: confined(python); any thread that has the GIL.
// Owns: references to the mappings of the blocks.
// Limits: as many blocks as the server ever had at the same time. Those of more than 1 MiB the
// arena lends, which gives their memory back when they are idle.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "bindings/worker/attribute_names.h"
#include "bindings/worker/python_object.h"
#include "memory/shared_arena.h"

namespace tritonpy {

class OutputBlocks {
  public:
    struct Block {
        PythonObject mapping;  // which the arena itself keeps no longer than it cuts from it
        uint64_t address = 0;  // of its data in this process
        uint64_t place = 0;    // where the server knows that to be
    };

    // `arena` is an OutputArena; the names are borrowed.
    OutputBlocks(const AttributeNames& names, const PythonObject& arena)
        : names_(names), arena_(arena) {}
    OutputBlocks(const OutputBlocks&) = delete;
    OutputBlocks& operator=(const OutputBlocks&) = delete;

    // A block for `size` bytes, which the server has from now on. Throws PythonError, also where
    // there is no memory for it.
    Block lend(uint64_t size);
    // Bytes of the arena: what messages call arena_size.
    uint64_t arena_size() const;

  private:
    Block lend_from(std::deque<Block>& blocks, uint64_t size);
    Block block_of(const PythonObject& found) const;

    const AttributeNames& names_;
    const PythonObject arena_;
    // Lent and free, by size; oldest loan first.
    std::array<std::deque<Block>, SharedArena::kClasses> blocks_;
};

}  // namespace tritonpy
