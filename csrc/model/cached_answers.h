// The part of one model in the response cache: what is looked up before a request is queued, and
// what is kept of the answer when it comes.
//
// A request that was asked before is answered here and now, without the scheduler. Any other gets a
// *keeper* in its sink's place, which sees the final response on its way, keeps it if it is a good
// and whole answer (OK, and the only one), and hands it on; so neither schedulers nor executors
// know of caches. What makes two requests equal is the shelf's matter (request_hash.h).
//
// Where answers lie in another process nobody waits for them: the request stays with its lookup,
// and the thread that ends this answers it or queues it. Until then the model is held open, with
// the request in flight, by the *host*.
//
// Statistics: a hit counts in success, queue and cache_hit, and runs nothing; a request that was
// not found and then succeeded counts in cache_miss with the time that its lookup and its insertion
// took, beside what it counts as any request.
//
// Threads: thread-safe. Owns: its shelf, which goes with it.
// Borrows: what the model has; every request that try_answer took was answered before this goes.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "infer/model_identity.h"
#include "infer/request.h"
#include "infer/response.h"
#include "model/answer_cache.h"
#include "model/model_stats.h"

namespace tritonpy {

// What a lookup that outlasts its call needs of the model. Threads: thread-safe.
class LookupHost {
  public:
    virtual ~LookupHost() = default;
    // Holds the model open, with one request more in flight, until end_lookup. False: it closes.
    virtual bool begin_lookup() = 0;
    // Queues a request that was not found; refuses it through its sink if it has to.
    virtual void queue_late(std::unique_ptr<InferenceRequest> request) = 0;
    // After its request was answered or queued. The model may be gone when this returns.
    virtual void end_lookup() = 0;
};

class CachedAnswers {
  public:
    // Loader only: takes a statistics cell.
    CachedAnswers(std::unique_ptr<AnswerShelf> shelf, LookupHost& host,
                  const std::shared_ptr<const ModelIdentity>& identity, ModelStats& stats,
                  const Clock& clock, Log& log);
    ~CachedAnswers();
    CachedAnswers(const CachedAnswers&) = delete;
    CachedAnswers& operator=(const CachedAnswers&) = delete;

    // True: the request was answered through its sink, or is with its lookup, and is gone. False:
    // its answer will be kept when it comes; undo that with withdraw if the request is not queued
    // after all. With `may_answer` false it is never answered here. REQUIRES: it passed the request
    // check, and its trace has request_start_ns.
    bool try_answer(std::unique_ptr<InferenceRequest>& request, bool may_answer);

    // Gives the request its own sink back. REQUIRES: try_answer has just left it.
    static void withdraw(InferenceRequest& request);

  private:
    class Keeper;
    class Lookup;

    // Leaves the request with a lookup; false where that cannot be begun.
    bool try_seek(std::unique_ptr<InferenceRequest>& request, const CacheKey& key,
                  int64_t start_ns);
    // Puts a keeper in the place of the request's sink.
    void watch(InferenceRequest& request, const CacheKey& key, int64_t lookup_ns);
    void answer(std::unique_ptr<InferenceRequest> request, const CachedResponse& cached,
                int64_t lookup_ns);
    void keep(const CacheKey& key, const InferenceResponse& response, int64_t lookup_ns);

    const std::unique_ptr<AnswerShelf> shelf_;
    LookupHost& host_;
    const std::shared_ptr<const ModelIdentity>& identity_;
    ModelStats& stats_;
    ModelStats::Cell& cell_;
    const Clock& clock_;
    Log& log_;
};

}  // namespace tritonpy
