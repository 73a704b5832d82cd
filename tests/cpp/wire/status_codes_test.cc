// Goal: every code of the core has the statuses that Triton's clients expect, and any text fits
// into grpc-message and comes back.
// Method: the tables in full; texts of every byte, and long ones of characters of every length,
// decoded again as a client does.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "wire/status_codes.h"
#include "wire/utf8.h"

namespace tritonpy {
namespace {

constexpr size_t kMaxMessage = 6 * 1024;

std::string percent_decoded(std::string_view encoded) {
    std::string text;
    for (size_t at = 0; at < encoded.size(); ++at) {
        if (encoded[at] == '%') {
            text.push_back(
                static_cast<char>(std::stoi(std::string(encoded.substr(at + 1, 2)), nullptr, 16)));
            at += 2;
        } else {
            text.push_back(encoded[at]);
        }
    }
    return text;
}

std::string repeated(std::string_view text, size_t times) {
    std::string all;
    for (size_t count = 0; count < times; ++count) {
        all += text;
    }
    return all;
}

TEST(StatusCodes, each_code_has_its_statuses) {
    struct Case {
        StatusCode code;
        int http;
        GrpcStatus grpc;
        int grpc_number;
    };
    for (const Case& row : {Case{StatusCode::kUnknown, 400, GrpcStatus::kUnknown, 2},
                            {StatusCode::kInternal, 500, GrpcStatus::kInternal, 13},
                            {StatusCode::kNotFound, 404, GrpcStatus::kNotFound, 5},
                            {StatusCode::kInvalidArg, 400, GrpcStatus::kInvalidArgument, 3},
                            {StatusCode::kUnavailable, 503, GrpcStatus::kUnavailable, 14},
                            {StatusCode::kUnsupported, 501, GrpcStatus::kUnimplemented, 12},
                            {StatusCode::kAlreadyExists, 400, GrpcStatus::kAlreadyExists, 6},
                            {StatusCode::kCancelled, 400, GrpcStatus::kCancelled, 1}}) {
        EXPECT_EQ(http_status_of(row.code), row.http) << code_name(row.code);
        EXPECT_EQ(grpc_status_of(row.code), row.grpc) << code_name(row.code);
        EXPECT_EQ(static_cast<int>(row.grpc), row.grpc_number);
    }
}

TEST(StatusCodes, statuses_have_words) {
    EXPECT_EQ(http_reason_of(200), "OK");
    EXPECT_EQ(http_reason_of(400), "Bad Request");
    EXPECT_EQ(http_reason_of(404), "Not Found");
    EXPECT_EQ(http_reason_of(431), "Request Header Fields Too Large");
    EXPECT_EQ(http_reason_of(503), "Service Unavailable");
    EXPECT_EQ(http_reason_of(299), "Unknown");
    EXPECT_EQ(http_reason_of(-1), "Unknown");
}

TEST(GrpcMessage, plain_text_is_left_alone) {
    EXPECT_EQ(encode_grpc_message(""), "");
    std::string plain;
    for (char character = ' '; character <= '~'; ++character) {
        if (character != '%') {
            plain.push_back(character);
        }
    }
    EXPECT_EQ(encode_grpc_message(plain), plain);
}

TEST(GrpcMessage, every_other_byte_is_percent_encoded) {
    EXPECT_EQ(encode_grpc_message("100%\n\x7F\xC3\xA9"), "100%25%0A%7F%C3%A9");
    for (int byte = 0; byte < 256; ++byte) {
        std::string text(3, static_cast<char>(byte));
        std::string encoded = encode_grpc_message(text);
        EXPECT_EQ(percent_decoded(encoded), text);
        EXPECT_EQ(encoded.find_first_of(std::string_view("\0\n\r\t\x7F\xFF", 6)),
                  std::string::npos);
    }
}

TEST(GrpcMessage, text_of_exactly_the_limit_passes_and_one_more_is_cut) {
    std::string most(kMaxMessage, 'x');
    EXPECT_EQ(encode_grpc_message(most), most);
    EXPECT_EQ(encode_grpc_message(most + "x"), most + "...");
    EXPECT_EQ(encode_grpc_message(repeated("%", kMaxMessage / 3)),
              repeated("%25", kMaxMessage / 3));
    EXPECT_EQ(encode_grpc_message(repeated("%", kMaxMessage)),
              repeated("%25", kMaxMessage / 3) + "...");
}

TEST(GrpcMessage, cut_is_between_characters) {
    for (std::string_view character : {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
        for (size_t shift = 0; shift < 12; ++shift) {
            std::string text = std::string(shift, 'x') + repeated(character, kMaxMessage);
            std::string encoded = encode_grpc_message(text);
            ASSERT_TRUE(encoded.ends_with("..."));
            encoded.resize(encoded.size() - 3);
            EXPECT_LE(encoded.size(), kMaxMessage);
            EXPECT_GT(encoded.size(), kMaxMessage - 12);
            std::string decoded = percent_decoded(encoded);
            EXPECT_TRUE(is_utf8(decoded));
            EXPECT_TRUE(text.starts_with(decoded));
        }
    }
}

TEST(GrpcMessage, text_that_is_no_utf8_is_cut_near_the_limit_too) {
    std::string encoded = encode_grpc_message(std::string(kMaxMessage, '\x80'));
    EXPECT_TRUE(encoded.ends_with("%80..."));
    EXPECT_GT(encoded.size(), kMaxMessage - 12);
    EXPECT_LE(encoded.size(), kMaxMessage + 3);
}

}  // namespace
}  // namespace tritonpy
