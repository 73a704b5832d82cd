#include "wire/json_reader.h"

#include <rapidjson/encodedstream.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include "base/limits.h"
#include "wire/tape_builder.h"

namespace tritonpy {

namespace {

using Utf8 = rapidjson::UTF8<>;
using Stream = rapidjson::EncodedInputStream<Utf8, rapidjson::MemoryStream>;

constexpr unsigned kParseFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseNanAndInfFlag;

// A document that grew beyond this gives its memory back.
constexpr size_t kKeptBytes = size_t{64} << 10;

class StreamPosition final : public TapeBuilder::Position {
  public:
    explicit StreamPosition(const Stream& stream) : stream_(stream) {}
    size_t tell() const override { return stream_.Tell(); }

  private:
    const Stream& stream_;
};

Status parse_failure(rapidjson::ParseErrorCode code, size_t offset) {
    return internal_error(std::string("failed to parse the request JSON buffer: ") +
                          rapidjson::GetParseError_En(code) + " at " + std::to_string(offset));
}

Status access_error(std::string_view what, std::string_view as) {
    return internal_error("attempt to access JSON non-" + std::string(what) + " as " +
                          std::string(as));
}

template <typename T>
Result<T> for_key(std::string_view key, Result<T> result) {
    if (!result.ok()) {
        return unable_to_parse(key, result.status());
    }
    return result;
}

template <typename Container>
void release_if_large(Container& container) {
    if (container.capacity() * sizeof(container[0]) > kKeptBytes) {
        Container().swap(container);
    }
}

}  // namespace

Status unable_to_parse(std::string_view key, const Status& status) {
    return Status(status.code(), "Unable to parse '" + std::string(key) +
                                     "': " + std::string(status.message()));
}

Status JsonDocument::parse(std::string_view text) {
    text_ = text;
    tape_.clear();
    strings_.clear();
    elements_.clear();
    element_strings_.clear();
    if (text.size() > limits::kMaxJsonText) {
        return invalid_arg("request JSON size of " + std::to_string(text.size()) +
                           " bytes exceeds the maximum of " + std::to_string(limits::kMaxJsonText) +
                           " bytes");
    }
    if (text.empty()) {
        return parse_failure(rapidjson::kParseErrorDocumentEmpty, 0);
    }
    rapidjson::MemoryStream memory(text.data(), text.size());
    Stream stream(memory);
    StreamPosition position(stream);
    TapeBuilder builder(*this, text, position);
    rapidjson::GenericReader<Utf8, Utf8> reader;
    rapidjson::ParseResult result = reader.Parse<kParseFlags>(stream, builder);
    if (builder.found_invalid_string()) {
        return parse_failure(rapidjson::kParseErrorStringInvalidEncoding, stream.Tell());
    }
    if (!builder.status().ok()) {
        return builder.status();
    }
    if (result.IsError()) {
        return parse_failure(result.Code(), result.Offset());
    }
    if (stream.Tell() != text.size()) {  // the reader takes a NUL byte for the end
        return parse_failure(rapidjson::kParseErrorDocumentRootNotSingular, stream.Tell());
    }
    return Status();
}

void JsonDocument::release_excess() {
    release_if_large(tape_);
    release_if_large(strings_);
    release_if_large(elements_);
    release_if_large(element_strings_);
}

JsonKind JsonValue::kind() const { return document_->tape_[index_].kind; }

Result<bool> JsonValue::as_bool() const {
    if (kind() != JsonKind::kBool) {
        return access_error("boolean", "boolean");
    }
    return document_->tape_[index_].boolean;
}

Result<uint64_t> JsonValue::as_uint() const {
    if (kind() != JsonKind::kUint) {
        return access_error("unsigned-integer", "unsigned-integer");
    }
    return document_->tape_[index_].natural;
}

Result<int64_t> JsonValue::as_int() const {
    const JsonDocument::Node& node = document_->tape_[index_];
    if (node.kind == JsonKind::kInt) {
        return node.integer;
    }
    if (node.kind == JsonKind::kUint && node.natural <= INT64_MAX) {
        return static_cast<int64_t>(node.natural);
    }
    return access_error("signed-integer", "signed-integer");
}

Result<std::string_view> JsonValue::as_string() const {
    if (kind() != JsonKind::kString) {
        return access_error("string", "string");
    }
    JsonDocument::StringRange range = document_->tape_[index_].string;
    return std::string_view(document_->strings_).substr(range.offset, range.size);
}

double JsonValue::as_double() const { return document_->tape_[index_].real; }

JsonElements JsonValue::as_elements() const {
    const JsonDocument::ElementsRange& range =
        document_->elements_[document_->tape_[index_].elements];
    JsonElements elements;
    elements.text = document_->text_.substr(range.text_offset, range.text_size);
    elements.count = range.count;
    elements.string_count = range.string_count;
    elements.has_object = range.has_object;
    elements.strings = std::string_view(document_->element_strings_)
                           .substr(range.strings_offset, range.strings_size);
    return elements;
}

size_t JsonValue::size() const {
    bool container = kind() == JsonKind::kArray || kind() == JsonKind::kObject;
    return container ? document_->tape_[index_].size : 0;
}

std::optional<JsonValue> JsonValue::find(std::string_view key) const {
    if (kind() != JsonKind::kObject) {
        return std::nullopt;
    }
    for (JsonCursor cursor(*this); !cursor.done(); cursor.advance()) {
        if (cursor.key() == key) {
            return cursor.value();
        }
    }
    return std::nullopt;
}

Result<JsonValue> JsonValue::member(std::string_view key) const {
    std::optional<JsonValue> found = find(key);
    if (!found) {
        return internal_error("attempt to access non-existing object member '" + std::string(key) +
                              "'");
    }
    return *found;
}

Result<bool> JsonValue::bool_member(std::string_view key) const {
    TRITONPY_ASSIGN_OR_RETURN(JsonValue value, for_key(key, member(key)));
    return for_key(key, value.as_bool());
}

Result<uint64_t> JsonValue::uint_member(std::string_view key) const {
    TRITONPY_ASSIGN_OR_RETURN(JsonValue value, for_key(key, member(key)));
    return for_key(key, value.as_uint());
}

Result<std::string_view> JsonValue::string_member(std::string_view key) const {
    TRITONPY_ASSIGN_OR_RETURN(JsonValue value, for_key(key, member(key)));
    return for_key(key, value.as_string());
}

Result<JsonValue> JsonValue::array_member(std::string_view key) const {
    TRITONPY_ASSIGN_OR_RETURN(JsonValue value, for_key(key, member(key)));
    if (value.kind() != JsonKind::kArray && value.kind() != JsonKind::kElements) {
        return unable_to_parse(key, access_error("array", "array"));
    }
    return value;
}

Result<JsonValue> JsonValue::object_member(std::string_view key) const {
    TRITONPY_ASSIGN_OR_RETURN(JsonValue value, for_key(key, member(key)));
    if (value.kind() != JsonKind::kObject) {
        return unable_to_parse(key, access_error("object", "object"));
    }
    return value;
}

JsonCursor::JsonCursor(JsonValue container)
    : document_(container.document_),
      keyed_(container.kind() == JsonKind::kObject),
      left_(container.size()),
      index_(container.index_ + 1) {}

void JsonCursor::advance() {
    index_ = document_->tape_[index_ + (keyed_ ? 1 : 0)].next;
    --left_;
}

JsonValue JsonCursor::value() const { return JsonValue(document_, index_ + (keyed_ ? 1 : 0)); }

std::string_view JsonCursor::key() const {
    JsonDocument::StringRange range = document_->tape_[index_].string;
    return std::string_view(document_->strings_).substr(range.offset, range.size);
}

}  // namespace tritonpy
