// Goal: the cache gives back what was put in, never holds more than its bytes, and pins nothing.
// Method: answers of known sizes under keys of known texts; a pool that counts its blocks.
#include "model/response_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "memory/block_pool.h"
#include "support/request_builder.h"

namespace tritonpy {
namespace {

constexpr size_t kCapacity = 64 << 10;

struct ResponseCacheTest : ::testing::Test {
    ManualClock clock{1000};
    ResponseCache cache{kCapacity, clock};
    const uint64_t owner = cache.add_owner();

    ResponseCache::Key key(const std::string& text) const {
        KeyedHash hash = cache.start_key(owner);
        hash.add_text(text);
        return hash.finish();
    }
    static InferenceResponse answer(size_t floats, float value = 0) {
        InferenceResponse response;
        response.outputs.push_back(make_tensor<float>(
            "OUTPUT0", {static_cast<int64_t>(floats)}, std::vector<float>(floats, value)));
        return response;
    }
    std::shared_ptr<const CachedResponse> find(const std::string& text) {
        return cache.find(key(text), clock.now_ns());
    }
};

TEST_F(ResponseCacheTest, gives_back_every_output_and_parameter) {
    InferenceResponse response = answer(3, 1.5f);
    response.outputs.push_back(make_string_tensor("OUTPUT1", {2}, {"a", "bcd"}));
    response.outputs.push_back(make_tensor<int64_t>("OUTPUT2", {0, 4}, {}));
    response.parameters = {{"unit", std::string("cm")}};
    ASSERT_TRUE(cache.insert(owner, key("x"), response).ok());
    const auto cached = find("x");
    ASSERT_NE(cached, nullptr);
    ASSERT_EQ(cached->outputs.size(), 3u);
    EXPECT_EQ(values_of<float>(cached->outputs[0]), (std::vector<float>{1.5f, 1.5f, 1.5f}));
    EXPECT_EQ(strings_of(cached->outputs[1]), (std::vector<std::string>{"a", "bcd"}));
    EXPECT_EQ(cached->outputs[2].shape, (Shape{0, 4}));
    EXPECT_EQ(cached->outputs[2].data_type, DataType::kInt64);
    EXPECT_EQ(cached->parameters, response.parameters);
    EXPECT_EQ(find("y"), nullptr);
}

TEST_F(ResponseCacheTest, keeps_no_block_of_a_pool) {
    BlockPool pool;
    {
        InferenceResponse response = answer(4);
        Tensor& output = response.outputs[0];
        output.buffer = pool.allocate(output.data.size()).value();
        output.data = {output.buffer->data(), output.buffer->size()};
        ASSERT_TRUE(cache.insert(owner, key("x"), response).ok());
    }
    EXPECT_EQ(pool.live_blocks(), 0u);
    EXPECT_NE(find("x"), nullptr);
}

TEST_F(ResponseCacheTest, drops_the_answer_used_longest_ago_when_it_is_full) {
    constexpr size_t kFloats = 5000;  // 20 kB: three of them fit
    for (const char* text : {"a", "b", "c"}) {
        ASSERT_TRUE(cache.insert(owner, key(text), answer(kFloats)).ok());
    }
    ASSERT_NE(find("a"), nullptr);
    ASSERT_TRUE(cache.insert(owner, key("d"), answer(kFloats)).ok());
    EXPECT_NE(find("a"), nullptr);
    EXPECT_EQ(find("b"), nullptr);
    EXPECT_NE(find("c"), nullptr);
    EXPECT_NE(find("d"), nullptr);
    EXPECT_EQ(cache.counters().evictions, 1u);
    EXPECT_EQ(cache.counters().entries, 3u);
}

TEST_F(ResponseCacheTest, never_holds_more_than_its_bytes) {
    for (size_t i = 0; i < 2000; ++i) {
        ASSERT_TRUE(cache.insert(owner, key(std::to_string(i)), answer(i % 700)).ok());
        const CacheCounters counters = cache.counters();
        ASSERT_LE(counters.bytes, kCapacity);
        ASSERT_EQ(counters.entries + counters.evictions, i + 1);
    }
    cache.forget(owner);
    EXPECT_EQ(cache.counters().bytes, 0u);
    EXPECT_EQ(cache.counters().entries, 0u);
}

TEST_F(ResponseCacheTest, an_answer_in_use_outlives_its_entry) {
    ASSERT_TRUE(cache.insert(owner, key("x"), answer(2, 7)).ok());
    const std::vector<Tensor> outputs = find("x")->outputs;
    cache.forget(owner);
    EXPECT_EQ(find("x"), nullptr);
    EXPECT_EQ(values_of<float>(outputs[0]), (std::vector<float>{7, 7}));
}

TEST_F(ResponseCacheTest, refuses_an_answer_twice_and_one_that_is_larger_than_itself) {
    ASSERT_TRUE(cache.insert(owner, key("x"), answer(1)).ok());
    const Status twice = cache.insert(owner, key("x"), answer(1));
    EXPECT_EQ(twice.code(), StatusCode::kAlreadyExists);
    EXPECT_TRUE(twice.message().ends_with("' already exists")) << twice.message();
    const Status large = cache.insert(owner, key("y"), answer(kCapacity));
    EXPECT_EQ(large.code(), StatusCode::kInvalidArg);
    const std::string text(large.message());
    EXPECT_TRUE(text.starts_with("Failed to insert key [")) << text;
    EXPECT_TRUE(text.ends_with(" is greater than total cache size: 65536")) << text;
    EXPECT_EQ(cache.counters().entries, 1u);
}

TEST_F(ResponseCacheTest, owners_have_nothing_to_do_with_each_other) {
    ASSERT_TRUE(cache.insert(owner, key("x"), answer(1)).ok());
    const uint64_t other = cache.add_owner();
    KeyedHash hash = cache.start_key(other);
    hash.add_text("x");
    EXPECT_EQ(cache.find(hash.finish(), 0), nullptr);
    cache.forget(other);
    EXPECT_NE(find("x"), nullptr);
}

TEST_F(ResponseCacheTest, counts_lookups_hits_and_their_time) {
    ASSERT_TRUE(cache.insert(owner, key("x"), answer(1)).ok());
    const int64_t since_ns = clock.now_ns();
    clock.advance_ns(30);
    cache.find(key("x"), since_ns);
    cache.find(key("y"), since_ns);
    const CacheCounters counters = cache.counters();
    EXPECT_EQ(counters.lookups, 2u);
    EXPECT_EQ(counters.hits, 1u);
    EXPECT_EQ(counters.lookup_ns, 60u);
    EXPECT_EQ(counters.capacity, kCapacity);
    EXPECT_GT(counters.bytes, 0u);
}

TEST_F(ResponseCacheTest, threads_find_whole_answers_while_others_evict) {
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (size_t i = 0; i < 2000; ++i) {
                const size_t number = (i * 7 + static_cast<size_t>(thread)) % 100;
                const auto cached = find(std::to_string(number));
                if (cached == nullptr) {
                    // Another may have been faster.
                    (void)cache.insert(owner, key(std::to_string(number)),
                                       answer(500, static_cast<float>(number)));
                    continue;
                }
                EXPECT_EQ(values_of<float>(cached->outputs[0]),
                          std::vector<float>(500, static_cast<float>(number)));
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_LE(cache.counters().bytes, kCapacity);
    EXPECT_EQ(cache.counters().lookups, 8000u);
}

}  // namespace
}  // namespace tritonpy
