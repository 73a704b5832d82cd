// Where in its frames a client stands after the bytes it sent, to tell one that is silent from one
// that stopped in the middle of something.
//
// Threads: compatible.
// Invariant: it follows the bytes of any client; what is no HTTP/2 is the session's to refuse.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tritonpy {

class Http2FramePosition {
  public:
    void advance(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            if (skip_ != 0) {
                size_t skipped = std::min(skip_, bytes.size());
                skip_ -= skipped;
                bytes = bytes.subspan(skipped);
                continue;
            }
            head_[head_size_++] = bytes.front();
            bytes = bytes.subspan(1);
            if (head_size_ == kHeadSize) {
                begin_frame();
            }
        }
    }

    // Whether the client owes the rest of what it began: of the connection's beginning, of a frame,
    // or of a header list.
    bool inside() const { return skip_ != 0 || head_size_ != 0 || !began_ || in_header_list_; }

  private:
    static constexpr size_t kMagicSize = 24;
    static constexpr size_t kHeadSize = 9;

    void begin_frame() {
        constexpr std::byte kHeaders{1};
        constexpr std::byte kContinuation{9};
        constexpr std::byte kEndHeaders{4};
        head_size_ = 0;
        began_ = true;
        skip_ = std::to_integer<size_t>(head_[0]) << 16 | std::to_integer<size_t>(head_[1]) << 8 |
                std::to_integer<size_t>(head_[2]);
        if (head_[3] == kHeaders || head_[3] == kContinuation) {
            in_header_list_ = (head_[4] & kEndHeaders) == std::byte{0};
        }
    }

    size_t skip_ = kMagicSize;  // bytes that are no frame's head
    std::array<std::byte, kHeadSize> head_{};
    size_t head_size_ = 0;
    bool began_ = false;  // the first frame's head has come
    bool in_header_list_ = false;
};

}  // namespace tritonpy
