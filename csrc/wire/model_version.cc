#include "wire/model_version.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "base/limits.h"

namespace tritonpy {

namespace {

bool is_letter(char character) {
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           character == '_';
}

}  // namespace

bool is_version_label(std::string_view text) {
    const auto may_follow = [](char character) {
        return is_letter(character) || (character >= '0' && character <= '9') ||
               character == '.' || character == '-';
    };
    return !text.empty() && text.size() <= limits::kMaxVersionLabel && is_letter(text[0]) &&
           std::ranges::all_of(text, may_follow);
}

Result<int64_t> parse_model_version(std::string_view text) {
    if (text.empty()) {
        return int64_t{-1};
    }
    int64_t version = 0;
    auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), version);
    if (error != std::errc() || rest != text.data() + text.size()) {
        return invalid_arg("failed to get model version from specified version string '" +
                           std::string(text) +
                           "' (details: stol), version should be an integral value > 0");
    }
    if (version <= 0) {
        return invalid_arg("invalid model version specified '" + std::string(text) +
                           "' , version should be an integral value > 0");
    }
    return version;
}

}  // namespace tritonpy
