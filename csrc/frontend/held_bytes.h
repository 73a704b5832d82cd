// How many bytes of requests and answers the connections of a front end hold, and their bound.
//
// Counted as bytes come, not as a client announces them. Beyond the bound a request is refused
// (503, RESOURCE_EXHAUSTED) rather than the machine driven out of memory.
//
// Threads: thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/status.h"

namespace tritonpy {

// What a request is told when limits::kMaxHeld is reached.
inline constexpr std::string_view kTooMuchHeld =
    "the server holds as many bytes of requests and responses as it may, try again later";

// What a request hears last whose client leaves so many bytes of its responses waiting that it gets
// no more of them.
inline Status reads_too_slowly(size_t waiting_bytes) {
    return unavailable(
        "the responses to this request were cut off, because its client reads them too slowly: " +
        std::to_string(waiting_bytes) + " bytes wait for it");
}

class HeldBytes {
  public:
    // False, and nothing is added, when that would exceed limits::kMaxHeld.
    bool try_add(size_t bytes) {
        if (held_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limits::kMaxHeld) {
            return true;
        }
        remove(bytes);
        return false;
    }
    void remove(size_t bytes) { held_.fetch_sub(bytes, std::memory_order_relaxed); }
    size_t now() const { return held_.load(std::memory_order_relaxed); }

  private:
    std::atomic<size_t> held_{0};  // relaxed: a count, which orders nothing
};

}  // namespace tritonpy
