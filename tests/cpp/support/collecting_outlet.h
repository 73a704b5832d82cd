// An outlet that keeps every answer, for tests of executors that answer requests themselves.
//
// Threads: thread-safe. Owns: the answers until they are taken.
#pragma once

#include <condition_variable>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "backend/executor.h"

namespace tritonpy {

class CollectingOutlet final : public ResponseOutlet {
  public:
    struct Answer {
        std::unique_ptr<InferenceRequest> request;    // the last answer of a request only
        std::unique_ptr<InferenceResponse> response;  // null: nothing but the end
        bool rescheduled = false;
    };

    void respond(const InferenceRequest&, std::unique_ptr<InferenceResponse> response) override {
        add({nullptr, std::move(response), false});
    }
    void reschedule(std::unique_ptr<InferenceRequest> request) override {
        add({std::move(request), nullptr, true});
    }
    void finish(std::unique_ptr<InferenceRequest> request,
                std::unique_ptr<InferenceResponse> response) override {
        add({std::move(request), std::move(response), false});
    }

    // Blocks until there are `count`, and takes the oldest of them.
    std::vector<Answer> take(size_t count) {
        std::unique_lock lock(mutex_);
        came_.wait(lock, [&] { return answers_.size() >= count; });
        auto end = answers_.begin() + static_cast<ptrdiff_t>(count);
        std::vector<Answer> taken(std::make_move_iterator(answers_.begin()),
                                  std::make_move_iterator(end));
        answers_.erase(answers_.begin(), end);
        return taken;
    }
    size_t size() const {
        std::lock_guard lock(mutex_);
        return answers_.size();
    }

  private:
    void add(Answer answer) {
        std::lock_guard lock(mutex_);
        answers_.push_back(std::move(answer));
        came_.notify_all();
    }

    mutable std::mutex mutex_;  // guards answers_
    std::condition_variable came_;
    std::vector<Answer> answers_;
};

}  // namespace tritonpy
