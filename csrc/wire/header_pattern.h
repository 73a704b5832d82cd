// The regular expression that says which headers of a client become request parameters:
// --http-header-forward-pattern and --grpc-header-forward-pattern.
//
// It is looked for anywhere in a header's name. Triton's expressions are RE2's; these are the ones
// of ECMAScript, which spell everything alike that one would say of a header's name, but for flags:
// `(?i)` and `(?-i)` are known at the front alone. The client chooses the names, so the automaton
// never goes back: its time grows with the length of a name, and that has a bound.
//
// Threads: immutable. Limits: names above limits::kMaxForwardedName are not matched.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace tritonpy {

class HeaderPattern {
  public:
    enum class Case : uint8_t { kIgnored, kMinded };  // where the pattern has no flag of its own

    // Null for "". invalid_arg for what is no regular expression. Shared: every connection of a
    // listener reads it.
    static Result<std::shared_ptr<const HeaderPattern>> make(std::string_view pattern,
                                                             Case letters);

    struct Automaton;  // <regex> is large, and stays in one file
    explicit HeaderPattern(std::unique_ptr<const Automaton> automaton);
    ~HeaderPattern();
    HeaderPattern(const HeaderPattern&) = delete;
    HeaderPattern& operator=(const HeaderPattern&) = delete;

    bool matches(std::string_view name) const;

  private:
    const std::unique_ptr<const Automaton> automaton_;
};

}  // namespace tritonpy
