// Reference-counted bytes: what tensors borrow and what responses own their rows of.
//
// One `Buffer` header describes one piece of memory, whoever it came from: a pool block, a
// runtime's own output, a Python bytes object. `BufferRef` is the counted handle; the last one to
// go calls the release function that the maker gave, on whatever thread that is.
//
// Threads: the count is thread-safe; the bytes belong to whoever fills them until they are shared,
// and are immutable from then on.
// Owns: BufferRef owns one count.
// Invariants: 1. data and size never change while a reference exists;
//             2. release runs exactly once, after the last reference has gone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace tritonpy {

class BufferRef;

class Buffer {
  public:
    // `release(*this)` frees or recycles the memory and this header.
    using Release = void (*)(Buffer& buffer);

    Buffer(std::byte* data, size_t size, Release release, void* context)
        : data_(data), size_(size), release_(release), context_(context) {}
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    std::byte* data() const { return data_; }
    size_t size() const { return size_; }
    // What the maker needs to find its way home, e.g. the pool.
    void* context() const { return context_; }

  private:
    friend class BufferRef;
    std::byte* data_;
    size_t size_;
    Release release_;
    void* context_;
    std::atomic<uint32_t> references_{0};  // acq_rel decrements: the releaser sees all writes
};

class BufferRef {
  public:
    BufferRef() = default;
    explicit BufferRef(Buffer* buffer) : buffer_(buffer) { retain(); }
    BufferRef(const BufferRef& other) : buffer_(other.buffer_) { retain(); }
    BufferRef(BufferRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
    BufferRef& operator=(BufferRef other) noexcept {
        std::swap(buffer_, other.buffer_);
        return *this;
    }
    ~BufferRef() {
        if (buffer_ != nullptr &&
            buffer_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            buffer_->release_(*buffer_);
        }
    }

    explicit operator bool() const { return buffer_ != nullptr; }
    Buffer* operator->() const { return buffer_; }
    Buffer& operator*() const { return *buffer_; }

  private:
    void retain() {
        if (buffer_ != nullptr) {
            buffer_->references_.fetch_add(1, std::memory_order_relaxed);
        }
    }
    Buffer* buffer_ = nullptr;
};

// A buffer over memory that somebody else owns: `release_context(context)` is called once, after
// the last reference has gone, on the thread that dropped it; it must not throw. Does not fail;
// allocates only the header.
BufferRef wrap_external(std::byte* data, size_t size, void* context,
                        void (*release_context)(void* context)) noexcept;

}  // namespace tritonpy
