// Appends JSON to a string: structure by the caller, values correctly quoted and formatted.
//
// Numbers are the shortest text that reads back to the same value; a float without a fraction gets
// ".0" so that readers see its type; NaN and the infinities are the bare words NaN, Infinity and
// -Infinity, which Triton's clients read.
//
// Threads: compatible. Owns: the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "infer/parameter.h"

namespace tritonpy {

class JsonWriter {
  public:
    JsonWriter() = default;
    // With room for `size` bytes, so that a small text grows without moving.
    explicit JsonWriter(size_t size) { text_.reserve(size); }

    // Punctuation and keys that need no escaping, as they are.
    void raw(std::string_view text) { text_.append(text); }

    void boolean(bool value) { raw(value ? "true" : "false"); }
    void integer(int64_t value);
    void natural(uint64_t value);
    void real(float value);
    void real(double value);
    // A quoted string. False when `value` is not UTF-8; then nothing was written.
    bool string(std::string_view value);
    // A quoted string; bytes that are not UTF-8 are replaced.
    void lenient_string(std::string_view value);
    // [1,16]
    void dims(std::span<const int64_t> values);
    void parameter_value(const ParameterValue& value);

    std::string take() { return std::move(text_); }
    size_t size() const { return text_.size(); }

  private:
    template <typename T>
    void number(T value);
    template <typename T>
    void real_number(T value);
    void quoted(std::string_view utf8);

    std::string text_;
};

}  // namespace tritonpy
