// Goal: the hash is SHA-256, whatever pieces its text comes in.
// Method: the standard's own examples.
#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace tritonpy {
namespace {

std::string hex_of(Sha256& hash) {
    std::string text;
    for (const std::byte byte : hash.finish()) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        text += kDigits[std::to_integer<size_t>(byte) >> 4];
        text += kDigits[std::to_integer<size_t>(byte) & 15];
    }
    return text;
}

void add(Sha256& hash, std::string_view text) { hash.add(std::as_bytes(std::span(text))); }

TEST(Sha256, is_the_standard_s_in_any_pieces) {
    const char* const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    Sha256 whole;
    add(whole, "abc");
    EXPECT_EQ(hex_of(whole), abc);
    Sha256 pieces;
    for (const char* piece : {"a", "", "bc"}) {
        add(pieces, piece);
    }
    EXPECT_EQ(hex_of(pieces), abc);
    Sha256 empty;
    EXPECT_EQ(hex_of(empty), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, of_texts_covers_where_one_ends) {
    Sha256 first;
    first.add_text("ab");
    first.add_text("c");
    Sha256 second;
    second.add_text("a");
    second.add_text("bc");
    EXPECT_NE(first.finish(), second.finish());
}

}  // namespace
}  // namespace tritonpy
