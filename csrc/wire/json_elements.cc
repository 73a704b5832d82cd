#include "wire/json_elements.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

namespace tritonpy {

namespace {

Status wrong_element(std::string_view what) {
    return internal_error("attempt to access JSON non-" + std::string(what) + " as " +
                          std::string(what));
}

// A position in tensor data that a JSON parser has found to be well-formed: so tokens are told
// apart by their first character, and the closing bracket ends every scan.
class Cursor {
  public:
    explicit Cursor(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

    // Moves to the next scalar (or object); false at the end.
    bool next() {
        while (at_ != end_) {
            switch (*at_) {
                case ' ':
                case '\t':
                case '\n':
                case '\r':
                case ',':
                case '[':
                case ']':
                    ++at_;
                    break;
                default:
                    return true;
            }
        }
        return false;
    }

    char front() const { return *at_; }
    bool at_number() const { return *at_ == '-' || (*at_ >= '0' && *at_ <= '9'); }

    // Skips true, false, NaN, Infinity and the like.
    void skip_word() {
        while (at_ != end_ && ((*at_ >= 'a' && *at_ <= 'z') || (*at_ >= 'A' && *at_ <= 'Z'))) {
            ++at_;
        }
    }

    // Takes a JSON integer; false when the token is another number or does not fit T.
    template <typename T>
    bool take_integer(T& value) {
        auto [rest, error] = std::from_chars(at_, end_, value);
        if (error != std::errc() || (rest != end_ && (*rest == '.' || *rest == 'e' ||
                                                      *rest == 'E'))) {
            return false;
        }
        at_ = rest;
        return true;
    }

    // Takes "-0", the one negative token that is a natural number.
    bool take_minus_zero() {
        bool taken = end_ - at_ >= 3 && at_[0] == '-' && at_[1] == '0' &&
                     (at_[2] == ',' || at_[2] == ']' || at_[2] == ' ' || at_[2] == '\t' ||
                      at_[2] == '\n' || at_[2] == '\r');
        at_ += taken ? 2 : 0;
        return taken;
    }

    // Takes a number, NaN or an infinity; false for anything else.
    template <typename T>
    bool take_real(T& value) {
        bool negative = front() == '-';
        char first = negative ? at_[1] : front();  // well-formed: a '-' is never the last character
        if (first == 'N' || first == 'I') {
            at_ += negative ? 1 : 0;
            skip_word();
            value = first == 'N' ? std::numeric_limits<T>::quiet_NaN()
                                 : std::numeric_limits<T>::infinity();
            value = negative ? -value : value;
            return true;
        }
        if (!at_number()) {
            return false;
        }
        auto [rest, error] = std::from_chars(at_, end_, value);
        if (error == std::errc::result_out_of_range) {
            value = out_of_range<T>(rest);
        }
        at_ = rest;
        return true;
    }

  private:
    // What a number beyond T rounds to: an infinity, or zero when it was too small.
    template <typename T>
    T out_of_range(const char* rest) const {
        double wide = 0;
        if constexpr (std::is_same_v<T, float>) {
            if (std::from_chars(at_, rest, wide).ec == std::errc()) {
                bool tiny = std::abs(wide) < 1;
                return std::copysign(tiny ? 0.0f : std::numeric_limits<float>::infinity(),
                                     static_cast<float>(wide < 0 ? -1 : 1));
            }
        }
        // Beyond double: the parser refused what is too large, so it is too small.
        return *at_ == '-' ? -T{0} : T{0};
    }

    const char* at_;
    const char* end_;
};

template <typename T>
bool take(Cursor& cursor, T& value) {
    if constexpr (std::is_same_v<T, bool>) {
        if (cursor.front() != 't' && cursor.front() != 'f') {
            return false;
        }
        value = cursor.front() == 't';
        cursor.skip_word();
        return true;
    } else if constexpr (std::is_floating_point_v<T>) {
        return cursor.take_real(value);
    } else if constexpr (std::is_unsigned_v<T>) {
        uint64_t wide = 0;
        if (cursor.front() == '-') {
            value = 0;
            return cursor.take_minus_zero();
        }
        bool taken = cursor.at_number() && cursor.take_integer(wide);
        value = static_cast<T>(wide);
        return taken;
    } else {
        int64_t wide = 0;
        bool taken = cursor.at_number() && cursor.take_integer(wide);
        value = static_cast<T>(wide);
        return taken;
    }
}

template <typename T>
Status convert_as(const JsonElements& elements, std::span<std::byte> out, std::string_view what) {
    Cursor cursor(elements.text);
    std::byte* to = out.data();
    std::byte* end = to + out.size();
    while (cursor.next()) {
        T value{};
        if (to == end || !take(cursor, value)) {
            return wrong_element(what);
        }
        std::memcpy(to, &value, sizeof(T));
        to += sizeof(T);
    }
    return Status();
}

}  // namespace

size_t elements_byte_size(DataType type, const JsonElements& elements) {
    return type == DataType::kBytes ? elements.strings.size() : elements.count * size_of(type);
}

Status convert_elements(DataType type, const JsonElements& elements, std::span<std::byte> out) {
    switch (type) {
        case DataType::kBool:
            return convert_as<bool>(elements, out, "boolean");
        case DataType::kUint8:
            return convert_as<uint8_t>(elements, out, "unsigned-integer");
        case DataType::kUint16:
            return convert_as<uint16_t>(elements, out, "unsigned-integer");
        case DataType::kUint32:
            return convert_as<uint32_t>(elements, out, "unsigned-integer");
        case DataType::kUint64:
            return convert_as<uint64_t>(elements, out, "unsigned-integer");
        case DataType::kInt8:
            return convert_as<int8_t>(elements, out, "signed-integer");
        case DataType::kInt16:
            return convert_as<int16_t>(elements, out, "signed-integer");
        case DataType::kInt32:
            return convert_as<int32_t>(elements, out, "signed-integer");
        case DataType::kInt64:
            return convert_as<int64_t>(elements, out, "signed-integer");
        case DataType::kFp32:
            return convert_as<float>(elements, out, "number");
        case DataType::kFp64:
            return convert_as<double>(elements, out, "number");
        case DataType::kBytes:
            break;
        case DataType::kFp16:
        case DataType::kBf16:
        case DataType::kInvalid:
            return invalid_arg("data type " + std::string(wire_name(type)) + " has no JSON form");
    }
    if (elements.has_object || elements.string_count != elements.count) {
        return wrong_element("string");
    }
    if (!out.empty()) {
        std::memcpy(out.data(), elements.strings.data(), out.size());
    }
    return Status();
}

}  // namespace tritonpy
