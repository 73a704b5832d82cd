// Pings of a gRPC connection: ours, which find out whether a silent client is still there, and the
// client's, of which too many are an attack. Decisions only: pure functions of what happened and
// when.
//
// Threads: compatible.
#pragma once

#include <cstdint>

#include "frontend/frontend_options.h"

namespace tritonpy {

// Our pings. After `time_ms` in which nothing was received a ping is due, and when `timeout_ms`
// later still nothing was, the client has gone. Without calls no ping is sent, unless that is
// permitted, and at most `max_pings_without_data` are sent between two frames of calls.
// Threads: compatible.
class KeepalivePings {
  public:
    enum class Action : uint8_t { kNothing, kPing, kClose };

    KeepalivePings(const GrpcKeepalive& options, int64_t now_ns);

    // What is to be done now; to be asked again at next_look_ns.
    Action look(int64_t now_ns, bool has_calls);
    int64_t next_look_ns() const;

    // Anything was received.
    void on_bytes(int64_t now_ns);
    // Frames of calls were sent or received.
    void on_traffic() { without_data_ = 0; }

  private:
    const int64_t time_ns_;
    const int64_t timeout_ns_;
    const bool permit_without_calls_;
    const int max_without_data_;  // 0: any number
    int64_t silent_since_ns_;     // or since when nothing had to be done
    int64_t pinged_ns_ = 0;       // while a ping waits for its answer
    bool waiting_ = false;
    int without_data_ = 0;
};

// The client's pings. One that comes sooner than `min_recv_ping_interval_ms` after the last, or
// than two hours when there are no calls and pings without calls are not permitted, is a strike;
// frames of calls forgive all strikes.
// Threads: compatible.
class PingStrikes {
  public:
    explicit PingStrikes(const GrpcKeepalive& options);

    // Counts a ping; false when it is one strike too many.
    bool accepts(int64_t now_ns, bool has_calls);
    void on_traffic();

  private:
    const int64_t interval_ns_;
    const bool permit_without_calls_;
    const int max_strikes_;  // 0: any number
    int64_t last_ns_;
    int strikes_ = 0;
};

}  // namespace tritonpy
