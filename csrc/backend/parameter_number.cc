#include "backend/parameter_number.h"

#include <charconv>
#include <string_view>

namespace tritonpy {

namespace {

template <typename Number>
Result<Number> read_number(const std::map<std::string, std::string>& parameters,
                           const std::string& name, Number fallback, std::string_view kind) {
    auto found = parameters.find(name);
    if (found == parameters.end()) {
        return fallback;
    }
    const std::string& text = found->second;
    Number number = 0;
    auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (fault != std::errc() || end != text.data() + text.size()) {
        return invalid_arg("failed to convert '" + text + "' to " + std::string(kind));
    }
    return number;
}

}  // namespace

Result<int> int_parameter(const std::map<std::string, std::string>& parameters,
                          const std::string& name, int fallback) {
    return read_number<int>(parameters, name, fallback, "integral number");
}

Result<uint64_t> uint64_parameter(const std::map<std::string, std::string>& parameters,
                                  const std::string& name, uint64_t fallback) {
    return read_number<uint64_t>(parameters, name, fallback,
                                 "unsigned long long integral number");
}

}  // namespace tritonpy
