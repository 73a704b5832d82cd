// Little-endian numbers and texts in the bytes of a message, written and read with every bound
// checked.
//
// Threads: compatible. Values that borrow the bytes.
// Invariants: after a read that went past the end, ok() is false for good, and what is read is 0 or
// empty; so a reader looks once, at the end.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace tritonpy {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

using Bytes = std::vector<std::byte>;

class MessageWriter {
  public:
    explicit MessageWriter(Bytes& out) : out_(out) {}

    template <std::integral T>
    void number(T value) {
        append(&value, sizeof(value));
    }
    // Its length, then the text. One that is too long for that (nobody has it) is cut.
    void text(std::string_view value) {
        value = value.substr(0, std::numeric_limits<uint32_t>::max());
        number(static_cast<uint32_t>(value.size()));
        append(value.data(), value.size());
    }
    void dims(std::span<const int64_t> values) {
        append(values.data(), values.size() * sizeof(int64_t));
    }
    void bytes(std::span<const std::byte> values) { append(values.data(), values.size()); }
    size_t size() const { return out_.size(); }
    // Overwrites a number that was written at `position`.
    template <std::integral T>
    void overwrite(size_t position, T value) {
        std::memcpy(out_.data() + position, &value, sizeof(value));
    }

  private:
    void append(const void* data, size_t size) {
        const auto* const bytes = static_cast<const std::byte*>(data);
        out_.insert(out_.end(), bytes, bytes + size);
    }

    Bytes& out_;
};

class MessageReader {
  public:
    explicit MessageReader(std::span<const std::byte> bytes) : rest_(bytes) {}

    template <std::integral T>
    T number() {
        T value = 0;
        if (std::span<const std::byte> bytes = take(sizeof(T)); !bytes.empty()) {
            std::memcpy(&value, bytes.data(), sizeof(T));
        }
        return value;
    }
    std::string_view text() {
        std::span<const std::byte> bytes = take(number<uint32_t>());
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    void skip(size_t size) { take(size); }

    // Everything so far was there.
    bool ok() const { return ok_; }
    // And nothing is left.
    bool at_good_end() const { return ok_ && rest_.empty(); }
    size_t left() const { return rest_.size(); }

  private:
    std::span<const std::byte> take(size_t size) {
        if (!ok_ || size > rest_.size()) {
            ok_ = false;
            return {};
        }
        std::span<const std::byte> taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }

    std::span<const std::byte> rest_;
    bool ok_ = true;
};

}  // namespace tritonpy
