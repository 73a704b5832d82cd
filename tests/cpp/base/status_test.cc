// Goal: a Status says exactly what went wrong and costs nothing when nothing did.
// Method: every code with its words, copies and moves, and the two macros that propagate.
#include "base/status.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>

namespace tritonpy {
namespace {

TEST(Status, default_is_ok_and_one_word) {
    Status status;
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(status.message(), "");
    EXPECT_EQ(sizeof(Status), sizeof(void*));
}

TEST(Status, each_maker_gives_its_code_with_the_words_of_triton) {
    struct Case {
        Status status;
        StatusCode code;
        std::string_view words;
    };
    std::array<Case, 8> cases{{
        {unknown_error("t"), StatusCode::kUnknown, "Unknown"},
        {internal_error("t"), StatusCode::kInternal, "Internal"},
        {not_found("t"), StatusCode::kNotFound, "Not found"},
        {invalid_arg("t"), StatusCode::kInvalidArg, "Invalid argument"},
        {unavailable("t"), StatusCode::kUnavailable, "Unavailable"},
        {unsupported("t"), StatusCode::kUnsupported, "Unsupported"},
        {already_exists("t"), StatusCode::kAlreadyExists, "Already exists"},
        {cancelled("t"), StatusCode::kCancelled, "Cancelled"},
    }};
    for (const Case& one : cases) {
        SCOPED_TRACE(one.words);
        EXPECT_FALSE(one.status.ok());
        EXPECT_EQ(one.status.code(), one.code);
        EXPECT_EQ(one.status.message(), "t");
        EXPECT_EQ(code_name(one.code), one.words);
    }
}

TEST(Status, copies_are_independent_and_equal) {
    Status original = not_found("gone");
    Status copy = original;
    EXPECT_EQ(copy, original);
    original = internal_error("other");
    EXPECT_EQ(copy, not_found("gone"));
    const Status& itself = copy;
    copy = itself;
    EXPECT_EQ(copy, not_found("gone"));
    copy = Status();
    EXPECT_TRUE(copy.ok());
}

TEST(Status, equality_compares_code_and_text) {
    EXPECT_EQ(Status(), Status());
    EXPECT_FALSE(Status() == not_found(""));
    EXPECT_FALSE(not_found("a") == not_found("b"));
    EXPECT_FALSE(not_found("a") == internal_error("a"));
}

TEST(Status, return_if_error_stops_at_the_first_error_and_evaluates_once) {
    int evaluated = 0;
    auto step = [&](Status status) {
        ++evaluated;
        return status;
    };
    auto run = [&]() -> Status {
        TRITONPY_RETURN_IF_ERROR(step(Status()));
        TRITONPY_RETURN_IF_ERROR(step(unavailable("full")));
        TRITONPY_RETURN_IF_ERROR(step(internal_error("never reached")));
        return Status();
    };
    EXPECT_EQ(run(), unavailable("full"));
    EXPECT_EQ(evaluated, 2);
}

}  // namespace
}  // namespace tritonpy
