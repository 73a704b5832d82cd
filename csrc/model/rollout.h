// A new version of a model on its way to all of the traffic: labels, split, counts, rollback and
// shadow.
//
// The registry asks it where a request goes that names no version, and tells it of every request
// that goes to a version with a label, however that was asked for. Where there is a rollback rule
// or a shadow such a request gets a *probe* in its sink's place, which sees how it ended and hands
// every answer on; the window of its version (outcome_window.h) then decides. A version over its
// limit gets no more traffic that does not name it: from then on everything goes to the rule's
// target, until the control plane puts another Rollout in this one's place. What the shadow is
// asked (shadow_traffic.h) is neither counted nor watched here.
//
// What counts as failed is what the version or the server did wrong: unknown, internal, and
// unavailable, which is also a queue that is full. A request that no version could have run, or
// that its client gave up, says nothing of the version.
//
// Threads: thread-safe; the decision takes no lock, an outcome the one of its version.
// Owns: its configuration and counters. Shared, because requests in flight report to the one that
// they were sent by, though another may be in its place by then. Borrows: the door, clock and log.
// Invariants: 1. every answer reaches the request's own sink, as it was;
//             2. rolled back is for good, and said once in the log.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "infer/request.h"
#include "infer/response.h"
#include "model/outcome_window.h"
#include "model/shadow_traffic.h"
#include "model/traffic_split.h"

namespace tritonpy {

struct RolloutConfig {
    std::vector<TrafficTarget> targets;
    StickyKey sticky;
    std::vector<HeaderRule> headers;
    std::optional<RollbackRule> rollback;
    std::optional<ShadowRule> shadow;
};

// What it did so far.
struct RolloutCounters {
    struct OfTarget {
        TrafficTarget target;
        uint64_t requests = 0;
        uint64_t failures = 0;  // where there is a rollback rule or a shadow
    };
    std::vector<OfTarget> targets;
    std::string rolled_back;  // why; "" while it is not
    std::optional<ShadowCounters> shadow;
};

class Rollout : public std::enable_shared_from_this<Rollout> {
  public:
    // REQUIRES: a target has a weight; the rule names one of them.
    Rollout(std::string model, RolloutConfig config, InferenceDoor& shadow_door,
            const Clock& clock, Log& log);
    Rollout(const Rollout&) = delete;
    Rollout& operator=(const Rollout&) = delete;

    const std::vector<TrafficTarget>& targets() const { return split_.targets(); }
    // As TrafficSplit's.
    std::vector<std::string> header_names() const { return split_.header_names(); }

    // The target of a request that names no version, by its place in targets().
    size_t choose(const InferenceRequest& request);
    // The target that most such requests have now.
    size_t main_target() const;
    // The first target that is this version; nothing for a version without a label.
    std::optional<size_t> target_of(int64_t version) const;
    // invalid_arg, naming the labels that there are.
    Result<int64_t> version_of(std::string_view label) const;

    // A request goes to this target: counts it, and sees how it ends. Undo it with withdraw if the
    // request is not queued after all. REQUIRES: it has its sink.
    void watch(size_t target, InferenceRequest& request);
    // Gives the request its own sink back and counts how it ended. REQUIRES: watch has just had it.
    void withdraw(size_t target, InferenceRequest& request, const Status& refusal);

    RolloutCounters counters() const;
    // Goes on counting where the one before it stopped, label by label. REQUIRES: nobody else uses
    // either now.
    void continue_from(const Rollout& before);

  private:
    class Probe;

    struct Track {
        explicit Track(const std::optional<RollbackRule>& rule) {
            if (rule) {
                window.emplace(*rule);
            }
        }
        std::atomic<uint64_t> requests{0};  // relaxed, as failures: nothing is ordered by them
        std::atomic<uint64_t> failures{0};
        std::mutex mutex;  // guards window
        std::optional<OutcomeWindow> window;
    };

    void note(size_t target, const Status& status, int64_t duration_ns);
    bool has_probes() const { return rollback_.has_value() || shadow_ != nullptr; }
    void roll_back(size_t target, const std::string& verdict);

    const std::string model_;
    const TrafficSplit split_;
    const std::optional<RollbackRule> rollback_;
    const std::shared_ptr<ShadowTraffic> shadow_;  // null: none; shared with copies in flight
    const Clock& clock_;
    Log& log_;
    std::vector<std::unique_ptr<Track>> tracks_;  // of the targets
    std::atomic<uint64_t> turn_{0};               // relaxed: any order will do
    std::atomic<bool> is_rolled_back_{false};     // relaxed: late by one request is fine
    mutable std::mutex mutex_;                    // guards reason_
    std::string reason_;
};

}  // namespace tritonpy
