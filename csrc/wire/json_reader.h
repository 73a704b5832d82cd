// A JSON text read into a tape: one flat array of values in document order, strings in one arena.
//
// A tape takes 16 bytes a value and no allocation once its arrays have grown, where a tree of nodes
// would let `[0,0,0,...` grow tenfold in memory. Tensor data does not go onto the tape at all: an
// array under "data" in an element of the top-level "inputs" is kept as a range of the text with
// the counts that decide whether it fits its shape (JsonElements), to be converted straight into
// the tensor's memory. Its strings are decoded at once, in the BYTES serialisation.
//
// Parsing is iterative (nesting costs no stack), accepts NaN, Infinity and -Infinity, and demands
// valid UTF-8.
//
// Threads: compatible. Owns: tape and arenas. Borrows: the text, while values are read.
// Invariants: 1. every container's `next` is the tape index after its last descendant;
//             2. all strings of the tape lie in the arena and are valid UTF-8.
// Limits: limits::kMaxJsonDepth containers, counted from the root and, inside tensor data, from the
// data array; limits::kMaxJsonValues values outside tensor data; limits::kMaxJsonText bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tritonpy {

enum class JsonKind : uint8_t {
    kNull,
    kBool,
    kInt,   // a negative integer
    kUint,  // an integer that is not negative
    kDouble,
    kString,
    kArray,
    kObject,
    kElements,  // tensor data: an array that stays in the text
};

// Tensor data inside the text.
struct JsonElements {
    std::string_view text;       // from its '[' to its ']'
    uint64_t count = 0;          // scalars at all levels
    uint64_t string_count = 0;   // those that are strings
    bool has_object = false;     // an object is among the elements: no tensor data at all
    std::string_view strings;    // the strings, each as 4-byte little-endian length and bytes
};

class JsonDocument;

// One value of a document. A value type; valid until its document is parsed again.
// Failed accesses are internal errors with Triton's texts.
class JsonValue {
  public:
    JsonKind kind() const;

    Result<bool> as_bool() const;
    Result<uint64_t> as_uint() const;
    Result<int64_t> as_int() const;
    Result<std::string_view> as_string() const;
    // REQUIRES: kind() is kDouble.
    double as_double() const;
    // REQUIRES: kind() is kElements.
    JsonElements as_elements() const;

    // Elements of an array, members of an object, 0 for anything else.
    size_t size() const;

    // The first member called `key`; nothing when there is none or this is no object.
    std::optional<JsonValue> find(std::string_view key) const;

    // The member called `key`, of the kind wanted; the error begins "Unable to parse '<key>': ".
    Result<bool> bool_member(std::string_view key) const;
    Result<uint64_t> uint_member(std::string_view key) const;
    Result<std::string_view> string_member(std::string_view key) const;
    Result<JsonValue> array_member(std::string_view key) const;
    Result<JsonValue> object_member(std::string_view key) const;

  private:
    friend class JsonDocument;
    friend class JsonCursor;
    JsonValue(const JsonDocument* document, uint32_t index) : document_(document), index_(index) {}

    Result<JsonValue> member(std::string_view key) const;

    const JsonDocument* document_;
    uint32_t index_;
};

// Walks the elements of an array or the members of an object (of anything else: nothing).
class JsonCursor {
  public:
    explicit JsonCursor(JsonValue container);
    bool done() const { return left_ == 0; }
    void advance();
    // REQUIRES: !done().
    JsonValue value() const;
    // REQUIRES: !done() and an object.
    std::string_view key() const;

  private:
    const JsonDocument* document_;
    bool keyed_;
    size_t left_;
    uint32_t index_;
};

class JsonDocument {
  public:
    // Replaces the document. internal `failed to parse the request JSON buffer: <why> at <offset>`
    // for what is no JSON; invalid_arg past a limit. After an error there is no document.
    Status parse(std::string_view text);

    // REQUIRES: the last parse succeeded.
    JsonValue root() const { return JsonValue(this, 0); }

    // Gives back memory that one unusually large document took.
    void release_excess();

  private:
    friend class JsonValue;
    friend class JsonCursor;
    friend class TapeBuilder;

    struct StringRange {
        uint32_t offset;
        uint32_t size;
    };
    struct Node {
        JsonKind kind;
        uint32_t next;  // containers: index after the last descendant; others: index + 1
        union {
            bool boolean;
            int64_t integer;
            uint64_t natural;
            double real;
            StringRange string;
            uint64_t size;      // kArray, kObject
            uint64_t elements;  // kElements: index into elements_
        };
    };
    static_assert(sizeof(Node) == 16);
    struct ElementsRange {
        size_t text_offset;
        size_t text_size;
        uint64_t count;
        uint64_t string_count;
        size_t strings_offset;
        size_t strings_size;
        bool has_object;
    };

    std::string_view text_;
    std::vector<Node> tape_;
    std::string strings_;              // keys and string values of the tape
    std::vector<ElementsRange> elements_;
    std::string element_strings_;      // strings inside tensor data, serialised
};

// An error of `status` about the JSON field `key`: "Unable to parse '<key>': <text>".
Status unable_to_parse(std::string_view key, const Status& status);

}  // namespace tritonpy
