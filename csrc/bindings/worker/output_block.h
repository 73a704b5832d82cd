// Tensors that go out in one block of shared memory: `worker/output_block.py`, compiled for numbers
// in C order of less than 256 KiB. Larger ones Python copies without the GIL, or names back.
//
// Threads: confined(python).
// Owns: references to what it is to write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backend/message_bytes.h"
#include "bindings/worker/attribute_names.h"
#include "bindings/worker/output_blocks.h"
#include "bindings/worker/python_object.h"

namespace tritonpy {

// A `worker.tensor.Tensor` of that kind.
struct PlainTensor {
    // Nothing where it is of another. Throws PythonError.
    static std::optional<PlainTensor> of(const PythonObject& tensor, const AttributeNames& names);

    uint8_t code;
    uint8_t dim_count;
    PythonObject shape;
    PythonObject array;
    std::span<const std::byte> bytes;
};

class OutputBlock {
  public:
    // Plans to send a tensor, and writes where it is, counted from `base` on, and its dimensions.
    void add(const PlainTensor& tensor, uint64_t base, MessageWriter& writer);
    // Where the next one goes.
    uint64_t end() const { return end_; }
    // Copies everything into a block, and returns its place; 0: there is nothing to copy. Throws
    // PythonError where there is no memory for it.
    uint64_t write(OutputBlocks& blocks) const;

  private:
    struct Piece {
        PythonObject array;
        std::span<const std::byte> bytes;
        uint64_t at;
    };

    std::vector<Piece> pieces_;
    uint64_t end_ = 0;
};

}  // namespace tritonpy
