#include "backend/message_parameters.h"

#include <bit>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/limits.h"

namespace tritonpy {

namespace {

enum class ValueKind : uint8_t { kBool = 0, kInt64 = 1, kUint64 = 2, kDouble = 3, kText = 4 };

template <typename T>
constexpr ValueKind kind_of() {
    if constexpr (std::is_same_v<T, bool>) {
        return ValueKind::kBool;
    } else if constexpr (std::is_same_v<T, int64_t>) {
        return ValueKind::kInt64;
    } else if constexpr (std::is_same_v<T, uint64_t>) {
        return ValueKind::kUint64;
    } else if constexpr (std::is_same_v<T, double>) {
        return ValueKind::kDouble;
    } else {
        return ValueKind::kText;
    }
}

Result<ParameterValue> read_value(MessageReader& in) {
    auto kind = in.number<uint8_t>();
    switch (static_cast<ValueKind>(kind)) {
        case ValueKind::kBool:
            return ParameterValue(in.number<uint8_t>() != 0);
        case ValueKind::kInt64:
            return ParameterValue(in.number<int64_t>());
        case ValueKind::kUint64:
            return ParameterValue(in.number<uint64_t>());
        case ValueKind::kDouble:
            return ParameterValue(std::bit_cast<double>(in.number<uint64_t>()));
        case ValueKind::kText:
            return ParameterValue(std::string(in.text()));
    }
    return internal_error("a parameter of kind " + std::to_string(kind));
}

}  // namespace

void write_parameters(MessageWriter& out, std::span<const Parameter> parameters) {
    for (const Parameter& parameter : parameters) {
        out.text(parameter.name);
        std::visit(
            [&out]<typename T>(const T& value) {
                out.number(static_cast<uint8_t>(kind_of<T>()));
                if constexpr (std::is_same_v<T, std::string>) {
                    out.text(value);
                } else if constexpr (std::is_same_v<T, double>) {
                    out.number(std::bit_cast<uint64_t>(value));
                } else if constexpr (std::is_same_v<T, bool>) {
                    out.number(static_cast<uint8_t>(value));
                } else {
                    out.number(value);
                }
            },
            parameter.value);
    }
}

Result<std::vector<Parameter>> read_parameters(MessageReader& in, size_t count) {
    if (count > limits::kMaxParameters) {
        return internal_error(std::to_string(count) + " parameters");
    }
    std::vector<Parameter> parameters;
    for (size_t index = 0; index < count && in.ok(); ++index) {
        std::string name(in.text());
        TRITONPY_ASSIGN_OR_RETURN(ParameterValue value, read_value(in));
        parameters.push_back({std::move(name), std::move(value)});
    }
    return parameters;
}

}  // namespace tritonpy
