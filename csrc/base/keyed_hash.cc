#include "base/keyed_hash.h"

#include <sys/random.h>

#include <cstring>

#include "base/check.h"

namespace tritonpy {

namespace {

constexpr size_t kWord = sizeof(uint64_t);
// What the 128-bit form of the hash puts in at the start, before the first half and the second.
constexpr uint64_t kWide = 0xee;
constexpr uint64_t kSecondHalf = 0xdd;

uint64_t word_at(const std::byte* bytes, size_t size = kWord) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, size);
    return word;
}

}  // namespace

KeyedHash::KeyedHash(const Key& key)
    : v0_(key.low ^ 0x736f6d6570736575),
      v1_(key.high ^ 0x646f72616e646f6d ^ kWide),
      v2_(key.low ^ 0x6c7967656e657261),
      v3_(key.high ^ 0x7465646279746573) {}

KeyedHash::Key KeyedHash::random_key() {
    Key key;
    // So few bytes come whole or not at all, and there is no server without them.
    TRITONPY_CHECK(getrandom(&key, sizeof(key), 0) == static_cast<ssize_t>(sizeof(key)));
    return key;
}

void KeyedHash::round() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32) + v3_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
}

void KeyedHash::absorb(uint64_t word) {
    v3_ ^= word;
    round();
    round();
    v0_ ^= word;
}

void KeyedHash::add(std::span<const std::byte> bytes) {
    const std::byte* at = bytes.data();
    size_t left = bytes.size();
    const size_t held = length_ % kWord;
    length_ += left;
    if (held > 0) {
        const size_t taken = left < kWord - held ? left : kWord - held;
        tail_ |= taken == 0 ? 0 : word_at(at, taken) << (8 * held);
        if (held + taken < kWord) {
            return;
        }
        absorb(tail_);
        at += taken;
        left -= taken;
    }
    for (; left >= kWord; at += kWord, left -= kWord) {
        absorb(word_at(at));
    }
    tail_ = left == 0 ? 0 : word_at(at, left);
}

void KeyedHash::add_number(uint64_t number) {
    add(std::as_bytes(std::span(&number, 1)));
}

void KeyedHash::add_text(std::string_view text) {
    add_number(text.size());
    add(std::as_bytes(std::span(text)));
}

KeyedHash::Digest KeyedHash::finish() {
    absorb(tail_ | length_ << 56);
    const auto half = [this](uint64_t& word, uint64_t mark) {
        word ^= mark;
        for (int i = 0; i < 4; ++i) {
            round();
        }
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    };
    Digest digest;
    digest.low = half(v2_, kWide);
    digest.high = half(v1_, kSecondHalf);
    return digest;
}

}  // namespace tritonpy
