// How a gRPC connection ends in peace, because the server stops or because it is old.
//
// First the client is told that the end comes, and pinged: what it sent before it knew is still
// served. When the ping is answered nothing of that can be on its way any more, and new calls are
// refused; when the last call has ended the connection closes. An old connection is given
// `max_connection_age_grace_ms` for that. Decisions only: pure functions of what happened and when.
//
// Threads: compatible.
#pragma once

#include <cstdint>
#include <optional>

#include "frontend/frontend_options.h"

namespace tritonpy {

class GrpcFarewell {
  public:
    enum class Action : uint8_t {
        kNothing,
        kAnnounce,  // say that the end comes, and ping
        kRefuse,    // refuse new calls; close when no call is left
        kClose,     // at once
    };

    // `spread` is a random number that is this connection's: ages differ by up to a tenth, so that
    // clients which came together do not come back together.
    GrpcFarewell(const GrpcKeepalive& options, int64_t now_ns, uint64_t spread);

    // The server stops. kAnnounce, the first time.
    Action begin(int64_t now_ns);
    // The ping was answered.
    Action on_answered();
    // What is to be done now; to be asked again at next_look_ns.
    Action look(int64_t now_ns);
    std::optional<int64_t> next_look_ns() const;

    // Whether the connection closes when no call is left.
    bool refusing() const { return stage_ == Stage::kRefusing; }

  private:
    enum class Stage : uint8_t { kServing, kAnnounced, kRefusing };

    Stage stage_ = Stage::kServing;
    const int64_t grace_ns_;           // 0: unlimited
    std::optional<int64_t> old_ns_;    // when it is
    std::optional<int64_t> refuse_ns_; // when we stop to wait for the ping's answer
    std::optional<int64_t> close_ns_;  // when its grace is over
};

}  // namespace tritonpy
