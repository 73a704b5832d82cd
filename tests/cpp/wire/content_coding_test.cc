// Goal: bodies come back from their coding as they were, within bounds, and what is no such coding
// is said to be none.
// Method: bodies of all sizes through compress and decompress, and through zlib by itself; data cut
// off at every byte, changed at every byte, followed by more; bombs around the limit.
#include <gtest/gtest.h>
#include <zlib.h>

#include <random>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "wire/content_coding.h"
#include "wire/wire_fixture.h"

namespace tritonpy {
namespace {

constexpr ContentCoding kCodings[] = {ContentCoding::kGzip, ContentCoding::kDeflate};

std::string compressed(std::string_view text, ContentCoding coding, int level = 6) {
    EncodedBody body;
    body.append_owned(std::string(text.substr(0, text.size() / 3)));
    body.append_borrowed({});
    body.append_borrowed(std::as_bytes(std::span(text.substr(text.size() / 3))));
    return compress(body, coding, level);
}

// The text, or the error's.
std::string decompressed(std::string_view data, ContentCoding coding, size_t max_size = 1 << 26) {
    BlockPool pool;
    Result<BufferRef> result = decompress(text_buffer(data), coding, max_size, pool);
    if (result.ok()) {
        return text_of({result.value()->data(), result.value()->size()});
    }
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArg);
    return std::string(result.status().message());
}

std::string noise(size_t size) {
    std::mt19937 random(1);
    std::string text;
    while (text.size() < size) {
        text.push_back(static_cast<char>(random()));
    }
    return text;
}

TEST(ContentCoding, names_are_read_in_any_case) {
    for (ContentCoding coding :
         {ContentCoding::kIdentity, ContentCoding::kGzip, ContentCoding::kDeflate}) {
        EXPECT_EQ(content_coding_of(name_of(coding)), coding);
    }
    EXPECT_EQ(content_coding_of(""), ContentCoding::kIdentity);
    EXPECT_EQ(content_coding_of(" \tGZip "), ContentCoding::kGzip);
    EXPECT_EQ(content_coding_of("Identity"), ContentCoding::kIdentity);
    for (std::string_view unknown : {"br", "x-gzip", "gzip, deflate", "gzi", "gzipp", "zstd"}) {
        EXPECT_EQ(content_coding_of(unknown), std::nullopt) << unknown;
    }
}

TEST(ContentCoding, first_of_the_highest_weight_wins) {
    struct Case {
        std::string_view header;
        ContentCoding coding;
    };
    for (const Case& row :
         {Case{"", ContentCoding::kIdentity},
          {"gzip", ContentCoding::kGzip},
          {"GZIP", ContentCoding::kGzip},
          {"deflate, gzip", ContentCoding::kDeflate},
          {"gzip;q=0.2,deflate;q=0.9", ContentCoding::kDeflate},
          {"gzip ; q = 0.2 , deflate", ContentCoding::kDeflate},
          {"gzip;Q=0.2,deflate;q=0.1", ContentCoding::kGzip},
          {"identity, gzip", ContentCoding::kIdentity},
          {"gzip, identity", ContentCoding::kGzip},
          {"identity;q=1, gzip;q=0.9", ContentCoding::kIdentity},
          {"identity;q=0.5, gzip;q=0.9", ContentCoding::kGzip},
          {"gzip;q=0", ContentCoding::kIdentity},
          {"gzip;q=0.0", ContentCoding::kIdentity},
          {"*", ContentCoding::kIdentity},
          {"*;q=1, deflate;q=0.1", ContentCoding::kDeflate},
          {"gzip;q=2, deflate;q=0.5", ContentCoding::kDeflate},
          {"gzip;q=-1, deflate;q=0.5", ContentCoding::kDeflate},
          {"gzip;q=, deflate;q=nan, identity;level=1", ContentCoding::kIdentity},
          {"gzip;q=inf", ContentCoding::kIdentity},
          {"gzip;q=0.5x, deflate;q=1e-3", ContentCoding::kDeflate},
          {"gzip;q=1;level=9, deflate;q=.1", ContentCoding::kDeflate},
          {"gzip;q=oops, deflate;q=0.1", ContentCoding::kDeflate},
          {",;=,gzip;;,deflate", ContentCoding::kDeflate},
          {";q=1,deflate;q=0.5", ContentCoding::kDeflate},
          {"br, zstd", ContentCoding::kIdentity}}) {
        EXPECT_EQ(choose_coding(row.header), row.coding) << row.header;
    }
}

TEST(ContentCoding, body_of_any_size_comes_back) {
    for (ContentCoding coding : kCodings) {
        for (size_t size : {0, 1, 100, 4095, 4096, 4097, 16384, 100'000, 5'000'000}) {
            std::string text(size, 'a');
            std::string random_text = noise(size < 100'000 ? size : 0);
            for (int level : {1, 6, 9}) {
                EXPECT_TRUE(decompressed(compressed(text, coding, level), coding) == text) << size;
                EXPECT_TRUE(decompressed(compressed(random_text, coding, level), coding) ==
                            random_text)
                    << size;
            }
        }
    }
}

TEST(ContentCoding, deflate_is_what_zlib_calls_compress) {
    std::string text = "text text text";
    std::string by_zlib(compressBound(text.size()), '\0');
    uLongf size = by_zlib.size();
    ASSERT_EQ(::compress(reinterpret_cast<Bytef*>(by_zlib.data()), &size,
                         reinterpret_cast<const Bytef*>(text.data()), text.size()),
              Z_OK);
    by_zlib.resize(size);
    EXPECT_EQ(decompressed(by_zlib, ContentCoding::kDeflate), text);
    EXPECT_EQ(compressed(text, ContentCoding::kDeflate), by_zlib);
    EXPECT_TRUE(compressed(text, ContentCoding::kGzip).starts_with("\x1F\x8B"));
}

TEST(ContentCoding, level_that_zlib_does_not_know_gives_nothing) {
    EXPECT_EQ(compressed("text", ContentCoding::kGzip, 10), "");
}

TEST(ContentCoding, body_beyond_the_limit_is_refused_exactly_there) {
    for (ContentCoding coding : kCodings) {
        for (size_t limit : {1, 1000, 4096, 100'000}) {
            EXPECT_EQ(decompressed(compressed(std::string(limit, 'a'), coding), coding, limit),
                      std::string(limit, 'a'));
            for (size_t size : {limit + 1, limit + 10'000'000}) {
                EXPECT_EQ(decompressed(compressed(std::string(size, 'a'), coding), coding, limit),
                          "Decompressed data size exceeds the maximum allowed value of " +
                              std::to_string(limit) +
                              " bytes. Use --http-max-input-size to increase the limit.");
            }
        }
        EXPECT_EQ(decompressed(compressed("", coding), coding, 0), "");
    }
}

TEST(ContentCoding, memory_of_a_bomb_stays_near_the_limit) {
    std::string bomb = compressed(std::string(50'000'000, 'a'), ContentCoding::kGzip);
    BlockPool pool;
    EXPECT_FALSE(decompress(text_buffer(bomb), ContentCoding::kGzip, 10'000, pool).ok());
    EXPECT_LE(pool.cached_bytes(), 32'768u) << "blocks of doubling size, rounded up";
    EXPECT_EQ(pool.live_blocks(), 0u);
}

TEST(ContentCoding, body_cut_off_anywhere_ends_too_early) {
    for (ContentCoding coding : kCodings) {
        std::string whole = compressed("a text that is a text", coding);
        for (size_t size = 0; size < whole.size(); ++size) {
            EXPECT_EQ(decompressed(whole.substr(0, size), coding),
                      "failed to decompress the request body: it ends too early")
                << size;
        }
    }
}

TEST(ContentCoding, data_after_the_end_is_refused) {
    for (ContentCoding coding : kCodings) {
        std::string whole = compressed("text", coding);
        for (const std::string& more : {std::string("x"), std::string(1, '\0'), whole}) {
            EXPECT_EQ(decompressed(whole + more, coding),
                      "failed to decompress the request body: it has data after its end");
        }
    }
}

TEST(ContentCoding, broken_body_is_said_so_as_python_says_it) {
    EXPECT_EQ(decompressed("no gzip at all", ContentCoding::kGzip),
              "failed to decompress the request body: Error -3 while decompressing data: "
              "incorrect header check");
    EXPECT_EQ(decompressed(compressed("text", ContentCoding::kGzip), ContentCoding::kDeflate),
              "failed to decompress the request body: Error -3 while decompressing data: "
              "incorrect header check");
    EXPECT_EQ(decompressed("\x78\xBB\x01\x01\x01\x01", ContentCoding::kDeflate),
              "failed to decompress the request body: Error 2 while decompressing data")
        << "it asks for a dictionary";
}

TEST(ContentCoding, changed_byte_never_passes_for_the_text) {
    for (ContentCoding coding : kCodings) {
        std::string text = "a text that is a text, and noise: " + noise(50);
        std::string whole = compressed(text, coding);
        constexpr size_t kGzipHeader = 10;  // flags, time and system are not part of the text
        for (size_t at = coding == ContentCoding::kGzip ? kGzipHeader : 0; at < whole.size();
             ++at) {
            std::string broken = whole;
            broken[at] = static_cast<char>(broken[at] ^ 0x55);
            EXPECT_TRUE(decompressed(broken, coding).starts_with("failed to decompress"))
                << name_of(coding) << " at " << at;
        }
    }
}

}  // namespace
}  // namespace tritonpy
