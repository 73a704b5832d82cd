// Turns the events of a JSON parse into the tape of a JsonDocument.
//
// It has the handler interface that RapidJSON's reader calls; a false return ends the parse, and
// status() or found_invalid_string() says why. It checks that strings are UTF-8 once they are
// decoded: that is faster than the reader's own check and also finds the lone surrogates of
// escapes. Apart from json_reader.cc nobody includes this.
//
// Threads: compatible. Borrows: the document, the text and the reader's position.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/limits.h"
#include "base/status.h"
#include "wire/json_reader.h"

namespace tritonpy {

class TapeBuilder {
  public:
    // `position` tells how many bytes the reader has consumed.
    struct Position {
        virtual size_t tell() const = 0;

      protected:
        ~Position() = default;
    };

    TapeBuilder(JsonDocument& document, std::string_view text, const Position& position)
        : document_(document), text_(text), position_(position) {}

    // The limit because of which a handler returned false.
    const Status& status() const { return status_; }
    // Whether a handler returned false because a string is not UTF-8.
    bool found_invalid_string() const { return found_invalid_string_; }

    bool Null();
    bool Bool(bool value);
    bool Int(int32_t value) { return Int64(value); }
    bool Uint(uint32_t value) { return Uint64(value); }
    bool Int64(int64_t value);
    bool Uint64(uint64_t value);
    bool Double(double value);
    bool RawNumber(const char*, uint32_t, bool) { return false; }  // never asked for
    bool String(const char* text, uint32_t size, bool copied);
    bool Key(const char* text, uint32_t size, bool copied);
    bool StartObject() { return start(JsonKind::kObject); }
    bool EndObject(uint32_t size) { return end(size); }
    bool StartArray() { return start(JsonKind::kArray); }
    bool EndArray(uint32_t size) { return end(size); }

  private:
    using Node = JsonDocument::Node;

    bool in_elements() const { return elements_depth_ > 0; }
    bool start(JsonKind kind);
    bool end(uint32_t size);
    bool start_elements();
    bool fail(Status status);
    bool accept_string(std::string_view text);
    // Appends a node; null when the tape is full.
    Node* push(JsonKind kind);
    bool push_string(const char* text, uint32_t size);

    JsonDocument& document_;
    std::string_view text_;
    const Position& position_;
    Status status_;
    bool found_invalid_string_ = false;

    size_t depth_ = 0;           // open containers on the tape
    size_t elements_depth_ = 0;  // open containers inside tensor data, the data array included
    bool under_inputs_ = false;  // the current top-level member is "inputs"
    bool at_data_ = false;       // the last key was "data" at the depth of an input
    std::array<uint32_t, limits::kMaxJsonDepth> open_{};  // tape indices of the open containers
};

}  // namespace tritonpy
