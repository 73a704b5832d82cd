#include "wire/http2_headers.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tritonpy {

namespace {

// Which characters a name may have: RFC 9110's tokens, without upper case.
constexpr std::array<bool, 256> make_name_characters() {
    std::array<bool, 256> allowed{};
    for (char digit = '0'; digit <= '9'; ++digit) {
        allowed[static_cast<unsigned char>(digit)] = true;
    }
    for (char letter = 'a'; letter <= 'z'; ++letter) {
        allowed[static_cast<unsigned char>(letter)] = true;
    }
    for (char other : std::string_view("!#$%&'*+-.^_`|~")) {
        allowed[static_cast<unsigned char>(other)] = true;
    }
    return allowed;
}
constexpr std::array<bool, 256> kNameCharacters = make_name_characters();

bool is_name(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char character) {
        return kNameCharacters[static_cast<unsigned char>(character)];
    });
}

bool is_value(std::string_view value) {
    return std::none_of(value.begin(), value.end(), [](char character) {
        auto code = static_cast<unsigned char>(character);
        return (code < 0x20 && code != '\t') || code == 0x7F;
    });
}

bool is_of_http1(std::string_view name, std::string_view value) {
    return name == "connection" || name == "keep-alive" || name == "proxy-connection" ||
           name == "transfer-encoding" || name == "upgrade" ||
           (name == "te" && value != "trailers");
}

}  // namespace

void Http2Headers::add(std::string_view name, std::string_view value) {
    const size_t more = name.size() + value.size();
    if (text_.size() - size_ < more) {
        text_.resize(std::max({kFirstText, 2 * text_.size(), size_ + more}));
    }
    char* at = text_.data() + size_;
    std::copy_n(value.data(), value.size(), std::copy_n(name.data(), name.size(), at));
    entries_.push_back({static_cast<uint32_t>(size_), static_cast<uint32_t>(name.size()),
                        static_cast<uint32_t>(value.size())});
    size_ += more;
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

bool Http2Headers::is_request() const {
    constexpr std::array<std::string_view, 4> kPseudo{":method", ":scheme", ":path", ":authority"};
    constexpr size_t kRequired = 3;  // the first ones
    std::array<bool, kPseudo.size()> seen{};
    bool regular = false;
    for (size_t index = 0; index < entries_.size(); ++index) {
        const auto [name, value] = at(index);
        if (!is_value(value)) {
            return false;
        }
        if (!name.starts_with(':')) {
            regular = true;
            if (!is_name(name) || is_of_http1(name, value)) {
                return false;
            }
            continue;
        }
        const auto* pseudo = std::find(kPseudo.begin(), kPseudo.end(), name);
        if (regular || pseudo == kPseudo.end() ||
            std::exchange(seen[static_cast<size_t>(pseudo - kPseudo.begin())], true)) {
            return false;
        }
    }
    return std::all_of(seen.begin(), seen.begin() + kRequired, [](bool there) { return there; });
}

bool Http2Headers::operator==(const Http2Headers& other) const {
    return entries_ == other.entries_ && std::string_view(text_).substr(0, size_) ==
                                             std::string_view(other.text_).substr(0, other.size_);
}

void Http2Headers::clear() {
    constexpr size_t kUsualText = 4096;
    constexpr size_t kUsualFields = 64;
    if (text_.size() > kUsualText || entries_.size() > kUsualFields) {
        *this = Http2Headers();
    }
    size_ = 0;
    entries_.clear();
}

}  // namespace tritonpy
