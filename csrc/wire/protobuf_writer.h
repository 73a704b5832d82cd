// Appends protobuf fields to a string.
//
// Strings are sent as UTF-8, which readers demand: what is not is replaced, for a text with a wrong
// character is better than a message that the client cannot read.
//
// Threads: compatible. Owns: the bytes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "wire/protobuf_reader.h"
#include "wire/utf8.h"

namespace tritonpy {

class ProtobufWriter {
  public:
    ProtobufWriter() = default;
    // With room for `size` bytes, so that a small message grows without moving.
    explicit ProtobufWriter(size_t size) { bytes_.reserve(size); }

    void varint(uint64_t value) {
        while (value >= 0x80) {
            bytes_.push_back(static_cast<char>(value | 0x80));
            value >>= 7;
        }
        bytes_.push_back(static_cast<char>(value));
    }

    void varint_field(uint32_t field, uint64_t value) {
        varint(protobuf_tag(field, WireType::kVarint));
        varint(value);
    }

    void double_field(uint32_t field, double value) {
        varint(protobuf_tag(field, WireType::kFixed64));
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    }

    // What goes before `size` bytes of a length-delimited field.
    void length_prefix(uint32_t field, size_t size) {
        varint(protobuf_tag(field, WireType::kLength));
        varint(size);
    }

    // A sub-message or bytes field.
    void bytes_field(uint32_t field, std::string_view value) {
        length_prefix(field, value.size());
        bytes_.append(value);
    }

    void string_field(uint32_t field, std::string_view value) {
        if (is_utf8(value)) {
            bytes_field(field, value);
        } else {
            bytes_field(field, replace_invalid_utf8(value));
        }
    }

    // As string_field, but nothing for an empty string: proto3's default.
    void string_field_unless_empty(uint32_t field, std::string_view value) {
        if (!value.empty()) {
            string_field(field, value);
        }
    }

    // Fields that another writer made.
    void append(std::string_view fields) { bytes_.append(fields); }

    size_t size() const { return bytes_.size(); }
    bool empty() const { return bytes_.empty(); }
    const std::string& bytes() const { return bytes_; }
    std::string take() { return std::exchange(bytes_, {}); }

  private:
    std::string bytes_;
};

// Bytes of `value` as a varint.
constexpr size_t varint_size(uint64_t value) {
    return value == 0 ? 1 : (static_cast<size_t>(std::bit_width(value)) + 6) / 7;
}

}  // namespace tritonpy
