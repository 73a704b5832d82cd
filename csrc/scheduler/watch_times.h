// When the watch of a queue looks: at the next request that will be late, and now and then for
// those whose clients have gone, so that these neither keep others out of a full queue nor go
// uncounted.
//
// Threads: compatible; belongs to the lock of its queue.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace tritonpy {

class WatchTimes {
  public:
    // How often cancelled requests are looked for, while any wait: for 16,384 of them a look is
    // below a millisecond.
    static constexpr int64_t kCancelLookNs = 20'000'000;

    // A request was queued, and the first to be late will be so at `late_ns`. True: that is earlier
    // than the watch means to look, so it has to be woken.
    bool note_queued(int64_t late_ns, int64_t now_ns) {
        const int64_t look_ns = std::min(late_ns, now_ns + kCancelLookNs);
        if (look_ns >= until_ns_) {
            return false;
        }
        until_ns_ = look_ns;
        return true;
    }

    // Whether this look is also for cancelled requests; then the next such look is later.
    bool take_cancel_look(int64_t now_ns) {
        if (now_ns - looked_ns_ < kCancelLookNs) {
            return false;
        }
        looked_ns_ = now_ns;
        return true;
    }

    // The watch has looked, and requests are left; returns when it looks again.
    int64_t rest(int64_t late_ns) {
        until_ns_ = std::min(late_ns, looked_ns_ + kCancelLookNs);
        return until_ns_;
    }
    // The same, and none is left: it sleeps until it is woken.
    int64_t rest() {
        until_ns_ = std::numeric_limits<int64_t>::max();
        return until_ns_;
    }

  private:
    int64_t until_ns_ = std::numeric_limits<int64_t>::max();  // the watch looks by then unwoken
    int64_t looked_ns_ = 0;                                   // for cancelled requests
};

}  // namespace tritonpy
