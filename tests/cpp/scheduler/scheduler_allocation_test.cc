// Goal: once warm, passing requests through a scheduler asks the allocator for nothing.
// Method: circulate the same requests and responses, and count the process's allocations.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/clock.h"
#include "scheduler/scheduler_factory.h"
#include "support/allocation_counter.h"
#include "support/request_builder.h"

namespace tritonpy {
namespace {

// Keeps responses without growing.
class KeepingSink final : public ResponseSink {
  public:
    explicit KeepingSink(size_t capacity) { kept.reserve(capacity); }
    void deliver(std::unique_ptr<InferenceResponse> response) override {
        kept.push_back(std::move(response));
    }
    std::vector<std::unique_ptr<InferenceResponse>> kept;
};

BatcherConfig batching() {
    BatcherConfig config;
    config.dynamic_batching = true;
    config.max_batch_size = 8;
    config.preferred_batch_sizes = {8};
    return config;
}

BatcherConfig in_order() {
    BatcherConfig config = batching();
    config.preserve_ordering = true;
    return config;
}

BatcherConfig with_objective() {
    BatcherConfig config = batching();
    config.latency_objective_us = 3'600'000'000;
    return config;
}

TEST(SchedulerAllocation, steady_state_allocates_nothing) {
    for (const BatcherConfig& config : {batching(), in_order(), with_objective()}) {
        constexpr size_t kRequests = 20;
        SteadyClock clock;
        const std::unique_ptr<Scheduler> scheduler = make_scheduler(config, clock);
        KeepingSink sink(kRequests);
        for (uint64_t tag = 0; tag < kRequests; ++tag) {
            sink.kept.push_back(std::make_unique<InferenceResponse>());
            sink.kept.back()->request = make_rows_request(1, &sink, tag);
        }
        std::vector<std::unique_ptr<InferenceResponse>> blank(kRequests);
        Batch batch;
        std::vector<DroppedRequest> dropped;
        const auto circulate = [&] {
            for (size_t i = 0; i < kRequests; ++i) {
                ASSERT_TRUE(scheduler->enqueue(sink.kept[i]->request, clock.now_ns()).ok());
                blank[i] = std::move(sink.kept[i]);
            }
            sink.kept.clear();
            while (sink.kept.size() < kRequests) {
                ASSERT_EQ(scheduler->pull(0, nullptr, batch, dropped).kind, Pull::Kind::kBatch);
                for (std::unique_ptr<InferenceRequest>& request : batch.requests) {
                    std::unique_ptr<InferenceResponse> response = std::move(blank.back());
                    blank.pop_back();
                    response->request = std::move(request);
                    scheduler->deliver(std::move(response));
                }
                batch.clear();
                scheduler->executed(0);
            }
            blank.resize(kRequests);
        };
        for (int round = 0; round < 10; ++round) {
            circulate();
        }
        const uint64_t before = allocation_count.load();
        for (int round = 0; round < 1'000; ++round) {
            circulate();
        }
        EXPECT_EQ(allocation_count.load() - before, 0u);
    }
}

}  // namespace
}  // namespace tritonpy
