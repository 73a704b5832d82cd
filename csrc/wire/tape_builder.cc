#include "wire/tape_builder.h"

#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "base/limits.h"
#include "wire/utf8.h"

namespace tritonpy {

namespace {

// {"inputs": [ { "data": <here> } ] }: the containers open when tensor data begins.
constexpr size_t kInputDepth = 3;

Status too_deep() {
    return invalid_arg("JSON nesting depth exceeds maximum allowed limit (" +
                       std::to_string(limits::kMaxJsonDepth) + ")");
}

bool is_number_char(char c) {
    return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

}  // namespace

bool TapeBuilder::fail(Status status) {
    status_ = std::move(status);
    return false;
}

bool TapeBuilder::accept_string(std::string_view text) {
    found_invalid_string_ = !is_utf8(text);
    return !found_invalid_string_;
}

TapeBuilder::Node* TapeBuilder::push(JsonKind kind) {
    if (document_.tape_.size() == limits::kMaxJsonValues) {
        status_ = invalid_arg("request JSON has more than " +
                              std::to_string(limits::kMaxJsonValues) +
                              " values outside of tensor data");
        return nullptr;
    }
    Node& node = document_.tape_.emplace_back();
    node.kind = kind;
    node.next = static_cast<uint32_t>(document_.tape_.size());
    node.natural = 0;
    return &node;
}

bool TapeBuilder::push_string(const char* text, uint32_t size) {
    Node* node = push(JsonKind::kString);
    if (node == nullptr) {
        return false;
    }
    node->string = {static_cast<uint32_t>(document_.strings_.size()), size};
    document_.strings_.append(text, size);
    return true;
}

bool TapeBuilder::Null() {
    if (in_elements()) {
        ++document_.elements_.back().count;
        return true;
    }
    return push(JsonKind::kNull) != nullptr;
}

bool TapeBuilder::Bool(bool value) {
    if (in_elements()) {
        ++document_.elements_.back().count;
        return true;
    }
    Node* node = push(JsonKind::kBool);
    if (node != nullptr) {
        node->boolean = value;
    }
    return node != nullptr;
}

bool TapeBuilder::Int64(int64_t value) {
    if (value >= 0) {  // "-0"
        return Uint64(static_cast<uint64_t>(value));
    }
    if (in_elements()) {
        ++document_.elements_.back().count;
        return true;
    }
    Node* node = push(JsonKind::kInt);
    if (node != nullptr) {
        node->integer = value;
    }
    return node != nullptr;
}

bool TapeBuilder::Uint64(uint64_t value) {
    if (in_elements()) {
        ++document_.elements_.back().count;
        return true;
    }
    Node* node = push(JsonKind::kUint);
    if (node != nullptr) {
        node->natural = value;
    }
    return node != nullptr;
}

bool TapeBuilder::Double(double value) {
    if (in_elements()) {
        ++document_.elements_.back().count;
        return true;
    }
    Node* node = push(JsonKind::kDouble);
    if (node == nullptr) {
        return false;
    }
    node->real = value;
    if (std::isfinite(value)) {
        // The reader's fast conversion may be off by a few units in the last place: read the
        // digits, which end where the reader stands, once more.
        size_t end = position_.tell();
        size_t begin = end;
        while (begin > 0 && is_number_char(text_[begin - 1])) {
            --begin;
        }
        double exact = 0;
        auto [rest, error] = std::from_chars(text_.data() + begin, text_.data() + end, exact);
        if (error == std::errc() && rest == text_.data() + end) {
            node->real = exact;
        }
    }
    return true;
}

bool TapeBuilder::String(const char* text, uint32_t size, bool) {
    if (!accept_string({text, size})) {
        return false;
    }
    if (!in_elements()) {
        return push_string(text, size);
    }
    JsonDocument::ElementsRange& range = document_.elements_.back();
    ++range.count;
    ++range.string_count;
    document_.element_strings_.append(reinterpret_cast<const char*>(&size), sizeof(size));
    document_.element_strings_.append(text, size);
    return true;
}

bool TapeBuilder::Key(const char* text, uint32_t size, bool) {
    if (!accept_string({text, size})) {
        return false;
    }
    if (in_elements()) {
        return true;
    }
    std::string_view key(text, size);
    if (depth_ == 1) {
        under_inputs_ = key == "inputs";
    }
    at_data_ = depth_ == kInputDepth && under_inputs_ && key == "data";
    return push_string(text, size);
}

bool TapeBuilder::start(JsonKind kind) {
    if (in_elements()) {
        if (elements_depth_ == limits::kMaxJsonDepth) {
            return fail(too_deep());
        }
        ++elements_depth_;
        document_.elements_.back().has_object |= kind == JsonKind::kObject;
        return true;
    }
    if (at_data_ && depth_ == kInputDepth && kind == JsonKind::kArray) {
        return start_elements();
    }
    if (depth_ == limits::kMaxJsonDepth) {
        return fail(too_deep());
    }
    open_[depth_++] = static_cast<uint32_t>(document_.tape_.size());
    return push(kind) != nullptr;
}

bool TapeBuilder::start_elements() {
    Node* node = push(JsonKind::kElements);
    if (node == nullptr) {
        return false;
    }
    node->elements = document_.elements_.size();
    JsonDocument::ElementsRange range{};
    range.text_offset = position_.tell();
    range.strings_offset = document_.element_strings_.size();
    document_.elements_.push_back(range);
    elements_depth_ = 1;
    return true;
}

bool TapeBuilder::end(uint32_t size) {
    if (in_elements()) {
        if (--elements_depth_ == 0) {
            JsonDocument::ElementsRange& range = document_.elements_.back();
            range.text_size = position_.tell() + 1 - range.text_offset;  // with the ']'
            range.strings_size = document_.element_strings_.size() - range.strings_offset;
            at_data_ = false;
        }
        return true;
    }
    at_data_ = false;
    Node& node = document_.tape_[open_[--depth_]];
    node.next = static_cast<uint32_t>(document_.tape_.size());
    node.size = size;
    return true;
}

}  // namespace tritonpy
