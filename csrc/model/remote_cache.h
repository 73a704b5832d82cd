// Answers that were given before, kept by a redis server that several servers may share.
//
// One thread talks to redis over one link; everybody else leaves lookups and answers in its inbox
// and goes on, so that neither a front end nor an instance ever waits for a network. The thread
// takes what has come in bursts of one round trip each.
//
// A lookup that cannot be left (the inbox is full, redis is away), that waits too long or fails is
// a miss, and an answer that cannot be kept is only said to be: with redis down models serve as
// without a cache. A link that fails or is late is given up with all that waits; the next is tried
// after 100 ms, then ever more seldom, and meanwhile nobody leaves anything. The log has one line
// for each change of this.
//
// The key of an answer is SHA-256 over all that may change it (request_hash.h), the model's name
// and version and what it was loaded from: servers with the same files share answers, and a model
// that was changed has none. Redis is trusted with the answers but not with their form: a value
// that is not an answer of the model (cached_answer_bytes.h) is a miss. How long answers stay is
// redis' matter (its maxmemory-policy).
//
// Threads: thread-safe. Owns: the link, its thread, what waits in the inbox.
// Invariants: 1. the lookup of every waiter that was taken is ended exactly once;
//             2. nobody's code is called under the mutex.
// Limits: kMaxLookups and kMaxBytes wait, an answer counting as its size; a lookup waits for the
//         lookup timeout and what the burst before it takes, in which each read or write ends
//         within the link's own timeout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "base/thread.h"
#include "infer/model_identity.h"
#include "model/answer_cache.h"
#include "model/redis_link.h"
#include "queue/parking.h"

namespace tritonpy {

struct RemoteCacheTimes {
    int64_t lookup_ns = 50'000'000;        // what a lookup may wait until redis is asked
    int64_t first_retry_ns = 100'000'000;  // after the link was lost; doubled each time
    int64_t last_retry_ns = 5'000'000'000;
};

class RemoteCache final : public AnswerCache {
  public:
    static constexpr size_t kMaxLookups = 4096;
    static constexpr size_t kMaxBytes = size_t{64} << 20;
    // Commands of one round trip.
    static constexpr size_t kMaxBurst = 32;

    // Connects for the first time, which blocks; internal where that fails, unsupported where the
    // server was built without redis. A lookup may wait as long as a read from the link.
    static Result<std::unique_ptr<RemoteCache>> create(const RedisOptions& redis,
                                                       const Clock& clock, Log& log);
    static Result<std::unique_ptr<RemoteCache>> create(ConnectRedis connect,
                                                       const RemoteCacheTimes& times,
                                                       const Clock& clock, Log& log);
    // create() is the way.
    RemoteCache(ConnectRedis connect, std::unique_ptr<RedisLink> link,
                const RemoteCacheTimes& times, const Clock& clock, Log& log);
    // Ends what waits. REQUIRES: all shelves are gone.
    ~RemoteCache() override;
    RemoteCache(const RemoteCache&) = delete;
    RemoteCache& operator=(const RemoteCache&) = delete;

    std::unique_ptr<AnswerShelf> open(const std::shared_ptr<const ModelIdentity>& model,
                                      std::string_view digest) override;
    CacheCounters counters() const override;

  private:
    class Shelf;
    // A lookup, or an answer to keep.
    struct Job {
        std::string key;
        int64_t since_ns = 0;
        std::shared_ptr<const ModelIdentity> model{};  // shared: the model may be unloaded before
        std::unique_ptr<AnswerWaiter> waiter{};        // null: keep `value`
        std::string value{};
    };
    enum class Taken { kNothing, kBurst, kEnd };

    // Leaves a job in the inbox; false, and the job stays, where there is no room or no link.
    bool try_leave(Job& job);

    void run();
    // Moves what comes first out of the inbox; blocks until something is there, or the end.
    bool take_burst(std::vector<Job>& burst);
    Taken try_take_burst(std::vector<Job>& burst);
    // One round trip. An error is the link's.
    Status serve(std::vector<Job>& burst);
    Status finish(Job& job);
    void end_lookup(Job& job, const std::shared_ptr<const CachedResponse>& found);
    void note_insertion(const Job& job, const std::string& refusal);
    // Gives the link up, and all that waits.
    void lose_link(const Status& reason);
    // Blocks until there is a link again; false at the end.
    bool restore_link();
    // False when it is the end.
    bool sleep(int64_t ns);

    const ConnectRedis connect_;
    const RemoteCacheTimes times_;
    const Clock& clock_;
    Log& log_;

    // Of the thread.
    std::unique_ptr<RedisLink> link_;
    bool refuses_ = false;  // the last answer was not kept, which was logged

    mutable std::mutex mutex_;  // guards what follows
    std::deque<Job> inbox_;
    size_t bytes_ = 0;  // of values in the inbox
    bool is_linked_ = true;
    bool is_ending_ = false;
    CacheCounters counters_;

    Parking parking_;  // where the thread waits for jobs, and for the next try
    std::optional<Thread> thread_;
};

}  // namespace tritonpy
