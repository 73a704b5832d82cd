// How often something may happen: a burst at once, then so many times a second.
//
// Threads: compatible. A decision of (state, now): time comes from the caller, and one that goes
// back gives no tokens.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tritonpy {

class TokenBucket {
  public:
    // Full. REQUIRES: both are above 0, and per_second is below 1e9.
    TokenBucket(int64_t burst, int64_t per_second)
        : ns_per_token_(1'000'000'000 / per_second), capacity_ns_(burst * ns_per_token_) {}

    // Whether it may happen now.
    bool take(int64_t now_ns) {
        // The bucket is full at full_at_ns_ and later; each token taken moves that on.
        full_at_ns_ = std::max(full_at_ns_, now_ns) + ns_per_token_;
        if (full_at_ns_ - now_ns <= capacity_ns_) {
            return true;
        }
        full_at_ns_ -= ns_per_token_;
        return false;
    }

  private:
    int64_t ns_per_token_;
    int64_t capacity_ns_;
    int64_t full_at_ns_ = INT64_MIN / 2;
};

}  // namespace tritonpy
