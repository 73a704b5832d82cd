// A ResponseSink that keeps what it is given, for tests to look at.
//
// Threads: thread-safe. Owns: the responses until they are taken.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "infer/response.h"

namespace tritonpy {

class CollectingSink final : public ResponseSink {
  public:
    void deliver(std::unique_ptr<InferenceResponse> response) override {
        std::lock_guard lock(mutex_);
        responses_.push_back(std::move(response));
        arrived_.notify_all();  // under the lock: whoever waits may destroy the sink once it wakes
    }

    // Responses that came and were not taken.
    size_t size() const {
        std::lock_guard lock(mutex_);
        return responses_.size();
    }

    // All of them, in the order they came.
    std::vector<std::unique_ptr<InferenceResponse>> take() {
        std::lock_guard lock(mutex_);
        return std::exchange(responses_, {});
    }

    // Blocks until there are at least `count`, and takes all.
    std::vector<std::unique_ptr<InferenceResponse>> wait_and_take(size_t count) {
        std::unique_lock lock(mutex_);
        arrived_.wait(lock, [&] { return responses_.size() >= count; });
        return std::exchange(responses_, {});
    }

    // The tags of the final responses that came and were not taken, in order.
    std::vector<uint64_t> tags() const {
        std::lock_guard lock(mutex_);
        std::vector<uint64_t> tags;
        for (const auto& response : responses_) {
            if (response->request) {
                tags.push_back(response->request->tag);
            }
        }
        return tags;
    }

  private:
    mutable std::mutex mutex_;  // guards responses_
    std::condition_variable arrived_;
    std::vector<std::unique_ptr<InferenceResponse>> responses_;
};

}  // namespace tritonpy
