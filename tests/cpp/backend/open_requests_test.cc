// Goal: each request that a worker has is finished exactly once, in the order in which its answers
// came, whoever brings them and however late; keys of other times touch nothing.
// Method: the table alone with a collecting outlet; an outlet that brings an answer from inside an
// answer; threads that answer and fail the same requests.
#include "backend/open_requests.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "support/collecting_outlet.h"
#include "support/request_builder.h"

namespace tritonpy {
namespace {

struct OpenRequestsTest : ::testing::Test {
    OpenRequestsTest() {
        single.open(outlet);
        many.open(outlet);
    }

    static OpenRequestKey put(OpenRequests& requests, uint64_t tag) {
        std::vector<OpenRequestKey> keys;
        EXPECT_TRUE(requests.reserve(1, keys).ok());
        requests.put(keys[0], make_rows_request(1, nullptr, tag));
        return keys[0];
    }
    static std::unique_ptr<InferenceResponse> said(const std::string& word) {
        auto response = std::make_unique<InferenceResponse>();
        response->parameters = {{"word", word}};
        return response;
    }
    static std::string word_of(const CollectingOutlet::Answer& answer) {
        return std::get<std::string>(answer.response->parameters.list().at(0).value);
    }

    CollectingOutlet outlet;
    OpenRequests single{"model_0", false};
    OpenRequests many{"model_0", true};
};

TEST_F(OpenRequestsTest, a_reader_of_the_log_is_told_whom_we_wait_for) {
    EXPECT_EQ(many.described(), "");
    std::vector<OpenRequestKey> keys;
    ASSERT_TRUE(many.reserve(5, keys).ok());
    auto named = make_rows_request(1);
    named->id = "first";
    many.put(keys[0], std::move(named));
    EXPECT_EQ(many.described(), "1 request [request id: first]");
    for (size_t index = 1; index < keys.size(); ++index) {
        many.put(keys[index], make_rows_request(1));
    }
    EXPECT_EQ(many.described(), "5 requests [request id: first, <id_unknown>, <id_unknown>, "
                                "<id_unknown>, ...]");
    many.fail_all(unavailable("gone"));
    EXPECT_EQ(many.described(), "");
}

TEST_F(OpenRequestsTest, a_key_is_good_until_its_request_is_finished) {
    OpenRequestKey key = put(many, 1);
    EXPECT_EQ(many.count(), 1u);
    many.answer(key.key, said("a"), false);
    many.answer(key.key, said("b"), true);
    EXPECT_EQ(many.count(), 0u);
    many.answer(key.key, said("c"), true);
    many.fail(key.key, internal_error("late"));
    auto answers = outlet.take(2);
    EXPECT_EQ(word_of(answers[0]), "a");
    EXPECT_EQ(word_of(answers[1]), "b");
    EXPECT_EQ(answers[1].request->tag, 1u);
    OpenRequestKey next = put(many, 2);
    EXPECT_EQ(next.cancel_index, key.cancel_index);  // the place is used again
    EXPECT_NE(next.key, key.key);                    // but not the key
    many.answer(key.key, said("d"), true);
    EXPECT_EQ(outlet.size(), 0u);
    many.fail_all(internal_error("end"));
}

TEST_F(OpenRequestsTest, keys_that_were_never_given_touch_nothing) {
    OpenRequestKey key = put(many, 1);
    for (uint64_t wrong : {key.key + 1, key.key + (uint64_t{1} << 32), UINT64_MAX}) {
        many.answer(wrong, said("x"), true);
    }
    EXPECT_EQ(outlet.size(), 0u);
    many.fail_all(internal_error("end"));
    EXPECT_EQ(outlet.take(1)[0].response->status, internal_error("end"));
}

TEST_F(OpenRequestsTest, keys_given_up_are_given_again) {
    std::vector<OpenRequestKey> keys;
    ASSERT_TRUE(single.reserve(3, keys).ok());
    single.give_up(keys);
    EXPECT_EQ(single.count(), 0u);
    ASSERT_TRUE(single.reserve(limits::kMaxOpenRequests, keys).ok());
    std::vector<OpenRequestKey> more;
    EXPECT_EQ(single.reserve(1, more).code(), StatusCode::kUnavailable);
    single.give_up(keys);
    EXPECT_TRUE(single.reserve(1, more).ok());
    single.give_up(more);
}

TEST_F(OpenRequestsTest, an_error_wins_over_a_response_that_was_not_yet_final) {
    OpenRequestKey key = put(single, 1);
    single.answer(key.key, said("a"), false);
    EXPECT_EQ(outlet.size(), 0u);
    single.fail(key.key, internal_error("died"));
    EXPECT_EQ(outlet.take(1)[0].response->status, internal_error("died"));
}

TEST_F(OpenRequestsTest, clients_that_have_gone_are_told_once) {
    auto flags =
        SharedArena::over(memfd_create("flags", MFD_CLOEXEC | MFD_ALLOW_SEALING)).value();
    std::vector<OpenRequestKey> keys;
    ASSERT_TRUE(many.reserve(2, keys).ok());
    auto cancellation = std::make_shared<Cancellation>();
    for (const OpenRequestKey& key : keys) {
        auto request = make_rows_request(1);
        request->cancellation = &key == &keys[0] ? std::make_shared<Cancellation>() : cancellation;
        many.put(key, std::move(request));
    }
    cancellation->requested = true;
    many.look_for_cancelled(*flags);
    auto block = flags->allocate(1).value();
    const std::byte* page = block.data - block.offset;
    EXPECT_EQ(page[keys[0].cancel_index], std::byte{0});
    EXPECT_EQ(page[keys[1].cancel_index], std::byte{1});
    many.fail_all(internal_error("end"));
}

// Answers from inside an answer, as another thread would in the middle of it.
class NestingOutlet final : public ResponseOutlet {
  public:
    void respond(const InferenceRequest&, std::unique_ptr<InferenceResponse> response) override {
        words += std::get<std::string>(response->parameters.list().at(0).value);
        if (!std::exchange(nested, true)) {
            inside();
            words += "|";
        }
    }
    void reschedule(std::unique_ptr<InferenceRequest>) override { words += "again"; }
    void finish(std::unique_ptr<InferenceRequest>,
                std::unique_ptr<InferenceResponse> response) override {
        words += response->status.ok() ? "end" : response->status.message();
    }
    std::function<void()> inside;
    bool nested = false;
    std::string words;
};

TEST_F(OpenRequestsTest, answers_that_come_while_another_is_given_wait_for_their_turn) {
    NestingOutlet nesting;
    many.open(nesting);
    OpenRequestKey key = put(many, 1);
    nesting.inside = [&] {
        many.answer(key.key, said("b"), false);
        many.fail(key.key, internal_error("failed"));
        many.answer(key.key, said("c"), false);  // after its end
        EXPECT_EQ(nesting.words, "a");
    };
    many.answer(key.key, said("a"), false);
    EXPECT_EQ(nesting.words, "a|bfailed");
    EXPECT_EQ(many.count(), 0u);
}

TEST_F(OpenRequestsTest, two_threads_finish_each_request_once) {
    constexpr uint64_t kRequests = 2000;
    std::vector<OpenRequestKey> keys;
    for (uint64_t tag = 0; tag < kRequests; ++tag) {
        keys.push_back(put(many, tag));
    }
    std::thread answering([&] {
        for (const OpenRequestKey& key : keys) {
            many.answer(key.key, said("a"), false);
            many.answer(key.key, said("b"), true);
        }
    });
    std::thread failing([&] {
        for (const OpenRequestKey& key : keys) {
            many.fail(key.key, internal_error("no"));
        }
    });
    EXPECT_TRUE(many.wait_until_empty(limits::kWorkerFarewellNs));
    answering.join();
    failing.join();
    uint64_t finished = 0;
    for (const auto& answer : outlet.take(outlet.size())) {
        finished += answer.request != nullptr;
    }
    EXPECT_EQ(finished, kRequests);
}

}  // namespace
}  // namespace tritonpy
