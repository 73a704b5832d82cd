// Reads the fields of one protobuf message, in wire order, without copying.
//
// Errors stick: after the first malformed byte every read gives an empty value, next() is false and
// failure() says why, so that a decoder checks once, after its loop. A field that the decoder does
// not know, or knows with another wire type, is passed over with skip().
//
//     ProtobufReader reader(message);
//     while (reader.next()) {
//         switch (reader.tag()) {
//             case protobuf_tag(1, WireType::kLength): name = reader.string(); break;
//             default: reader.skip();
//         }
//     }
//     if (reader.failure() != nullptr) ...
//
// Threads: compatible. Borrows: the message.
// Invariants: 1. it never reads outside the message;
//             2. each next() is followed by exactly one read or skip.
// Limits: groups, which no message of the V2 protocol has, are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "wire/utf8.h"

namespace tritonpy {

enum class WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

// A field's number and wire type as one number: what stands before its value.
constexpr uint32_t protobuf_tag(uint32_t field, WireType type) {
    return (field << 3) | static_cast<uint32_t>(type);
}

class ProtobufReader {
  public:
    explicit ProtobufReader(std::span<const std::byte> message)
        : at_(message.data()), end_(message.data() + message.size()) {}

    // Moves to the next field; false at the end and after a failure.
    bool next() {
        if (at_ == end_) {
            return false;
        }
        uint64_t tag = varint();
        if (failure_ != nullptr || tag > UINT32_MAX || (tag >> 3) == 0) {
            fail("invalid field number");
            return false;
        }
        tag_ = static_cast<uint32_t>(tag);
        return true;
    }

    uint32_t tag() const { return tag_; }
    bool at_end() const { return at_ == end_; }
    // What was malformed; null while nothing was.
    const char* failure() const { return failure_; }

    uint64_t varint() {
        uint64_t value = 0;
        for (int shift = 0; shift < 70 && at_ != end_; shift += 7) {
            auto byte = static_cast<uint64_t>(*at_++);
            value |= (byte & 0x7F) << shift;
            if (byte < 0x80) {
                return value;
            }
        }
        fail("invalid varint");
        return 0;
    }

    template <typename T>
    T fixed() {
        T value{};
        if (sizeof(T) > left()) {
            fail("truncated number");
            return value;
        }
        std::memcpy(&value, at_, sizeof(T));
        at_ += sizeof(T);
        return value;
    }

    // A length-delimited value: a sub-message, packed numbers or a bytes field.
    std::span<const std::byte> bytes() {
        uint64_t size = varint();
        if (size > left()) {
            fail("a field is longer than the message");
            return {};
        }
        std::span<const std::byte> value(at_, static_cast<size_t>(size));
        at_ += size;
        return value;
    }

    // A string field, which must be UTF-8.
    std::string_view string() {
        std::span<const std::byte> value = bytes();
        std::string_view text(reinterpret_cast<const char*>(value.data()), value.size());
        if (!is_utf8(text)) {
            fail("a string field is not UTF-8");
            return {};
        }
        return text;
    }

    void skip() {
        switch (static_cast<WireType>(tag_ & 7)) {
            case WireType::kVarint:
                static_cast<void>(varint());
                return;
            case WireType::kFixed64:
                static_cast<void>(fixed<uint64_t>());
                return;
            case WireType::kLength:
                static_cast<void>(bytes());
                return;
            case WireType::kFixed32:
                static_cast<void>(fixed<uint32_t>());
                return;
        }
        fail("invalid wire type");
    }

  private:
    size_t left() const { return static_cast<size_t>(end_ - at_); }

    void fail(const char* what) {
        failure_ = failure_ != nullptr ? failure_ : what;
        at_ = end_;
    }

    const std::byte* at_;
    const std::byte* end_;
    uint32_t tag_ = 0;
    const char* failure_ = nullptr;
};

}  // namespace tritonpy
