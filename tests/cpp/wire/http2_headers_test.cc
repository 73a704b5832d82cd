// Goal: fields come back as they were added, and lists that are no request are told from those that
// are.
// Method: lists by hand, each with one thing wrong.
#include "wire/http2_headers.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tritonpy {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

const Fields kRequest = {{":method", "POST"},
                         {":scheme", "http"},
                         {":path", "/a.B/C"},
                         {":authority", "host"},
                         {"te", "trailers"},
                         {"x-my_header.1", "a\tb \x80\xFF"}};

Http2Headers headers_of(const Fields& fields) {
    Http2Headers headers;
    for (const auto& [name, value] : fields) {
        headers.add(name, value);
    }
    return headers;
}

bool is_request_with(std::string_view name, std::string_view value) {
    Http2Headers headers = headers_of(kRequest);
    headers.add(name, value);
    return headers.is_request();
}

TEST(Http2Headers, fields_are_kept_in_order) {
    Http2Headers headers = headers_of(kRequest);
    headers.add("long", std::string(10'000, 'v'));
    headers.add("empty", "");
    ASSERT_EQ(headers.count(), kRequest.size() + 2);
    for (size_t index = 0; index < kRequest.size(); ++index) {
        EXPECT_EQ(headers.at(index).name, kRequest[index].first);
        EXPECT_EQ(headers.at(index).value, kRequest[index].second);
    }
    EXPECT_EQ(headers.find("long").size(), 10'000u);
    EXPECT_EQ(headers.find("empty"), "");
    headers.clear();
    EXPECT_EQ(headers.count(), 0u);
    EXPECT_EQ(headers.size(), 0u);
    headers.add("a", "b");
    EXPECT_EQ(headers.find("a"), "b");
    EXPECT_EQ(headers.size(), 2u);
}

TEST(Http2Headers, lists_are_equal_when_every_name_and_value_is) {
    Http2Headers headers = headers_of(kRequest);
    Http2Headers other = headers_of({{"unusual", std::string(5'000, 'x')}});
    EXPECT_FALSE(headers == other);
    other.clear();
    for (const auto& [name, value] : kRequest) {
        other.add(name, value);
    }
    EXPECT_TRUE(headers == other);
    EXPECT_FALSE(headers_of({{"ab", "c"}}) == headers_of({{"a", "bc"}}));
    EXPECT_FALSE(headers_of({{"ab", "c"}}) == headers_of({{"ab", "c"}, {"", ""}}));
}

TEST(Http2Headers, well_formed_list_is_a_request) {
    EXPECT_TRUE(headers_of(kRequest).is_request());
    EXPECT_TRUE(is_request_with("x", ""));
    EXPECT_TRUE(
        headers_of({{":path", "/"}, {":method", "GET"}, {":scheme", "https"}}).is_request());
}

TEST(Http2Headers, pseudo_headers_come_once_and_first_and_none_is_missing) {
    for (size_t missing = 0; missing < 3; ++missing) {
        Fields fields = kRequest;
        fields.erase(fields.begin() + static_cast<ptrdiff_t>(missing));
        EXPECT_FALSE(headers_of(fields).is_request()) << missing;
    }
    Fields twice = kRequest;
    twice.insert(twice.begin(), {":authority", "other"});
    EXPECT_FALSE(headers_of(twice).is_request());
    Fields late = kRequest;
    std::swap(late[3], late[4]);
    EXPECT_FALSE(headers_of(late).is_request());
    Fields unknown = kRequest;
    unknown[3].first = ":protocol";
    EXPECT_FALSE(headers_of(unknown).is_request());
}

TEST(Http2Headers, names_and_values_have_only_characters_that_they_may) {
    for (std::string_view name : {"", "X", "a b", "a:", "caf\xC3\xA9", "a\n"}) {
        EXPECT_FALSE(is_request_with(name, "v")) << name;
    }
    for (std::string_view value : {std::string_view("a\nb"), std::string_view("a\rb"),
                                   std::string_view("\x7F"), std::string_view("a\0b", 3)}) {
        EXPECT_FALSE(is_request_with("x", value)) << value;
    }
}

TEST(Http2Headers, what_is_of_http1_is_no_request) {
    for (std::string_view name :
         {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}) {
        EXPECT_FALSE(is_request_with(name, "x")) << name;
    }
    EXPECT_FALSE(is_request_with("te", "gzip"));
    EXPECT_TRUE(is_request_with("te", "trailers"));
}

}  // namespace
}  // namespace tritonpy
