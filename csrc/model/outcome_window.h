// How the last requests of one version went: the pure half of an automatic rollback.
//
// The window is as many requests as the rule says, and slides. "p99 above 50 ms" is the same as
// "more than 1 % took longer than 50 ms", so no latency is kept, only how many were too long; and
// a window that has had too many of them is over its limit before it is full, because nothing that
// may still come makes up for them.
//
// Threads: compatible. Limits: the window, as RollbackRule.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace tritonpy {

struct RollbackRule {
    size_t to = 0;                     // the target that then gets everything
    std::optional<double> error_rate;  // of the window; more is too much
    std::optional<int64_t> p99_ns;
    size_t over_requests = 0;
};

class OutcomeWindow {
  public:
    enum class Outcome : uint8_t { kGood, kSlow, kFailed };

    // REQUIRES: over_requests > 0. The rule is borrowed.
    explicit OutcomeWindow(const RollbackRule& rule)
        : rule_(rule), last_(rule.over_requests, Outcome::kGood) {}

    // A request that ended now, the oldest one falling out.
    void add(bool failed, int64_t duration_ns) {
        const bool is_slow = rule_.p99_ns && duration_ns > *rule_.p99_ns;
        const Outcome outcome =
            failed ? Outcome::kFailed : is_slow ? Outcome::kSlow : Outcome::kGood;
        ++count_of(outcome);
        --count_of(last_[next_]);
        last_[next_] = outcome;
        next_ = (next_ + 1) % last_.size();
    }

    // Why the version is to go; nothing while it may stay.
    std::optional<std::string> verdict() const {
        if (rule_.error_rate && exceeds(count(Outcome::kFailed), *rule_.error_rate)) {
            return of_window(Outcome::kFailed) + "failed";
        }
        if (rule_.p99_ns && exceeds(count(Outcome::kSlow), kSlowShare)) {
            return of_window(Outcome::kSlow) + "took more than " + in_ms(*rule_.p99_ns) + " ms";
        }
        return std::nullopt;
    }

    size_t count(Outcome outcome) const { return counts_[static_cast<size_t>(outcome)]; }

  private:
    static constexpr double kSlowShare = 0.01;  // what is beyond a p99

    size_t& count_of(Outcome outcome) { return counts_[static_cast<size_t>(outcome)]; }
    bool exceeds(size_t count, double share) const {
        return static_cast<double>(count) > share * static_cast<double>(last_.size());
    }
    std::string of_window(Outcome outcome) const {
        return std::to_string(count(outcome)) + " of the last " + std::to_string(last_.size()) +
               " requests ";
    }
    static std::string in_ms(int64_t duration_ns) {
        char digits[32];
        const double duration_ms = static_cast<double>(duration_ns) / 1e6;
        auto [end, error] =
            std::to_chars(digits, std::end(digits), duration_ms, std::chars_format::fixed);
        static_cast<void>(error);  // the longest one fits
        return {digits, end};
    }

    const RollbackRule& rule_;
    std::vector<Outcome> last_;  // a ring
    size_t next_ = 0;
    size_t counts_[3] = {last_.size(), 0, 0};
};

}  // namespace tritonpy
