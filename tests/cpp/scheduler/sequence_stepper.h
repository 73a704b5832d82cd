// What the tests of the sequence batcher share: a batcher that is stepped by hand, and requests of
// sequences.
//
// Threads: compatible.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "memory/block_pool.h"
#include "scheduler/sequence_batcher.h"
#include "support/collecting_sink.h"
#include "support/request_builder.h"

namespace tritonpy {

inline constexpr int64_t kMs = 1'000'000;
inline constexpr uint32_t kStart = InferenceRequest::kSequenceStart;
inline constexpr uint32_t kEnd = InferenceRequest::kSequenceEnd;

inline std::vector<SequenceControl> all_controls() {
    using Kind = SequenceControl::Kind;
    return {{Kind::kStart, "START", DataType::kInt32, 0, 1},
            {Kind::kEnd, "END", DataType::kBool, 0, 1},
            {Kind::kReady, "READY", DataType::kFp32, -1, 1},
            {Kind::kCorrelationId, "CORRID", DataType::kUint64, 0, 0}};
}

inline SequenceConfig direct_config(int64_t max_batch_size = 4, size_t instances = 1) {
    SequenceConfig config;
    config.model_name = "model";
    config.max_batch_size = max_batch_size;
    config.instance_count = instances;
    config.max_idle_us = 1'000;
    return config;
}

inline SequenceConfig oldest_config(size_t candidates = 4, int64_t max_batch_size = 4) {
    SequenceConfig config = direct_config(max_batch_size);
    config.strategy = SequenceConfig::Strategy::kOldest;
    config.max_candidate_sequences = candidates;
    return config;
}

class SequenceStepper {
  public:
    explicit SequenceStepper(SequenceConfig config)
        : batcher(std::move(config), clock, pool) {}

    static std::unique_ptr<InferenceRequest> make(CorrelationId id, uint64_t tag,
                                                  uint32_t flags = 0) {
        std::unique_ptr<InferenceRequest> request = make_rows_request(1, nullptr, tag);
        request->correlation_id = std::move(id);
        request->flags = flags;
        return request;
    }
    Status send(CorrelationId id, uint64_t tag, uint32_t flags = 0) {
        return send(make(std::move(id), tag, flags));
    }
    Status send(std::unique_ptr<InferenceRequest> request) {
        request->sink = &sink;
        return batcher.enqueue(request, clock.now_ns());
    }
    // The tags of the next batch; 0 for a null request. Empty: there is none.
    std::vector<uint64_t> pull(size_t instance = 0) {
        Batch batch;
        last = batcher.try_pull(instance, clock.now_ns(), batch, dropped);
        std::vector<uint64_t> tags;
        for (std::unique_ptr<InferenceRequest>& request : batch.requests) {
            tags.push_back(request->is_null ? 0 : request->tag);
            running.push_back(std::move(request));
        }
        return tags;
    }
    // What the watch says now.
    Pull expire() { return batcher.try_expire(clock.now_ns(), dropped); }
    // Answers all that was pulled.
    void answer(const Status& status = Status()) {
        for (std::unique_ptr<InferenceRequest>& request : std::exchange(running, {})) {
            if (!request->is_null) {
                auto response = std::make_unique<InferenceResponse>();
                response->status = status;
                response->request = std::move(request);
                batcher.deliver(std::move(response));
            }
        }
    }
    std::vector<uint64_t> run(size_t instance = 0) {
        std::vector<uint64_t> tags = pull(instance);
        answer();
        return tags;
    }
    // Tags of what was dropped, which is forgotten; all have `status`.
    std::vector<uint64_t> take_dropped(const Status& status) {
        std::vector<uint64_t> tags;
        for (const DroppedRequest& one : std::exchange(dropped, {})) {
            EXPECT_EQ(one.status, status);
            tags.push_back(one.request->tag);
        }
        return tags;
    }

    ManualClock clock{1'000'000};
    BlockPool pool;
    CollectingSink sink;
    std::vector<std::unique_ptr<InferenceRequest>> running;
    std::vector<DroppedRequest> dropped;
    Pull last;
    SequenceBatcher batcher;
};

}  // namespace tritonpy
