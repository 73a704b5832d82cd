#include "bindings/worker/output_blocks.h"

#include <algorithm>
#include <bit>

#include "bindings/worker/loan_word.h"

namespace tritonpy {

namespace {

// Of one size, so many are looked at before a new one is cut.
constexpr size_t kLooks = 16;

}  // namespace

OutputBlocks::Block OutputBlocks::lend(uint64_t size) {
    const uint64_t needed = std::bit_ceil(
        std::max<uint64_t>(size + SharedArena::kHeader, SharedArena::kSmallestBlock));
    const auto number =
        static_cast<size_t>(std::countr_zero(needed / SharedArena::kSmallestBlock));
    return number < blocks_.size() ? lend_from(blocks_[number], needed)
                                   : block_of(arena_.call(names_.lend, PythonObject::of(size)));
}

OutputBlocks::Block OutputBlocks::lend_from(std::deque<Block>& blocks, uint64_t size) {
    bool is_found = false;
    for (size_t looks = std::min(blocks.size(), kLooks); looks > 0 && !is_found; --looks) {
        blocks.push_back(std::move(blocks.front()));
        blocks.pop_front();
        is_found = !LoanWord(blocks.back().address).is_lent();
    }
    if (!is_found) {
        blocks.push_back(block_of(arena_.call(names_.cut, PythonObject::of(size))));
    }
    const Block& block = blocks.back();
    LoanWord(block.address).set_lent(true);
    return block;
}

uint64_t OutputBlocks::arena_size() const {
    return static_cast<uint64_t>(arena_.attribute(names_.size).integer());
}

OutputBlocks::Block OutputBlocks::block_of(const PythonObject& found) const {
    return {found.attribute(names_.mapping),
            static_cast<uint64_t>(found.attribute(names_.address).integer()),
            static_cast<uint64_t>(found.attribute(names_.data_place).integer())};
}

}  // namespace tritonpy
