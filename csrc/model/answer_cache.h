// Where answers that were given before are kept: in this process, or in a server beside it.
//
// A model opens a *shelf*, its own part of the cache. What is at hand is found at once (`find`);
// what lies elsewhere is asked for (`seek`) and comes to a waiter later, on a thread of the cache,
// so that nobody waits for a network. A cache does one of the two.
//
// Threads: thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "infer/model_identity.h"
#include "infer/parameter.h"
#include "infer/request.h"
#include "infer/response.h"
#include "tensor/tensor.h"

namespace tritonpy {

// An answer as every response that repeats it has it. Immutable.
struct CachedResponse {
    std::vector<Tensor> outputs;
    SharedParameters parameters;
};

// What the cache did since it was made, and what is in it now.
struct CacheCounters {
    uint64_t entries = 0;
    uint64_t bytes = 0;
    uint64_t capacity = 0;  // 0: what is in it is not known here, because others use it too
    uint64_t lookups = 0;
    uint64_t hits = 0;
    uint64_t evictions = 0;
    uint64_t lookup_ns = 0;
    uint64_t insertion_ns = 0;
};

// What a question hashes to. Only the shelf that made it understands it.
struct CacheKey {
    std::array<uint64_t, 4> words{};
    friend bool operator==(const CacheKey&, const CacheKey&) = default;
};

// Who waits for a lookup.
class AnswerWaiter {
  public:
    virtual ~AnswerWaiter() = default;
    // Called once, without locks: the answer, or null. Must not block.
    virtual void end_lookup(const std::shared_ptr<const CachedResponse>& found) = 0;
};

// What one model has in a cache. Entries in this process go with it.
class AnswerShelf {
  public:
    virtual ~AnswerShelf() = default;

    // Covers all that may change the answer. REQUIRES: the request passed the request check.
    virtual CacheKey key_of(const InferenceRequest& request) const = 0;
    // Whether answers are sought rather than found.
    virtual bool is_remote() const = 0;
    // The answer if it is at hand, else null. `since_ns`: when the making of the key began, for the
    // counters.
    virtual std::shared_ptr<const CachedResponse> find(const CacheKey& key, int64_t since_ns) = 0;
    // Takes the waiter and ends its lookup later; or returns false, leaves it, and has nothing.
    // The shelf may go before: the cache must not.
    virtual bool seek(const CacheKey& key, int64_t since_ns,
                      std::unique_ptr<AnswerWaiter>& waiter) = 0;
    // Copies the answer in. already_exists; invalid_arg when it alone is too large.
    virtual Status insert(const CacheKey& key, const InferenceResponse& response) = 0;
};

class AnswerCache {
  public:
    virtual ~AnswerCache() = default;

    // `digest` tells apart what a model of that name and version was loaded from; "" where that is
    // not known. REQUIRES: the cache outlives the shelf.
    virtual std::unique_ptr<AnswerShelf> open(const std::shared_ptr<const ModelIdentity>& model,
                                              std::string_view digest) = 0;
    virtual CacheCounters counters() const = 0;
};

}  // namespace tritonpy
