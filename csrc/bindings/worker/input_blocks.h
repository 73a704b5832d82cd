// The blocks of the server's memory that messages lie in: those of `worker/input_arena.py`, which
// this finds again and gives back with fewer steps.
//
// Those that it found once it holds itself; the others the arena does.
//
// Threads: confined(python); any thread that has the GIL.
// Owns: references to every block that a message ever lay in; the arena keeps these for good, too.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "bindings/worker/attribute_names.h"
#include "bindings/worker/python_object.h"

namespace tritonpy {

// Memory of one message's tensors.
struct InputBlock {
    PythonObject mapping;
    PythonObject arrays;   // to which goes what is made of it
    uint64_t at = 0;       // of its data in the mapping
    uint64_t size = 0;     // from there to the mapping's end
    uint64_t address = 0;  // of its data in this process
};

class InputBlocks {
  public:
    // `arena` is an InputArena; the names are borrowed. Throws PythonError.
    InputBlocks(const AttributeNames& names, const PythonObject& arena);
    InputBlocks(const InputBlocks&) = delete;
    InputBlocks& operator=(const InputBlocks&) = delete;

    // The block whose data starts at `place`, held until its arrays are unused. Throws PythonError:
    // ValueError where there can be none.
    const InputBlock& block(uint64_t place, uint64_t arena_size);
    // Gives back blocks, of the oldest few, that nothing refers to any more. Throws PythonError.
    void release();

  private:
    InputBlock found(uint64_t place, uint64_t arena_size) const;
    static bool give_back_unused(const InputBlock& block);

    const AttributeNames& names_;
    const PythonObject arena_;
    const PythonObject held_by_arena_;
    std::unordered_map<uint64_t, InputBlock> known_;  // by place
    std::deque<const InputBlock*> held_;              // of those, oldest first
};

}  // namespace tritonpy
