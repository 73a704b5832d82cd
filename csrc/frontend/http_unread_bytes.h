// Bytes that a connection has received and not looked at yet: part of a head, or pipelined requests
// that wait for the answer to the one before. Idle connections keep none, and no memory for them.
//
// Threads: compatible. Owns: the bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tritonpy {

class HttpUnreadBytes {
  public:
    std::string_view view() const { return std::string_view(bytes_).substr(used_); }
    size_t size() const { return bytes_.size() - used_; }
    bool empty() const { return size() == 0; }

    void append(std::span<const std::byte> bytes) {
        if (used_ > bytes_.size() / 2) {  // a byte moves less than once for each that goes
            bytes_.erase(0, used_);
            used_ = 0;
        }
        bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    // Drops the first `count`. REQUIRES: there are as many. Views are void when all are gone.
    void drop(size_t count) {
        used_ += count;
        if (used_ == bytes_.size()) {
            clear();
        }
    }
    void clear() {
        bytes_ = std::string();
        used_ = 0;
    }

  private:
    std::string bytes_;
    size_t used_ = 0;
};

}  // namespace tritonpy
