#include "bindings/worker/input_blocks.h"

#include <algorithm>
#include <utility>

#include "bindings/worker/loan_word.h"

namespace tritonpy {

namespace {

// How many held blocks one look covers: more than one batch brings, so that it catches up.
constexpr size_t kLooks = 8;

}  // namespace

InputBlocks::InputBlocks(const AttributeNames& names, const PythonObject& arena)
    : names_(names), arena_(arena), held_by_arena_(arena.attribute(PythonObject::name("held"))) {}

const InputBlock& InputBlocks::block(uint64_t place, uint64_t arena_size) {
    auto known = known_.find(place);
    if (known != known_.end()) {
        held_.push_back(&known->second);
        return known->second;
    }
    return known_.emplace(place, found(place, arena_size)).first->second;
}

InputBlock InputBlocks::found(uint64_t place, uint64_t arena_size) const {
    const PythonObject found =
        arena_.call(names_.block, PythonObject::of(place), PythonObject::of(arena_size));
    InputBlock block{found.attribute(names_.mapping), found.attribute(names_.arrays),
                     static_cast<uint64_t>(found.attribute(names_.at).integer()), 0,
                     static_cast<uint64_t>(found.attribute(names_.address).integer())};
    block.size = static_cast<uint64_t>(block.mapping.size()) - block.at;
    return block;
}

void InputBlocks::release() {
    for (size_t looks = std::min(held_.size(), kLooks); looks > 0; --looks) {
        const InputBlock* const block = held_.front();
        held_.pop_front();
        if (!give_back_unused(*block)) {
            held_.push_back(block);
        }
    }
    if (held_by_arena_.size() > 0) {
        arena_.call(names_.release);
    }
}

bool InputBlocks::give_back_unused(const InputBlock& block) {
    PyObject* const arrays = block.arrays.get();
    const Py_ssize_t count = block.arrays.size();
    for (Py_ssize_t index = 0; index < count; ++index) {
        if (Py_REFCNT(PyList_GetItem(arrays, index)) > 1) {
            return false;
        }
    }
    if (PyList_SetSlice(arrays, 0, count, nullptr) != 0) {
        throw PythonError();
    }
    LoanWord(block.address).set_lent(false);
    return true;
}

}  // namespace tritonpy
