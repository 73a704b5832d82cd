// What the scheduler's tests share: configs, answers, and a scheduler that is stepped by hand.
//
// Threads: compatible; functions and one small class only.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "scheduler/scheduler_factory.h"
#include "support/collecting_sink.h"
#include "support/request_builder.h"

namespace tritonpy {

inline constexpr int64_t kUs = 1'000;

inline BatcherConfig default_config() {
    BatcherConfig config;
    config.max_batch_size = 8;
    return config;
}

inline BatcherConfig dynamic_config(std::vector<int64_t> preferred = {8}, int64_t delay_us = 0) {
    BatcherConfig config = default_config();
    config.dynamic_batching = true;
    config.preferred_batch_sizes = std::move(preferred);
    config.max_queue_delay_us = delay_us;
    return config;
}

inline std::unique_ptr<InferenceResponse> answer(std::unique_ptr<InferenceRequest> request) {
    auto response = std::make_unique<InferenceResponse>();
    response->request = std::move(request);
    return response;
}

// One scheduler, stepped by hand.
class Stepper {
  public:
    explicit Stepper(BatcherConfig config) : scheduler(make_scheduler(config, clock)) {}

    Status enqueue(int64_t rows, uint64_t tag, int64_t now_ns = 0) {
        std::unique_ptr<InferenceRequest> request = make_rows_request(rows, &sink, tag);
        return enqueue(std::move(request), now_ns);
    }
    Status enqueue(std::unique_ptr<InferenceRequest> request, int64_t now_ns = 0) {
        Status status = scheduler->enqueue(request, now_ns);
        EXPECT_EQ(status.ok(), request == nullptr);
        return status;
    }
    // Pulls into an empty batch; `dropped` gathers.
    Pull pull(int64_t now_ns = 0) {
        batch.clear();
        return scheduler->try_pull(0, now_ns, batch, dropped);
    }
    // The tags of the batch that is pulled at `now_ns`; empty when there is none.
    std::vector<uint64_t> pull_tags(int64_t now_ns = 0) {
        const Pull pulled = pull(now_ns);
        EXPECT_EQ(pulled.kind == Pull::Kind::kBatch, !batch.requests.empty());
        std::vector<uint64_t> tags;
        for (const auto& request : batch.requests) {
            tags.push_back(request->tag);
        }
        return tags;
    }

    ManualClock clock;
    CollectingSink sink;
    std::unique_ptr<Scheduler> scheduler;
    Batch batch;
    std::vector<DroppedRequest> dropped;
};

}  // namespace tritonpy
