#include "wire/out_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace tritonpy {

namespace {

iovec iovec_of(const void* data, size_t size) {
    return {const_cast<void*>(data), size};  // writev does not write into it
}

}  // namespace

void OutQueue::append(std::string_view bytes) {
    copied_.append(bytes);
    size_ += bytes.size();
}

void OutQueue::append(std::span<const std::byte> bytes, const Owner& owner) {
    if (bytes.size() < limits::kMinBorrowedPiece) {
        append(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
        return;
    }
    borrowed_.push_back({copied_begin_ + copied_.size(), bytes, owner});
    size_ += bytes.size();
}

std::string_view OutQueue::copied_run(uint64_t from, size_t index) const {
    uint64_t end =
        index < borrowed_.size() ? borrowed_[index].before : copied_begin_ + copied_.size();
    return std::string_view(copied_).substr(from - copied_begin_, end - from);
}

size_t OutQueue::gather(std::span<iovec> into) const {
    size_t filled = 0;
    uint64_t position = position_;
    for (size_t index = first_borrowed_; filled < into.size(); ++index) {
        if (std::string_view run = copied_run(position, index); !run.empty()) {
            into[filled++] = iovec_of(run.data(), run.size());
            position += run.size();
        }
        if (index >= borrowed_.size() || filled == into.size()) {
            break;
        }
        std::span<const std::byte> bytes = borrowed_[index].bytes;
        into[filled++] = iovec_of(bytes.data(), bytes.size());
    }
    return filled;
}

void OutQueue::consume(size_t count) {
    TRITONPY_CHECK(count <= size_);
    size_ -= count;
    if (size_ == 0) {
        clear();
        return;
    }
    while (count > 0) {
        size_t copied = std::min(count, copied_run(position_, first_borrowed_).size());
        position_ += copied;
        count -= copied;
        if (count > 0) {
            Borrowed& piece = borrowed_[first_borrowed_];
            size_t borrowed = std::min(count, piece.bytes.size());
            piece.bytes = piece.bytes.subspan(borrowed);
            count -= borrowed;
            if (piece.bytes.empty()) {
                pop_borrowed();
            }
        }
    }
    drop_consumed();
}

void OutQueue::move_to(OutQueue& other, size_t count) {
    TRITONPY_CHECK(count <= size_ && this != &other);
    if (count == size_ && other.empty()) {
        swap(other);
        return;
    }
    for (size_t left = count; left > 0;) {
        std::string_view run = copied_run(position_, first_borrowed_).substr(0, left);
        other.append(run);
        position_ += run.size();
        left -= run.size();
        if (left > 0) {
            Borrowed& piece = borrowed_[first_borrowed_];
            size_t size = std::min(left, piece.bytes.size());
            other.append(piece.bytes.first(size), piece.owner);
            piece.bytes = piece.bytes.subspan(size);
            left -= size;
            if (piece.bytes.empty()) {
                pop_borrowed();
            }
        }
    }
    size_ -= count;
    drop_consumed();
}

void OutQueue::clear() {
    borrowed_.clear();
    if (borrowed_.capacity() > limits::kMaxIovecs) {
        borrowed_.shrink_to_fit();
    }
    first_borrowed_ = 0;
    copied_.clear();
    if (copied_.capacity() > limits::kMaxKeptOutput) {
        copied_.shrink_to_fit();
    }
    copied_begin_ = 0;
    position_ = 0;
    size_ = 0;
}

void OutQueue::pop_borrowed() { borrowed_[first_borrowed_++].owner.reset(); }

// Drops what has left from the front of the string and of the list, once that is at least half of
// them: each byte is moved less than once for each that leaves.
void OutQueue::drop_consumed() {
    if (size_ == 0) {
        clear();
        return;
    }
    size_t gone = position_ - copied_begin_;
    if (gone > copied_.size() / 2) {
        copied_.erase(0, gone);
        copied_begin_ = position_;
    }
    if (first_borrowed_ > borrowed_.size() / 2) {
        borrowed_.erase(borrowed_.begin(),
                        borrowed_.begin() + static_cast<ptrdiff_t>(first_borrowed_));
        first_borrowed_ = 0;
    }
}

void OutQueue::swap(OutQueue& other) {
    std::swap(copied_, other.copied_);
    std::swap(copied_begin_, other.copied_begin_);
    std::swap(position_, other.position_);
    std::swap(borrowed_, other.borrowed_);
    std::swap(first_borrowed_, other.first_borrowed_);
    std::swap(size_, other.size_);
}

}  // namespace tritonpy
