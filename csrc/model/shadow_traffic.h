// Requests that a version gets only to see how it would have answered them.
//
// Of the requests that another version of the model has answered well, a share is asked of the
// shadow too, once the client has its answer, so that no client waits for it or hears of it. The
// copy has its inputs by reference, and holds on to the answer that the client got until both were
// compared, on the thread that brings the second one. A shadow that is slower than its traffic
// would keep ever more of them: beyond kMaxInFlight requests are left out, and counted.
//
// Requests of a sequence are never shadowed, because each changes what its model remembers; nor are
// answers that come in several responses.
//
// Threads: thread-safe. Shared with the copies in flight. Borrows: the door, which is there until
// every model has answered what it took.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "infer/inference_door.h"
#include "infer/request.h"
#include "model/answer_comparison.h"

namespace tritonpy {

struct ShadowRule {
    std::string label;
    int64_t version = 0;
    uint32_t percent = 0;  // of the requests that other versions answer
    Tolerance tolerance;
};

struct ShadowCounters {
    std::string label;
    int64_t version = 0;
    uint64_t equal = 0;
    uint64_t different = 0;
    uint64_t failed = 0;   // the shadow had no answer
    uint64_t skipped = 0;  // it was behind
    double max_difference = 0;
};

class ShadowTraffic : public std::enable_shared_from_this<ShadowTraffic> {
  public:
    static constexpr size_t kMaxInFlight = 16;

    ShadowTraffic(ShadowRule rule, InferenceDoor& door);
    ShadowTraffic(const ShadowTraffic&) = delete;
    ShadowTraffic& operator=(const ShadowTraffic&) = delete;

    // The copy for the shadow of a request that `version` is about to get; null where it is not its
    // turn, or there is nothing to compare.
    std::unique_ptr<InferenceRequest> copy_if_due(const InferenceRequest& request,
                                                  int64_t version);
    // Asks the shadow, and compares what it says with what the client got. Does not block.
    void ask(std::unique_ptr<InferenceRequest> copy, std::vector<Tensor> answer);

    ShadowCounters counters() const;

  private:
    class Comparison;

    void note(const Status& status, const AnswerComparison& comparison);

    const ShadowRule rule_;
    InferenceDoor& door_;
    std::atomic<uint64_t> turn_{0};     // relaxed, as in Rollout
    std::atomic<size_t> in_flight_{0};  // relaxed: a bound, which orders nothing
    mutable std::mutex mutex_;          // guards counters_
    ShadowCounters counters_;
};

}  // namespace tritonpy
