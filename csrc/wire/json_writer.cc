#include "wire/json_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <variant>

#include "wire/utf8.h"

namespace tritonpy {

namespace {

// Enough for "-1.7976931348623157e+308" and ".0".
constexpr size_t kNumberSize = 32;

bool needs_escape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

void append_escaped(std::string& out, char c) {
    constexpr std::string_view kHex = "0123456789abcdef";
    switch (c) {
        case '"':
            out.append("\\\"");
            return;
        case '\\':
            out.append("\\\\");
            return;
        case '\n':
            out.append("\\n");
            return;
        case '\r':
            out.append("\\r");
            return;
        case '\t':
            out.append("\\t");
            return;
        default: {
            auto code = static_cast<unsigned char>(c);
            out.append("\\u00");
            out.push_back(kHex[code >> 4]);
            out.push_back(kHex[code & 15]);
        }
    }
}

}  // namespace

template <typename T>
void JsonWriter::number(T value) {
    char digits[kNumberSize];
    auto [end, error] = std::to_chars(digits, digits + kNumberSize, value);
    static_cast<void>(error);  // the longest number fits
    text_.append(digits, end);
}

template <typename T>
void JsonWriter::real_number(T value) {
    if (!std::isfinite(value)) {
        raw(std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
        return;
    }
    char digits[kNumberSize];
    auto [end, error] = std::to_chars(digits, digits + kNumberSize, value);
    static_cast<void>(error);
    bool looks_integral =
        std::all_of(digits, end, [](char c) { return c != '.' && c != 'e'; });
    text_.append(digits, end);
    if (looks_integral) {
        text_.append(".0");
    }
}

void JsonWriter::integer(int64_t value) { number(value); }
void JsonWriter::natural(uint64_t value) { number(value); }
void JsonWriter::real(float value) { real_number(value); }
void JsonWriter::real(double value) { real_number(value); }

bool JsonWriter::string(std::string_view value) {
    if (!is_utf8(value)) {
        return false;
    }
    quoted(value);
    return true;
}

void JsonWriter::lenient_string(std::string_view value) {
    if (is_utf8(value)) {
        quoted(value);
    } else {
        quoted(replace_invalid_utf8(value));
    }
}

void JsonWriter::quoted(std::string_view utf8) {
    text_.push_back('"');
    while (!utf8.empty()) {
        auto special = std::find_if(utf8.begin(), utf8.end(), needs_escape);
        auto plain = static_cast<size_t>(special - utf8.begin());
        text_.append(utf8.substr(0, plain));
        if (plain == utf8.size()) {
            break;
        }
        append_escaped(text_, *special);
        utf8.remove_prefix(plain + 1);
    }
    text_.push_back('"');
}

void JsonWriter::dims(std::span<const int64_t> values) {
    text_.push_back('[');
    for (size_t index = 0; index < values.size(); ++index) {
        if (index > 0) {
            text_.push_back(',');
        }
        integer(values[index]);
    }
    text_.push_back(']');
}

void JsonWriter::parameter_value(const ParameterValue& value) {
    if (const bool* flag = std::get_if<bool>(&value)) {
        boolean(*flag);
    } else if (const int64_t* number = std::get_if<int64_t>(&value)) {
        integer(*number);
    } else if (const uint64_t* unsigned_number = std::get_if<uint64_t>(&value)) {
        natural(*unsigned_number);
    } else if (const double* floating = std::get_if<double>(&value)) {
        real(*floating);
    } else {
        lenient_string(std::get<std::string>(value));
    }
}

}  // namespace tritonpy
