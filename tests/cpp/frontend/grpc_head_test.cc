// Goal: what a call's headers say is understood, and what is no call is refused as gRPC does.
// Method: header lists with one thing changed at a time.
#include "frontend/grpc_head.h"

#include <gtest/gtest.h>

#include <string_view>
#include <utility>
#include <vector>

namespace tritonpy {
namespace {

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

Http2Headers headers_of(const Fields& fields) {
    Http2Headers headers;
    for (const auto& [name, value] : fields) {
        headers.add(name, value);
    }
    return headers;
}

// With what makes it a call in front.
GrpcHead read_with(const Fields& more) {
    Fields fields{{":method", "POST"}, {":path", "/a.B/C"}, {"content-type", "application/grpc"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return read_grpc_head(headers_of(fields));
}

TEST(GrpcHead, plain_call_has_defaults) {
    const Http2Headers headers = headers_of({{":method", "POST"},
                                             {":scheme", "http"},
                                             {":path", "/a.B/C"},
                                             {"te", "trailers"},
                                             {"content-type", "application/grpc"}});
    GrpcHead head = read_grpc_head(headers);
    EXPECT_EQ(head.path, "/a.B/C");
    EXPECT_FALSE(head.timeout_ns);
    EXPECT_EQ(head.coding, ContentCoding::kIdentity);
    EXPECT_FALSE(head.errors_end_stream);
    EXPECT_EQ(head.http_status, 200);
    EXPECT_EQ(head.error.status, GrpcStatus::kOk);
}

TEST(GrpcHead, fields_of_a_call_are_read) {
    GrpcHead head = read_with({{"grpc-timeout", "20m"},
                               {"grpc-encoding", "gzip"},
                               {"triton_grpc_error", "true"}});
    EXPECT_EQ(head.timeout_ns, 20'000'000);
    EXPECT_EQ(head.coding, ContentCoding::kGzip);
    EXPECT_TRUE(head.errors_end_stream);
    EXPECT_EQ(head.error.status, GrpcStatus::kOk);
}

TEST(GrpcHead, accepted_encodings_may_be_spread_over_lists) {
    const Http2Headers headers = headers_of({{"grpc-accept-encoding", "snappy, gzip ,"},
                                             {"grpc-accept-encoding", "deflate"}});
    EXPECT_TRUE(accepts_coding(headers, ContentCoding::kGzip));
    EXPECT_TRUE(accepts_coding(headers, ContentCoding::kDeflate));
}

TEST(GrpcHead, coding_that_is_not_listed_is_not_accepted) {
    const Http2Headers headers = headers_of({{"accept-encoding", "gzip"},
                                             {"grpc-accept-encoding", "identity,deflate"}});
    EXPECT_FALSE(accepts_coding(headers, ContentCoding::kGzip));
    EXPECT_TRUE(accepts_coding(headers, ContentCoding::kDeflate));
}

TEST(GrpcHead, only_true_ends_a_stream_with_its_first_error) {
    EXPECT_FALSE(read_with({{"triton_grpc_error", "1"}}).errors_end_stream);
    EXPECT_FALSE(read_with({{"triton_grpc_error", "True"}}).errors_end_stream);
    EXPECT_TRUE(read_with({{"triton_grpc_error", "false"}, {"triton_grpc_error", "true"}})
                    .errors_end_stream);
}

TEST(GrpcHead, content_types_of_grpc_are_taken) {
    for (std::string_view type : {"application/grpc", "application/grpc+proto",
                                  "application/grpc;charset=utf-8"}) {
        const Http2Headers headers =
            headers_of({{":method", "POST"}, {":path", "/"}, {"content-type", type}});
        EXPECT_EQ(read_grpc_head(headers).http_status, 200) << type;
    }
}

TEST(GrpcHead, other_content_types_are_unsupported) {
    for (std::string_view type : {"", "application/json", "application/grpc-web", "text/plain",
                                  "application/grp"}) {
        const Http2Headers headers =
            headers_of({{":method", "POST"}, {":path", "/"}, {"content-type", type}});
        GrpcHead head = read_grpc_head(headers);
        EXPECT_EQ(head.http_status, 415) << type;
        EXPECT_EQ(head.error.text,
                  "content-type '" + std::string(type) + "' is not gRPC's");
    }
    EXPECT_EQ(read_grpc_head(headers_of({{":method", "POST"}})).http_status, 415);
}

TEST(GrpcHead, other_methods_are_not_allowed) {
    for (std::string_view method : {"GET", "PUT", "OPTIONS", ""}) {
        GrpcHead head = read_grpc_head(
            headers_of({{":method", method}, {"content-type", "application/grpc"}}));
        EXPECT_EQ(head.http_status, 405) << method;
        EXPECT_NE(head.error.status, GrpcStatus::kOk);
    }
}

TEST(GrpcHead, unknown_encoding_is_unimplemented) {
    GrpcHead head = read_with({{"grpc-encoding", "snappy"}});
    EXPECT_EQ(head.http_status, 200);
    EXPECT_EQ(head.error.status, GrpcStatus::kUnimplemented);
    EXPECT_EQ(head.error.text, "grpc-encoding 'snappy' is not supported");
}

TEST(GrpcHead, malformed_timeout_is_an_error) {
    for (std::string_view timeout : {"", "5", "x", "5x", "-1S", "1.5S"}) {
        GrpcHead head = read_with({{"grpc-timeout", timeout}});
        EXPECT_EQ(head.error.status, GrpcStatus::kInternal) << timeout;
        EXPECT_EQ(head.http_status, 200);
    }
}

TEST(GrpcHead, the_first_thing_wrong_is_told) {
    GrpcHead head = read_with({{"grpc-encoding", "br"}, {"grpc-timeout", "x"}});
    EXPECT_EQ(head.error.status, GrpcStatus::kUnimplemented);
}

}  // namespace
}  // namespace tritonpy
