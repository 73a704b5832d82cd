// The outcome of an operation: OK, or one of Triton's error codes with a text for the client.
//
// A null pointer is OK, so that success costs one word and no allocation. Nothing on the data plane
// throws; a `Status` (or a `Result<T>`, result.h) is how failure travels.
//
// Threads: compatible. A value: copying copies the text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tritonpy {

// Triton's codes, in the order of TRITONSERVER_Error_Code. "Full" is always kUnavailable.
enum class StatusCode : uint8_t {
    kUnknown,
    kInternal,
    kNotFound,
    kInvalidArg,
    kUnavailable,
    kUnsupported,
    kAlreadyExists,
    kCancelled,
};

// The words that Triton prints for a code, e.g. "Invalid argument".
std::string_view code_name(StatusCode code);

class [[nodiscard]] Status {
  public:
    Status() = default;
    Status(StatusCode code, std::string message)
        : error_(std::make_unique<Error>(Error{code, std::move(message)})) {}

    Status(Status&&) noexcept = default;
    Status& operator=(Status&&) noexcept = default;
    Status(const Status& other)
        : error_(other.error_ ? std::make_unique<Error>(*other.error_) : nullptr) {}
    Status& operator=(const Status& other) {
        if (this != &other) {
            *this = Status(other);
        }
        return *this;
    }
    ~Status() = default;

    bool ok() const { return error_ == nullptr; }

    // REQUIRES: !ok().
    StatusCode code() const { return error_->code; }

    // Empty when ok.
    std::string_view message() const {
        return error_ ? std::string_view(error_->message) : std::string_view();
    }

    friend bool operator==(const Status& a, const Status& b) {
        return a.ok() == b.ok() &&
               (a.ok() || (a.code() == b.code() && a.message() == b.message()));
    }

  private:
    struct Error {
        StatusCode code;
        std::string message;
    };
    std::unique_ptr<Error> error_;
};

inline Status unknown_error(std::string text) {
    return Status(StatusCode::kUnknown, std::move(text));
}
inline Status internal_error(std::string text) {
    return Status(StatusCode::kInternal, std::move(text));
}
inline Status not_found(std::string text) {
    return Status(StatusCode::kNotFound, std::move(text));
}
inline Status invalid_arg(std::string text) {
    return Status(StatusCode::kInvalidArg, std::move(text));
}
inline Status unavailable(std::string text) {
    return Status(StatusCode::kUnavailable, std::move(text));
}
inline Status unsupported(std::string text) {
    return Status(StatusCode::kUnsupported, std::move(text));
}
inline Status already_exists(std::string text) {
    return Status(StatusCode::kAlreadyExists, std::move(text));
}
inline Status cancelled(std::string text) {
    return Status(StatusCode::kCancelled, std::move(text));
}

}  // namespace tritonpy

// Returns from the calling function when `expr` is not OK.
#define TRITONPY_RETURN_IF_ERROR(expr)              \
    do {                                            \
        ::tritonpy::Status status_of_expr_ = (expr); \
        if (!status_of_expr_.ok()) {                \
            return status_of_expr_;                 \
        }                                           \
    } while (false)
