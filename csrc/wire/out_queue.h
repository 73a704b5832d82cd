// Bytes on their way to a socket: small ones copied together, large ones borrowed.
//
// A response is a head that the front end made and tensors that the core made. Copying less than a
// few KiB is cheaper than another iovec; above that, the queue holds the owner of the bytes until
// the last of them has been written. HTTP/2 moves bytes from a stream's queue to its connection's,
// a frame at a time.
//
// All copied bytes lie in one string, in the order in which they leave, and a borrowed piece knows
// before which of them it leaves. So a response of copied pieces is one iovec, and once the string
// has grown to a connection's usual response, appending and consuming allocate nothing. What has
// left is dropped from the string when all has, or when it is more than what is still there.
//
// Threads: compatible. Owns: copied bytes, a share of every owner.
// Invariants: 1. size() is the sum of what append took and consume and move_to gave away;
//             2. an owner is let go as soon as its last byte is;
//             3. an empty queue keeps room for at most limits::kMaxKeptOutput copied bytes and
//                limits::kMaxIovecs borrowed pieces.
// Limits: none of its own; who appends asks size() first.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tritonpy {

class OutQueue {
  public:
    // What keeps borrowed bytes alive. Shared: the pieces of one response leave one by one.
    using Owner = std::shared_ptr<const void>;

    OutQueue() = default;
    OutQueue(const OutQueue&) = delete;
    OutQueue& operator=(const OutQueue&) = delete;

    // Copies. REQUIRES: the bytes are not this queue's own.
    void append(std::string_view bytes);
    // Borrows, unless the piece is below limits::kMinBorrowedPiece, which is copied.
    void append(std::span<const std::byte> bytes, const Owner& owner);

    size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

    // Fills `into` with the first pieces; returns how many it filled. They are valid until the
    // queue changes.
    size_t gather(std::span<iovec> into) const;
    // Drops the first `count` bytes. REQUIRES: count <= size().
    void consume(size_t count);
    // Moves the first `count` bytes to the end of another queue. REQUIRES: count <= size().
    void move_to(OutQueue& other, size_t count);
    void clear();

  private:
    struct Borrowed {
        uint64_t before;  // the copied byte that leaves after it, counted from the first ever
        std::span<const std::byte> bytes;
        Owner owner;
    };

    bool has_borrowed() const { return first_borrowed_ < borrowed_.size(); }
    // The copied bytes that leave from position `from` on before the borrowed piece `index`, or
    // before the end when there is no such piece.
    std::string_view copied_run(uint64_t from, size_t index) const;
    void pop_borrowed();
    void drop_consumed();
    void swap(OutQueue& other);

    std::string copied_;
    uint64_t copied_begin_ = 0;  // position of the first byte of copied_
    uint64_t position_ = 0;      // of the first copied byte that has not left
    std::vector<Borrowed> borrowed_;
    size_t first_borrowed_ = 0;  // of those that have not left
    size_t size_ = 0;
};

}  // namespace tritonpy
