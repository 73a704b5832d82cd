#include "bindings/worker/input_blocks.h"

#include <algorithm>

namespace tritonpy {

namespace {

// How many held blocks one look covers: more than one batch brings, so that it catches up.
constexpr Py_ssize_t kLooks = 8;

}  // namespace

InputBlocks::InputBlocks(const AttributeNames& names, const PythonObject& arena)
    : names_(names), arena_(arena), held_(arena.attribute(PythonObject::name("held"))) {}

const InputBlocks::Block& InputBlocks::block(uint64_t place, uint64_t arena_size) {
    auto known = known_.find(place);
    if (known != known_.end()) {
        held_.call(names_.append, known->second.itself);
        return known->second;
    }
    PythonObject found =
        arena_.call(names_.block, PythonObject::of(place), PythonObject::of(arena_size));
    Block block{found, found.attribute(names_.mapping), found.attribute(names_.arrays),
                static_cast<uint64_t>(found.attribute(names_.at).integer())};
    return known_.emplace(place, std::move(block)).first->second;
}

void InputBlocks::release() const {
    for (Py_ssize_t looks = std::min(held_.size(), kLooks); looks > 0 && held_.size() > 0;
         --looks) {
        const PythonObject block = held_.call(names_.popleft);
        if (!give_back_unused(block)) {
            held_.call(names_.append, block);
        }
    }
}

bool InputBlocks::give_back_unused(const PythonObject& block) const {
    const PythonObject arrays = block.attribute(names_.arrays);
    const Py_ssize_t count = arrays.size();
    for (Py_ssize_t index = 0; index < count; ++index) {
        if (Py_REFCNT(PyList_GetItem(arrays.get(), index)) > 1) {
            return false;
        }
    }
    if (PyList_SetSlice(arrays.get(), 0, count, nullptr) != 0) {
        throw PythonError();
    }
    block.attribute(names_.words).set_at(block.attribute(names_.word), not_lent_);
    return true;
}

}  // namespace tritonpy
