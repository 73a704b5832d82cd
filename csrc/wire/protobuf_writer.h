// Appends protobuf fields to a string.
//
// Strings are sent as UTF-8, which readers demand: what is not is replaced, for a text with a wrong
// character is better than a message that the client cannot read.
//
// The string is longer than what is written, so that a field costs a look at the room left and the
// stores of its bytes.
//
// Threads: compatible. Owns: the bytes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "wire/protobuf_reader.h"
#include "wire/utf8.h"

namespace tritonpy {

// Bytes of `value` as a varint.
constexpr size_t varint_size(uint64_t value) {
    return value == 0 ? 1 : (static_cast<size_t>(std::bit_width(value)) + 6) / 7;
}

class ProtobufWriter {
  public:
    ProtobufWriter() = default;
    // With room for `size` bytes, so that a small message grows without moving.
    explicit ProtobufWriter(size_t size) : room_(size, '\0') {}

    void varint(uint64_t value) {
        char* at = make_room(kMaxVarint);
        advance_to(put_varint(at, value));
    }

    void varint_field(uint32_t field, uint64_t value) {
        char* at = make_room(2 * kMaxVarint);
        advance_to(put_varint(put_varint(at, protobuf_tag(field, WireType::kVarint)), value));
    }

    void double_field(uint32_t field, double value) {
        varint(protobuf_tag(field, WireType::kFixed64));
        append({reinterpret_cast<const char*>(&value), sizeof(value)});
    }

    // What goes before `size` bytes of a length-delimited field.
    void length_prefix(uint32_t field, size_t size) {
        char* at = make_room(2 * kMaxVarint);
        advance_to(put_varint(put_varint(at, protobuf_tag(field, WireType::kLength)), size));
    }

    // A sub-message written in place: what is appended between the two calls is in it.
    size_t begin_message(uint32_t field) {
        length_prefix(field, 0);
        return size_;
    }
    // REQUIRES: `begin` is what begin_message returned; sub-messages begun later have ended.
    void end_message(size_t begin) {
        const size_t size = size_ - begin;
        const size_t more = varint_size(size) - 1;  // one byte is there, nearly always enough
        if (more != 0) {
            make_room(more);
            std::memmove(room_.data() + begin + more, room_.data() + begin, size);
            size_ += more;
        }
        put_varint(room_.data() + begin - 1, size);
    }

    // A sub-message or bytes field.
    void bytes_field(uint32_t field, std::string_view value) {
        length_prefix(field, value.size());
        append(value);
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
    void append(std::string_view fields) {
        if (!fields.empty()) {
            std::memcpy(make_room(fields.size()), fields.data(), fields.size());
            size_ += fields.size();
        }
    }

    size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    // Valid until more is written.
    std::string_view bytes() const { return std::string_view(room_).substr(0, size_); }
    std::string take() {
        room_.resize(std::exchange(size_, 0));
        return std::exchange(room_, {});
    }

  private:
    static constexpr size_t kMaxVarint = 10;
    static constexpr size_t kFirstRoom = 64;

    // Where the next `size` bytes go.
    char* make_room(size_t size) {
        if (room_.size() - size_ < size) {
            room_.resize(std::max({kFirstRoom, 2 * room_.size(), size_ + size}));
        }
        return room_.data() + size_;
    }

    void advance_to(const char* end) { size_ = static_cast<size_t>(end - room_.data()); }

    // Returns where it ends. REQUIRES: room for kMaxVarint bytes, or for as many as it takes.
    static char* put_varint(char* into, uint64_t value) {
        while (value >= 0x80) {
            *into++ = static_cast<char>(value | 0x80);
            value >>= 7;
        }
        *into++ = static_cast<char>(value);
        return into;
    }

    std::string room_;
    size_t size_ = 0;  // of what is written
};

}  // namespace tritonpy
