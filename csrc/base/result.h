// A value, or the Status that says why there is none.
//
// Threads: compatible. Owns: the value.
#pragma once

#include <optional>
#include <utility>

#include "base/check.h"
#include "base/status.h"

namespace tritonpy {

template <typename T>
class [[nodiscard]] Result {
  public:
    // Implicit, both, so that `return value;` and `return status;` read.
    Result(T value) : value_(std::move(value)) {}  // NOLINT
    // REQUIRES: !status.ok().
    Result(Status status) : status_(std::move(status)) {  // NOLINT
        TRITONPY_CHECK(!status_.ok());
    }

    bool ok() const { return value_.has_value(); }

    // OK when there is a value.
    const Status& status() const { return status_; }

    // REQUIRES: ok().
    T& value() & { return *value_; }
    const T& value() const& { return *value_; }
    T&& value() && { return *std::move(value_); }

  private:
    std::optional<T> value_;
    Status status_;
};

}  // namespace tritonpy

#define TRITONPY_CONCAT_INNER(a, b) a##b
#define TRITONPY_CONCAT(a, b) TRITONPY_CONCAT_INNER(a, b)

// Declares or assigns `target` from the Result `expr`, or returns its Status.
#define TRITONPY_ASSIGN_OR_RETURN(target, expr) \
    TRITONPY_ASSIGN_OR_RETURN_INNER(TRITONPY_CONCAT(result_, __LINE__), target, expr)
#define TRITONPY_ASSIGN_OR_RETURN_INNER(result, target, expr) \
    auto result = (expr);                                     \
    if (!result.ok()) {                                       \
        return result.status();                               \
    }                                                         \
    target = std::move(result).value()
