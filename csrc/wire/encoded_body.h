// An encoded message as a list of pieces: bytes made by the encoder, and tensor bytes it borrows.
//
// A front end that owns its socket writes the pieces with one writev; one that needs a single
// string joins them once. Borrowed pieces live as long as the response that was encoded.
//
// Threads: compatible. Owns: the bytes it made.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tritonpy {

class EncodedBody {
  public:
    // Appends bytes made by the encoder.
    void append_owned(std::string bytes) {
        owned_.push_back(std::move(bytes));
        append_borrowed(std::as_bytes(std::span(owned_.back())));
    }
    // Appends bytes that the encoded response keeps alive.
    void append_borrowed(std::span<const std::byte> bytes) {
        size_ += bytes.size();
        pieces_.push_back(bytes);
    }

    std::span<const std::span<const std::byte>> pieces() const { return pieces_; }
    size_t size() const { return size_; }

    // V2 JSON with binary tensors: length of the JSON part, for Inference-Header-Content-Length.
    // Unset: the whole body is JSON.
    std::optional<size_t> json_length;

  private:
    std::deque<std::string> owned_;  // a deque: pieces point into its strings
    std::vector<std::span<const std::byte>> pieces_;
    size_t size_ = 0;
};

}  // namespace tritonpy
