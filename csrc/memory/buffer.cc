#include "memory/buffer.h"

namespace tritonpy {

namespace {

// A header on the heap for memory that is not ours: it remembers how to tell the owner.
struct ExternalBuffer final : Buffer {
    using ReleaseContext = void (*)(void* context);

    ExternalBuffer(std::byte* data, size_t size, void* context, ReleaseContext release_context)
        : Buffer(data, size, &ExternalBuffer::release, context),
          release_context_(release_context) {}

    static void release(Buffer& buffer) {
        auto* self = static_cast<ExternalBuffer*>(&buffer);
        ReleaseContext release_context = self->release_context_;
        void* context = self->context();
        delete self;  // first: the owner may free whatever it likes in its callback
        release_context(context);
    }

  private:
    ReleaseContext release_context_;
};

}  // namespace

BufferRef wrap_external(std::byte* data, size_t size, void* context,
                        void (*release_context)(void* context)) noexcept {
    return BufferRef(new ExternalBuffer(data, size, context, release_context));
}

}  // namespace tritonpy
