// What one connection, request or answer has in HeldBytes, given back with it whatever becomes of
// it.
//
// Threads: compatible; the count behind it is thread-safe, so that a share may go on any thread.
// Owns: its part of the count.
#pragma once

#include <cstddef>
#include <utility>

#include "frontend/held_bytes.h"
#include "memory/buffer.h"

namespace tritonpy {

class HeldShare {
  public:
    HeldShare() = default;
    explicit HeldShare(HeldBytes& held) : held_(&held) {}
    HeldShare(HeldShare&& other) noexcept
        : held_(other.held_), size_(std::exchange(other.size_, 0)) {}
    HeldShare& operator=(HeldShare other) noexcept {
        std::swap(held_, other.held_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~HeldShare() {
        if (size_ != 0) {
            held_->remove(size_);
        }
    }

    // False, and nothing changes, when that would exceed the bound. REQUIRES, to grow: made with a
    // count.
    bool try_resize(size_t size) {
        if (size > size_) {
            if (!held_->try_add(size - size_)) {
                return false;
            }
        } else if (size < size_) {
            held_->remove(size_ - size);
        }
        size_ = size;
        return true;
    }
    size_t size() const { return size_; }

  private:
    HeldBytes* held_ = nullptr;
    size_t size_ = 0;
};

// The same bytes, whose share goes when their last reference does: a request that the core still
// has is counted although its client has gone. Allocates the header only.
BufferRef count_while_alive(BufferRef bytes, HeldShare share);

}  // namespace tritonpy
