// Which version a request goes to that names none: the pure decision of a rollout.
//
// A split is a list of labels with weights. Every request is a point on a line of 2^64, of which
// each label has a piece as long as its weight, in the order given. A request that has the header
// of a rule goes to the rule's label, whatever the weights. Else the point of a request is
// 1. the hash of its correlation id, where it has one, so that a sequence stays where it began;
// 2. the hash of what the split is *sticky by*, where it is and the request has that: the same
//    user always meets the same version, on every replica and after every restart, because the
//    hash has no secret. Of two labels the second one's share grows at its near end, so whoever has
//    the canary at 5 % keeps it at 10 %;
// 3. else its turn, times the golden ratio: the most even of sequences. Of any 100 requests in a
//    row a share of 5 % gets 5, give or take one, where dice would often give 9 or 1.
//
// Threads: immutable.
// Limits: weights add up to less than 2^32, which the control plane sees to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "infer/request.h"

namespace tritonpy {

struct TrafficTarget {
    std::string label;
    int64_t version = 0;
    uint32_t weight = 0;  // 0: only whoever names it gets there
};

// Sends the requests that have a header to one target.
struct HeaderRule {
    std::string name;  // in lower case
    std::optional<std::string> value;  // nothing: any
    size_t target = 0;
};

struct StickyKey {
    enum class Kind : uint8_t { kNone, kRequestId, kParameter, kHeader };
    Kind kind = Kind::kNone;
    std::string name;  // of the custom parameter, or of the header in lower case
};

class TrafficSplit {
  public:
    // REQUIRES: a target has a weight; rules name targets.
    TrafficSplit(std::vector<TrafficTarget> targets, StickyKey sticky,
                 std::vector<HeaderRule> rules = {});

    const std::vector<TrafficTarget>& targets() const { return targets_; }
    // The names of the headers that requests are to bring, some perhaps twice.
    std::vector<std::string> header_names() const;

    // The target of the first rule that the request's headers fulfil, by its place in targets().
    std::optional<size_t> ruled_target(const InferenceRequest& request) const;

    // What the request must always be given alike; nothing where it does not matter.
    std::optional<uint64_t> sticky_point(const InferenceRequest& request) const;
    // The point of the request that comes as number `turn`.
    static uint64_t turn_point(uint64_t turn) { return turn * kGoldenRatio; }
    // The target that has the point, by its place in targets().
    size_t at(uint64_t point) const;
    // The target that has most of them.
    size_t heaviest() const { return heaviest_; }

  private:
    static constexpr uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;  // of 2^64

    const std::vector<TrafficTarget> targets_;
    const StickyKey sticky_;
    const std::vector<HeaderRule> rules_;
    uint64_t total_ = 0;
    size_t heaviest_ = 0;
};

}  // namespace tritonpy
