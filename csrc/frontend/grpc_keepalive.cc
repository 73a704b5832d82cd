#include "frontend/grpc_keepalive.h"

namespace tritonpy {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// What gRPC takes for the shortest interval of pings that keep nothing but a connection alive.
constexpr int64_t kIdleIntervalNs = int64_t{2} * 3600 * 1000 * kNsPerMs;
// Before any ping: long enough ago for the longest interval that options can give.
constexpr int64_t kNever = INT64_MIN / 2;

}  // namespace

KeepalivePings::KeepalivePings(const GrpcKeepalive& options, int64_t now_ns)
    : time_ns_(options.time_ms * kNsPerMs),
      timeout_ns_(options.timeout_ms * kNsPerMs),
      permit_without_calls_(options.permit_without_calls),
      max_without_data_(options.max_pings_without_data),
      silent_since_ns_(now_ns) {}

KeepalivePings::Action KeepalivePings::look(int64_t now_ns, bool has_calls) {
    if (now_ns < next_look_ns()) {
        return Action::kNothing;
    }
    if (waiting_) {
        return Action::kClose;
    }
    if ((!has_calls && !permit_without_calls_) ||
        (max_without_data_ != 0 && without_data_ >= max_without_data_)) {
        silent_since_ns_ = now_ns;
        return Action::kNothing;
    }
    ++without_data_;
    waiting_ = true;
    pinged_ns_ = now_ns;
    return Action::kPing;
}

int64_t KeepalivePings::next_look_ns() const {
    return waiting_ ? pinged_ns_ + timeout_ns_ : silent_since_ns_ + time_ns_;
}

void KeepalivePings::on_bytes(int64_t now_ns) {
    silent_since_ns_ = now_ns;
    waiting_ = false;
}

PingStrikes::PingStrikes(const GrpcKeepalive& options)
    : interval_ns_(options.min_recv_ping_interval_ms * kNsPerMs),
      permit_without_calls_(options.permit_without_calls),
      max_strikes_(options.max_ping_strikes),
      last_ns_(kNever) {}

bool PingStrikes::accepts(int64_t now_ns, bool has_calls) {
    int64_t interval_ns = has_calls || permit_without_calls_ ? interval_ns_ : kIdleIntervalNs;
    bool strike = now_ns < last_ns_ + interval_ns;
    last_ns_ = now_ns;
    strikes_ += strike ? 1 : 0;
    return max_strikes_ == 0 || strikes_ <= max_strikes_;
}

void PingStrikes::on_traffic() {
    last_ns_ = kNever;
    strikes_ = 0;
}

}  // namespace tritonpy
