// Goal: the hash is SipHash-2-4 with 128 bits, whatever the pieces that its text comes in.
// Method: digests that OpenSSL's SIPHASH gave for the key 00 01 .. 0f and the text 00 01 02 ...,
// and every way to cut a text in two.
#include "base/keyed_hash.h"

#include <gtest/gtest.h>

#include <vector>

namespace tritonpy {
namespace {

constexpr KeyedHash::Key kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

std::vector<std::byte> counting(size_t size) {
    std::vector<std::byte> bytes(size);
    for (size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::byte>(i);
    }
    return bytes;
}

KeyedHash::Digest digest_of(size_t size, const KeyedHash::Key& key = kKey) {
    KeyedHash hash(key);
    hash.add(counting(size));
    return hash.finish();
}

TEST(KeyedHashTest, gives_the_digests_of_the_algorithm) {
    const auto digest = [](uint64_t low, uint64_t high) { return KeyedHash::Digest{low, high}; };
    EXPECT_EQ(digest_of(0), digest(0xe6a825ba047f81a3, 0x930255c71472f66d));
    EXPECT_EQ(digest_of(1), digest(0x44af996bd8c187da, 0x45fc229b11597634));
    EXPECT_EQ(digest_of(15), digest(0x11a8b03399e99354, 0xd9c3cf970fec087e));
    EXPECT_EQ(digest_of(16), digest(0xbb54b067caa4e26e, 0x77052385bf1533fd));
    EXPECT_EQ(digest_of(63), digest(0x4a83502f77d15051, 0x7cbd3f979a063e50));
}

TEST(KeyedHashTest, pieces_do_not_matter) {
    const std::vector<std::byte> text = counting(33);
    for (size_t first = 0; first <= text.size(); ++first) {
        for (size_t second = 0; first + second <= text.size(); ++second) {
            KeyedHash hash(kKey);
            const std::span all(text);
            hash.add(all.first(first));
            hash.add(all.subspan(first, second));
            hash.add(all.subspan(first + second));
            EXPECT_EQ(hash.finish(), digest_of(33)) << first << ' ' << second;
        }
    }
}

TEST(KeyedHashTest, lengths_keep_texts_apart) {
    KeyedHash one(kKey);
    one.add_text("ab");
    one.add_text("c");
    KeyedHash other(kKey);
    other.add_text("a");
    other.add_text("bc");
    EXPECT_NE(one.finish(), other.finish());
}

TEST(KeyedHashTest, keys_differ_and_so_do_their_digests) {
    EXPECT_NE(digest_of(8, KeyedHash::random_key()), digest_of(8, KeyedHash::random_key()));
}

}  // namespace
}  // namespace tritonpy
