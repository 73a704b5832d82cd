// Answers that were given before, by what was asked: the response cache of the server.
//
// One table for all models, bounded in bytes; the answer that was used longest ago goes first. An
// answer is copied in, once, when it comes, so that no pooled block and no arena of a worker stays
// taken for it; it is copied out never: responses refer to the entry's bytes, which live on until
// the last of those is written even if the entry has gone.
//
// The key of an entry is a 128-bit hash under a secret that is made anew for each server: see
// keyed_hash.h for why that is as good as comparing the bytes. A model takes part as an *owner*,
// whose number goes into its keys, so that a model that was loaded again never sees old answers.
//
// One mutex: inside it are a hash lookup and the moving of a list node. With 100,000 entries that
// are not in the processor's caches a lookup takes 0.7 us, and four threads that do nothing else do
// a million a second, several times what the front ends can ask for on the same two cores.
//
// Threads: thread-safe. Owns: the entries.
// Invariants: 1. the entries' charges add up to at most the capacity;
//             2. an entry never changes.
// Limits: the capacity, which covers names, shapes and bookkeeping too; not what responses in
//         flight keep of entries that have gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/keyed_hash.h"
#include "base/status.h"
#include "infer/model_identity.h"
#include "infer/response.h"
#include "model/answer_cache.h"

namespace tritonpy {

class ResponseCache final : public AnswerCache {
  public:
    using Key = KeyedHash::Digest;

    ResponseCache(size_t capacity, const Clock& clock);
    ResponseCache(const ResponseCache&) = delete;
    ResponseCache& operator=(const ResponseCache&) = delete;

    // The shelf of a new owner. There are no two models in one process that share answers, so the
    // digest says nothing here.
    std::unique_ptr<AnswerShelf> open(const std::shared_ptr<const ModelIdentity>& model,
                                      std::string_view digest) override;

    // A number that no owner had before.
    uint64_t add_owner();
    // Drops all entries of the owner, a few at a time, so that others need not wait for it.
    // REQUIRES: nothing is inserted for it any more.
    void forget(uint64_t owner);

    // The start of a key of that owner.
    KeyedHash start_key(uint64_t owner) const;

    // The answer, or null. `since_ns`: when the making of the key began, for the counters.
    std::shared_ptr<const CachedResponse> find(const Key& key, int64_t since_ns);

    // Copies the answer in. already_exists; invalid_arg when it alone is larger than the cache.
    Status insert(uint64_t owner, const Key& key, const InferenceResponse& response);

    CacheCounters counters() const override;

  private:
    struct Entry;
    using Entries = std::list<Entry>;
    using OwnEntries = std::list<Entries::iterator>;
    struct Entry {
        Key key;
        uint64_t owner;
        size_t charge;
        std::shared_ptr<const CachedResponse> response;  // shared with responses in flight
        OwnEntries::iterator place;                      // in the owner's list
    };
    struct HashOfKey {
        size_t operator()(const Key& key) const { return key.low; }
    };

    // All REQUIRE mutex_. What goes is moved into `gone`, to be freed after the lock has gone.
    Status check_absent(const Key& key) const;
    void take_out(Entries::iterator entry, Entries& gone);
    void make_room(size_t charge, Entries& gone);

    const size_t capacity_;
    const Clock& clock_;
    const KeyedHash::Key secret_;

    mutable std::mutex mutex_;  // guards what follows
    Entries entries_;           // the last used first
    std::unordered_map<Key, Entries::iterator, HashOfKey> by_key_;
    std::unordered_map<uint64_t, OwnEntries> by_owner_;  // of those that have entries
    uint64_t last_owner_ = 0;
    CacheCounters counters_;
};

}  // namespace tritonpy
