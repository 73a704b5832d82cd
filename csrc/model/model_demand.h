// A model on demand: loaded when somebody asks for it, and taken out when others need its room.
//
// While it is *out*, requests for it wait here, and the first one tells the control plane, once
// (single-flight). The control plane loads it and lets them in, or says why it cannot; then whoever
// asks hears the same for a while, so that a broken model is not loaded for each request. A model
// is taken out in the same way: it is shut, so that requests wait instead of coming in, and when it
// has answered what it had it goes; where that takes too long it is opened again, and nobody has
// noticed but by waiting.
//
// Threads: thread-safe. Shared by the registry and by who is in the middle of a call. Owns: the
// requests that wait. Borrows: clock and wanted models, which outlive it.
// Invariants: 1. a request that waits is given back by exactly one of next_batch, fail and end;
//             2. it is in only when no request waits.
// Limits: kMaxWaiting requests.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/status.h"
#include "infer/model_identity.h"
#include "infer/request.h"
#include "model/wanted_models.h"

namespace tritonpy {

struct DemandCounters {
    std::string name;  // by which it is offered
    bool is_in = false;
    uint64_t hits = 0;   // requests that found it in memory
    uint64_t waits = 0;  // requests that had to wait for it, or were refused meanwhile
    size_t waiting = 0;  // now
    int64_t last_used_ns = 0;  // of the clock; 0: never
};

class ModelDemand {
  public:
    static constexpr size_t kMaxWaiting = 1024;

    // What becomes of a request that found the model out; kLooksAgain: that has changed meanwhile.
    enum class Arrival : uint8_t { kWaits, kLooksAgain };

    struct Waiting {
        std::unique_ptr<InferenceRequest> request;
        bool from_model = false;  // a model asks, no client
    };

    // `expected` is what is known of the model before it was ever loaded.
    ModelDemand(std::string name, std::shared_ptr<const ModelIdentity> expected, bool is_in,
                WantedModels& wanted, const Clock& clock);
    ModelDemand(const ModelDemand&) = delete;
    ModelDemand& operator=(const ModelDemand&) = delete;

    bool is_in() const { return is_in_.load(std::memory_order_acquire); }
    // A request found the model.
    void note_use();
    // What decoders may take the model for while it is out.
    std::shared_ptr<const ModelIdentity> expected() const;

    // Takes a request to wait. On error the caller keeps it: unavailable when too many wait, or
    // what `fail` said, for as long as it said.
    Result<Arrival> wait(std::unique_ptr<InferenceRequest>& request, bool from_model);
    // Why nobody who asks now gets an answer; OK where they would.
    Status failure() const;

    // Those that wait, to be handed to the model, in their order; when there are none it is in, and
    // later requests go past here.
    std::vector<Waiting> next_batch();
    // Its files are others: what failed may work now.
    void renew(std::shared_ptr<const ModelIdentity> expected);
    // From now on requests wait, but nobody is told yet: next_batch or `gone` follows. `last` is
    // the version that serves.
    void shut(std::shared_ptr<const ModelIdentity> last);
    // It was shut, and is not in memory any more.
    void gone();
    // It could not be loaded: until `until_ns` of the clock nobody need try again. Returns who
    // waited.
    std::vector<Waiting> fail(Status error, int64_t until_ns);
    // It is on demand no longer. Returns who waited; nobody waits here any more.
    std::vector<Waiting> end();

    DemandCounters counters() const;

  private:
    // OK, or why it cannot be had now. REQUIRES: mutex_.
    Status failure_locked() const;
    // Tells the control plane, unless it knows. REQUIRES: mutex_.
    void want();

    const std::string name_;
    WantedModels& wanted_;
    const Clock& clock_;
    std::atomic<bool> is_in_;
    std::atomic<uint64_t> hits_{0};         // relaxed, as the next
    std::atomic<int64_t> last_used_ns_{0};  // of the latest of those that run at once, or nearly
    mutable std::mutex mutex_;  // guards what follows
    std::shared_ptr<const ModelIdentity> expected_;
    std::vector<Waiting> waiting_;
    bool is_wanted_ = false;  // the control plane was told
    bool has_ended_ = false;
    Status failure_;
    int64_t failed_until_ns_ = 0;
    uint64_t waits_ = 0;
};

}  // namespace tritonpy
