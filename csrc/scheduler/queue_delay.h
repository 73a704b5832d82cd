// A delay of the configuration as clock time.
//
// Threads: compatible; a function only.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tritonpy {

// Nanoseconds of so many microseconds, at least 0. Longer delays count as about 36 years, so that
// start + delay cannot overflow.
inline int64_t queue_delay_ns(int64_t delay_us) {
    constexpr int64_t kMaxDelayUs = (int64_t{1} << 60) / 1000;
    return std::clamp<int64_t>(delay_us, 0, kMaxDelayUs) * 1000;
}

}  // namespace tritonpy
