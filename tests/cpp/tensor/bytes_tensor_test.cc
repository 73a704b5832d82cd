// Goal: strings survive the serialisation, and no length in it can make anybody read past its end.
// Method: known faults; then, seeded, round trips of random strings and scans of damaged and random
// bytes that lie in a heap block of exactly their size, for AddressSanitizer to watch.
#include "tensor/bytes_tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace tritonpy {
namespace {

std::vector<std::byte> serialise(const std::vector<std::string>& elements) {
    std::vector<std::byte> bytes;
    for (const std::string& element : elements) {
        append_bytes_element(bytes, element);
    }
    return bytes;
}

std::vector<std::string> read_all(std::span<const std::byte> bytes) {
    std::vector<std::string> elements;
    for (BytesReader reader(bytes); !reader.at_end();) {
        elements.emplace_back(reader.next());
    }
    return elements;
}

std::vector<std::byte> bytes_of(std::string_view text) {
    auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

// Scans a copy of exactly the right size, so that one byte too far is out of bounds.
BytesScan scan_exact(const std::vector<std::byte>& bytes, int64_t max_elements = -1) {
    auto copy = std::make_unique<std::byte[]>(bytes.size());
    std::ranges::copy(bytes, copy.get());
    return scan_bytes({copy.get(), bytes.size()}, max_elements);
}

void expect_scan(const BytesScan& scan, BytesFault fault, int64_t elements, size_t consumed) {
    EXPECT_EQ(scan.fault, fault);
    EXPECT_EQ(scan.element_count, elements);
    EXPECT_EQ(scan.consumed_bytes, consumed);
}

TEST(BytesTensor, element_is_a_little_endian_length_and_its_bytes) {
    EXPECT_EQ(serialise({"ab"}), bytes_of(std::string_view("\x02\0\0\0ab", 6)));
    EXPECT_EQ(serialise({""}), bytes_of(std::string_view("\0\0\0\0", 4)));
    EXPECT_EQ(serialise({std::string(258, 'x')})[1], std::byte{1});
}

TEST(BytesTensor, writing_in_place_gives_the_same_bytes_as_appending) {
    std::vector<std::byte> expected = serialise({"one", "", "three"});
    std::vector<std::byte> bytes(expected.size());
    std::byte* end = bytes.data();
    for (std::string_view element : {"one", "", "three"}) {
        end = write_bytes_element(end, element);
    }
    EXPECT_EQ(end, bytes.data() + bytes.size());
    EXPECT_EQ(bytes, expected);
}

TEST(ScanBytes, whole_serialisation_is_counted_and_consumed) {
    expect_scan(scan_exact({}), BytesFault::kNone, 0, 0);
    expect_scan(scan_exact(serialise({"a", "", "ccc"})), BytesFault::kNone, 3, 16);
}

TEST(ScanBytes, stops_after_the_elements_asked_for) {
    std::vector<std::byte> bytes = serialise({"a", "", "ccc"});
    expect_scan(scan_exact(bytes, 0), BytesFault::kNone, 0, 0);
    expect_scan(scan_exact(bytes, 1), BytesFault::kNone, 1, 5);
    expect_scan(scan_exact(bytes, 2), BytesFault::kNone, 2, 9);
    expect_scan(scan_exact(bytes, 3), BytesFault::kNone, 3, 16);
    expect_scan(scan_exact(bytes, 4), BytesFault::kNone, 3, 16);
}

TEST(ScanBytes, does_not_look_behind_the_elements_asked_for) {
    std::vector<std::byte> bytes = serialise({"a"});
    bytes.push_back(std::byte{9});
    expect_scan(scan_exact(bytes, 1), BytesFault::kNone, 1, 5);
    expect_scan(scan_exact(bytes, 2), BytesFault::kTruncatedLength, 1, 5);
}

TEST(ScanBytes, fewer_than_four_bytes_are_no_length) {
    for (size_t left : {1u, 2u, 3u}) {
        std::vector<std::byte> bytes = serialise({"ab"});
        bytes.resize(bytes.size() + left);
        expect_scan(scan_exact(bytes), BytesFault::kTruncatedLength, 1, 6);
    }
}

TEST(ScanBytes, length_beyond_the_end_is_a_truncated_element) {
    std::vector<std::byte> bytes = serialise({"ab", "cd"});
    bytes.pop_back();
    expect_scan(scan_exact(bytes), BytesFault::kTruncatedElement, 1, 6);
    expect_scan(scan_exact(bytes_of("\xff\xff\xff\xff")), BytesFault::kTruncatedElement, 0, 0);
    expect_scan(scan_exact(bytes_of("\xff\xff\xff\x7f" "abc")), BytesFault::kTruncatedElement, 0,
                0);
}

TEST(BytesTensorProperty, what_is_written_is_read_back) {
    constexpr unsigned kSeed = 20261122;
    SCOPED_TRACE(kSeed);
    std::mt19937 random(kSeed);
    for (int round = 0; round < 300; ++round) {
        std::vector<std::string> elements(random() % 20);
        for (std::string& element : elements) {
            element.resize(random() % 4 == 0 ? 0 : random() % 300);
            std::ranges::generate(element, [&] { return static_cast<char>(random()); });
        }
        std::vector<std::byte> bytes = serialise(elements);
        BytesScan scan = scan_exact(bytes);
        expect_scan(scan, BytesFault::kNone, static_cast<int64_t>(elements.size()), bytes.size());
        EXPECT_EQ(read_all(bytes), elements);
    }
}

// Whatever the bytes: what the scan calls whole can be read back, and then serialises to itself.
void expect_consistent(const std::vector<std::byte>& bytes) {
    BytesScan scan = scan_exact(bytes);
    ASSERT_LE(scan.consumed_bytes, bytes.size());
    std::vector<std::byte> whole(bytes.begin(),
                                 bytes.begin() + static_cast<ptrdiff_t>(scan.consumed_bytes));
    whole.shrink_to_fit();
    std::vector<std::string> elements = read_all(whole);
    EXPECT_EQ(static_cast<int64_t>(elements.size()), scan.element_count);
    EXPECT_EQ(serialise(elements), whole);
    size_t left = bytes.size() - scan.consumed_bytes;
    if (scan.fault == BytesFault::kNone) {
        EXPECT_EQ(left, 0u);
    } else if (scan.fault == BytesFault::kTruncatedLength) {
        EXPECT_LT(left, kBytesLengthSize);
        EXPECT_GT(left, 0u);
    } else {
        uint32_t length = 0;
        ASSERT_GE(left, kBytesLengthSize);
        std::memcpy(&length, bytes.data() + scan.consumed_bytes, kBytesLengthSize);
        EXPECT_GT(length, left - kBytesLengthSize);
    }
}

TEST(BytesTensorProperty, damaged_and_random_bytes_are_never_read_past_their_end) {
    constexpr unsigned kSeed = 4242;
    SCOPED_TRACE(kSeed);
    std::mt19937 random(kSeed);
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::byte> bytes;
        if (round % 2 == 0) {
            for (size_t count = random() % 8; count > 0; --count) {
                append_bytes_element(bytes, std::string(random() % 12, 'x'));
            }
            for (size_t hit = random() % 4; hit > 0 && !bytes.empty(); --hit) {
                bytes[random() % bytes.size()] = static_cast<std::byte>(random());
            }
            bytes.resize(bytes.size() - random() % (bytes.size() + 1));
        } else {
            bytes.resize(random() % 40);
            // Mostly small values, so that some lengths fit.
            std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random() % 3); });
        }
        expect_consistent(bytes);
    }
}

}  // namespace
}  // namespace tritonpy
