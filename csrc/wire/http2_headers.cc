#include "wire/http2_headers.h"

namespace tritonpy {

void Http2Headers::add(std::string_view name, std::string_view value) {
    entries_.push_back({static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(name.size()),
                        static_cast<uint32_t>(value.size())});
    text_.append(name);
    text_.append(value);
}

std::string_view Http2Headers::find(std::string_view name) const {
    for (size_t index = 0; index < entries_.size(); ++index) {
        View field = at(index);
        if (field.name == name) {
            return field.value;
        }
    }
    return {};
}

void Http2Headers::clear() {
    constexpr size_t kUsualText = 4096;
    constexpr size_t kUsualFields = 64;
    if (text_.size() > kUsualText || entries_.size() > kUsualFields) {
        *this = Http2Headers();
    }
    text_.clear();
    entries_.clear();
}

}  // namespace tritonpy
