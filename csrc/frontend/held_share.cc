#include "frontend/held_share.h"

#include <memory>

namespace tritonpy {

namespace {

struct CountedBytes {
    BufferRef bytes;
    HeldShare share;
};

}  // namespace

BufferRef count_while_alive(BufferRef bytes, HeldShare share) {
    auto counted =
        std::make_unique<CountedBytes>(CountedBytes{std::move(bytes), std::move(share)});
    std::byte* data = counted->bytes->data();
    size_t size = counted->bytes->size();
    return wrap_external(data, size, counted.release(), [](void* context) {
        std::unique_ptr<CountedBytes>(static_cast<CountedBytes*>(context));
    });
}

}  // namespace tritonpy
