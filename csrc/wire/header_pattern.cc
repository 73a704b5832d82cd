#include "wire/header_pattern.h"

#include <regex>
#include <string>
#include <utility>

#include "base/limits.h"

namespace tritonpy {

namespace {

// Takes a flag off the front.
HeaderPattern::Case case_of(std::string_view& pattern, HeaderPattern::Case otherwise) {
    constexpr std::string_view kIgnores = "(?i)";
    constexpr std::string_view kMinds = "(?-i)";
    if (pattern.starts_with(kIgnores)) {
        pattern.remove_prefix(kIgnores.size());
        return HeaderPattern::Case::kIgnored;
    }
    if (pattern.starts_with(kMinds)) {
        pattern.remove_prefix(kMinds.size());
        return HeaderPattern::Case::kMinded;
    }
    return otherwise;
}

std::regex::flag_type flags_of(HeaderPattern::Case letters) {
    std::regex::flag_type flags = std::regex::ECMAScript | std::regex::nosubs;
#ifdef __GLIBCXX__
    flags |= std::regex_constants::__polynomial;  // no going back, and no back references
#endif
    return letters == HeaderPattern::Case::kIgnored ? flags | std::regex::icase : flags;
}

}  // namespace

struct HeaderPattern::Automaton {
    std::regex regex;
};

HeaderPattern::HeaderPattern(std::unique_ptr<const Automaton> automaton)
    : automaton_(std::move(automaton)) {}

HeaderPattern::~HeaderPattern() = default;

Result<std::shared_ptr<const HeaderPattern>> HeaderPattern::make(std::string_view pattern,
                                                                 Case letters) {
    if (pattern.empty()) {
        return std::shared_ptr<const HeaderPattern>();
    }
    std::string_view rest = pattern;
    const Case meant = case_of(rest, letters);
    try {
        auto automaton = std::make_unique<const Automaton>(
            Automaton{std::regex(rest.begin(), rest.end(), flags_of(meant))});
        return std::make_shared<const HeaderPattern>(std::move(automaton));
    } catch (const std::regex_error& error) {
        return invalid_arg("header forward pattern '" + std::string(pattern) +
                           "' is no regular expression: " + error.what());
    }
}

bool HeaderPattern::matches(std::string_view name) const {
    return name.size() <= limits::kMaxForwardedName &&
           std::regex_search(name.begin(), name.end(), automaton_->regex);
}

}  // namespace tritonpy
