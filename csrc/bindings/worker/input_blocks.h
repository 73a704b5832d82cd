// The blocks of the server's memory that batches lie in: those of `worker/input_arena.py`, which
// this finds again and gives back with fewer steps.
//
// Threads: confined(python). The arena's other users may look at its held blocks meanwhile.
// Owns: references to every block that a batch ever lay in; the arena keeps these for good, too.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "bindings/worker/attribute_names.h"
#include "bindings/worker/python_object.h"

namespace tritonpy {

class InputBlocks {
  public:
    struct Block {
        PythonObject itself;
        PythonObject mapping;
        PythonObject arrays;  // to which goes what is made of it
        uint64_t at = 0;      // of its data in the mapping
    };

    // `arena` is an InputArena; the names are borrowed. Throws PythonError.
    InputBlocks(const AttributeNames& names, const PythonObject& arena);
    InputBlocks(const InputBlocks&) = delete;
    InputBlocks& operator=(const InputBlocks&) = delete;

    // The block whose data starts at `place`, held until its arrays are unused. Throws PythonError:
    // ValueError where there can be none.
    const Block& block(uint64_t place, uint64_t arena_size);
    // Gives back blocks, of the oldest few, that nothing refers to any more. Throws PythonError.
    void release() const;

  private:
    bool give_back_unused(const PythonObject& block) const;

    const AttributeNames& names_;
    const PythonObject arena_;
    const PythonObject held_;
    const PythonObject not_lent_ = PythonObject::of(0);
    std::unordered_map<uint64_t, Block> known_;  // by place
};

}  // namespace tritonpy
