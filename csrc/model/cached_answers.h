// The part of one model in the response cache: what is looked up before a request is queued, and
// what is kept of the answer when it comes.
//
// A request that was asked before is answered here and now, without the scheduler. Any other gets a
// *keeper* in its sink's place, which sees the final response on its way, keeps it if it is a good
// and whole answer (OK, and the only one), and hands it on; so neither schedulers nor executors
// know of caches.
//
// The key covers all that may change the answer: the model as it was loaded, inputs with name,
// type, shape and bytes, the names of the outputs asked for, parameters, sequence id and flags. (In
// Triton it is model, input names and bytes alone: the same bytes in another shape, or another
// request for outputs, get an answer that is not theirs.) A request's id, priority and timeout say
// how it is handled and not what is asked.
//
// Statistics: a hit counts in success, queue and cache_hit, and runs nothing; a request that was
// not found and then succeeded counts in cache_miss with the time that its lookup and its insertion
// took, beside what it counts as any request.
//
// Threads: thread-safe. Owns: its entries in the cache, which go with it.
// Borrows: what the model has; every request that try_answer left was answered before this goes.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "infer/model_identity.h"
#include "infer/request.h"
#include "infer/response.h"
#include "model/model_stats.h"
#include "model/response_cache.h"

namespace tritonpy {

class CachedAnswers {
  public:
    // Loader only: takes a statistics cell.
    CachedAnswers(ResponseCache& cache, const std::shared_ptr<const ModelIdentity>& identity,
                  ModelStats& stats, const Clock& clock, Log& log);
    ~CachedAnswers();
    CachedAnswers(const CachedAnswers&) = delete;
    CachedAnswers& operator=(const CachedAnswers&) = delete;

    // True: the request was answered through its sink and is gone. False: its answer will be kept
    // when it comes; undo that with withdraw if the request is not queued after all. With
    // `may_answer` false it is never answered here. REQUIRES: it passed the request check, and its
    // trace has request_start_ns.
    bool try_answer(std::unique_ptr<InferenceRequest>& request, bool may_answer);

    // Gives the request its own sink back. REQUIRES: try_answer has just left it.
    static void withdraw(InferenceRequest& request);

  private:
    class Keeper;

    ResponseCache::Key key_of(const InferenceRequest& request) const;
    void answer(std::unique_ptr<InferenceRequest> request, const CachedResponse& cached,
                int64_t lookup_ns);
    void keep(const ResponseCache::Key& key, const InferenceResponse& response,
              int64_t lookup_ns);

    ResponseCache& cache_;
    const uint64_t owner_;
    const std::shared_ptr<const ModelIdentity>& identity_;
    ModelStats& stats_;
    ModelStats::Cell& cell_;
    const Clock& clock_;
    Log& log_;
};

}  // namespace tritonpy
