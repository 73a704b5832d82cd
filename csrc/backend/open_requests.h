// The requests that a worker has and has not answered for good.
//
// A request gets a key before the worker hears of it, and stays here until its last response, from
// whichever thread that comes: the instance's, which reads what execute returned, or the keeper's,
// which reads what the model sent later. Answers to one request go out one at a time and in the
// order in which they came; two threads never have the same request in hand.
//
// A model that is not decoupled and answers through a sender says the response and that it was the
// last separately: here they become one.
//
// Threads: thread-safe; open comes first, and never while a request is put.
// Owns: the requests.
// Invariants: 1. every request that was put is finished through the outlet exactly once;
//             2. what comes for a key that was never given or is finished is dropped;
//             3. the outlet is called without a lock.
// Limits: limits::kMaxOpenRequests.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "backend/executor.h"
#include "backend/worker_messages.h"
#include "base/status.h"
#include "memory/shared_arena.h"

namespace tritonpy {

class OpenRequests {
  public:
    OpenRequests(std::string instance_name, bool decoupled)
        : instance_name_(std::move(instance_name)), decoupled_(decoupled) {}
    OpenRequests(const OpenRequests&) = delete;
    OpenRequests& operator=(const OpenRequests&) = delete;

    // Where answers go from now on. REQUIRES: what was put is finished.
    void open(ResponseOutlet& outlet) { outlet_ = &outlet; }

    // Replaces `keys` with keys for `count` requests, each to be put or given up. unavailable when
    // there are too many.
    Status reserve(size_t count, std::vector<OpenRequestKey>& keys);
    void give_up(const std::vector<OpenRequestKey>& keys);
    // REQUIRES: `key` was reserved, and neither put nor given up.
    void put(const OpenRequestKey& key, std::unique_ptr<InferenceRequest> request);

    // What the worker said about a request. `response` may be null when it is final.
    void answer(uint64_t key, std::unique_ptr<InferenceResponse> response, bool final);
    // The model wants to see the request again: it goes back, and the key ends.
    void reschedule(uint64_t key);
    // Finishes one, or all, with an error.
    void fail(uint64_t key, const Status& status);
    void fail_all(const Status& status);

    // Sets the flag of each request whose client has gone since the last look.
    void look_for_cancelled(SharedArena& flags);

    // Requests whose last response was not handed over. seq_cst: see the keeper's sleep.
    size_t count() const { return open_.load(std::memory_order_seq_cst); }
    // How many there are and the ids of the first few, for a reader of the log; "" for none.
    std::string described();
    // Blocks until there are none, or for `timeout_ns`; whether there are none.
    bool wait_until_empty(int64_t timeout_ns);

  private:
    struct Answer {
        std::unique_ptr<InferenceResponse> response;
        bool final = false;
        bool reschedules = false;
    };
    struct Entry {
        uint32_t generation = 0;
        bool answering = false;  // a thread is in the outlet for it
        bool ending = false;     // its last answer has come
        bool cancelled = false;  // look_for_cancelled has told
        std::unique_ptr<InferenceRequest> request;
        std::unique_ptr<InferenceResponse> held;  // not decoupled: the response, before its end
        std::vector<Answer> waiting;              // came while another was answering
    };

    void take(uint64_t key, Answer next);
    // All REQUIRE mutex_; deliver lets it go while the outlet is called.
    Entry* find(uint64_t key);
    bool complete(Entry& entry, Answer& answer) const;
    void deliver(Entry& entry, uint32_t index, Answer answer, std::unique_lock<std::mutex>& lock);
    void release(uint32_t index);

    const std::string instance_name_;
    const bool decoupled_;
    ResponseOutlet* outlet_ = nullptr;

    std::mutex mutex_;  // guards what follows
    std::deque<Entry> entries_;  // a deque, for an entry must not move while it is answered
    std::vector<uint32_t> free_;
    std::atomic<size_t> open_{0};
    std::condition_variable empty_;
};

}  // namespace tritonpy
