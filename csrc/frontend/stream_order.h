// The order of answers on a stream: that of the requests, as far as they have one.
//
// A request whose answer must keep its turn gets a place; its answer waits until every place before
// it has gone out. Answers without a place (of decoupled models) never come here.
//
// Threads: compatible. Owns: answers that are early.
// Invariant: answers leave in the order of their places, each once.
// Limits: none of its own: who adds places bounds how many are open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "base/check.h"

namespace tritonpy {

template <typename Answer>
class StreamOrder {
  public:
    // The place of the next request.
    uint64_t add() {
        waiting_.emplace_back();
        return next_++;
    }

    // REQUIRES: the place was added and was given no answer yet.
    void put(uint64_t place, Answer answer) {
        uint64_t index = place - first();
        TRITONPY_CHECK(index < waiting_.size() && !waiting_[index]);
        waiting_[index] = std::move(answer);
    }

    // The answer whose turn it is, once it is there.
    std::optional<Answer> take() {
        if (waiting_.empty() || !waiting_.front()) {
            return std::nullopt;
        }
        std::optional<Answer> answer = std::move(waiting_.front());
        waiting_.pop_front();
        return answer;
    }

    // Places whose answers have not left.
    size_t open() const { return waiting_.size(); }

  private:
    uint64_t first() const { return next_ - waiting_.size(); }

    std::deque<std::optional<Answer>> waiting_;  // by place
    uint64_t next_ = 0;
};

}  // namespace tritonpy
