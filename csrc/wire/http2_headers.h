// A list of header fields as HTTP/2 carries it, in one string.
//
// Threads: compatible. A value.
// Limits: none of its own (names and values together stay below 4 GiB); Http2Session bounds what a
// client sends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tritonpy {

class Http2Headers {
  public:
    struct View {
        std::string_view name;  // lower case; pseudo headers start with ':'
        std::string_view value;
    };

    // Copies.
    void add(std::string_view name, std::string_view value);
    size_t count() const { return entries_.size(); }
    // Valid until the next add or clear. REQUIRES: index < count().
    View at(size_t index) const {
        const Entry& entry = entries_[index];
        const char* name = text_.data() + entry.at;
        return {{name, entry.name_size}, {name + entry.name_size, entry.value_size}};
    }
    // The first value of a name; empty when there is none.
    std::string_view find(std::string_view name) const;
    // Bytes of names and values.
    size_t size() const { return size_; }
    // Whether these are the fields of a request as RFC 9113, section 8 has it: pseudo headers
    // first, each at most once, those that must be there; names in lower case; neither names nor
    // values with characters that they may not have; nothing that is HTTP/1.1's.
    bool is_request() const;
    bool operator==(const Http2Headers& other) const;
    // Forgets the fields; keeps memory for the next ones, but not what an unusual list took.
    void clear();

  private:
    struct Entry {
        uint32_t at;
        uint32_t name_size;
        uint32_t value_size;
        bool operator==(const Entry&) const = default;
    };
    static constexpr size_t kFirstText = 512;

    std::string text_;  // longer than what is in it, so that a field costs two copies and no more
    size_t size_ = 0;   // of what is in it
    std::vector<Entry> entries_;
};

}  // namespace tritonpy
