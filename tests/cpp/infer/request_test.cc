// Goal: a request knows whether its client has gone, and a response brings the request home.
// Method: set the shared flag from outside; deliver a response to a sink from another thread.
#include "infer/request.h"

#include <gtest/gtest.h>

#include <thread>
#include <utility>

#include "infer/response.h"
#include "support/collecting_sink.h"
#include "support/request_builder.h"

namespace tritonpy {
namespace {

TEST(InferenceRequest, is_cancelled_once_its_front_end_says_so) {
    InferenceRequest request;
    EXPECT_FALSE(request.is_cancelled());
    auto cancellation = std::make_shared<Cancellation>();
    request.cancellation = cancellation;
    EXPECT_FALSE(request.is_cancelled());
    cancellation->requested = true;
    EXPECT_TRUE(request.is_cancelled());
}

TEST(InferenceResponse, brings_its_request_home_to_the_sink) {
    CollectingSink sink;
    std::unique_ptr<InferenceRequest> request = make_rows_request(2, &sink, 7);
    InferenceRequest* sent = request.get();
    std::thread instance([&] {
        auto response = std::make_unique<InferenceResponse>();
        ResponseSink& home = *request->sink;
        response->request = std::move(request);
        home.deliver(std::move(response));
    });
    auto responses = sink.wait_and_take(1);
    instance.join();
    ASSERT_EQ(responses.size(), 1u);
    EXPECT_TRUE(responses[0]->final);
    EXPECT_EQ(responses[0]->request.get(), sent);
    EXPECT_EQ(responses[0]->request->tag, 7u);
    EXPECT_EQ(values_of<float>(responses[0]->request->inputs[0]), (std::vector<float>{7, 8}));
}

}  // namespace
}  // namespace tritonpy
