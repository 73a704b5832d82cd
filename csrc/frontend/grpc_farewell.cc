#include "frontend/grpc_farewell.h"

#include <algorithm>

namespace tritonpy {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// How long a client has to answer the ping: many times what the longest way round takes.
constexpr int64_t kAnswerNs = 1000 * kNsPerMs;

// From nine tenths of the age to eleven.
int64_t spread_age_ns(int64_t age_ms, uint64_t spread) {
    int64_t fifth_ns = age_ms * kNsPerMs / 5;
    auto thousandth = static_cast<int64_t>(spread % 1001);
    return age_ms * kNsPerMs - fifth_ns / 2 + fifth_ns / 1000 * thousandth;
}

}  // namespace

GrpcFarewell::GrpcFarewell(const GrpcKeepalive& options, int64_t now_ns, uint64_t spread)
    : grace_ns_(options.max_connection_age_grace_ms * kNsPerMs) {
    if (options.max_connection_age_ms != 0) {
        old_ns_ = now_ns + spread_age_ns(options.max_connection_age_ms, spread);
    }
}

GrpcFarewell::Action GrpcFarewell::begin(int64_t now_ns) {
    if (stage_ != Stage::kServing) {
        return Action::kNothing;
    }
    stage_ = Stage::kAnnounced;
    old_ns_.reset();
    refuse_ns_ = now_ns + kAnswerNs;
    return Action::kAnnounce;
}

GrpcFarewell::Action GrpcFarewell::on_answered() {
    if (stage_ != Stage::kAnnounced) {
        return Action::kNothing;
    }
    stage_ = Stage::kRefusing;
    refuse_ns_.reset();
    return Action::kRefuse;
}

GrpcFarewell::Action GrpcFarewell::look(int64_t now_ns) {
    if (old_ns_ && now_ns >= *old_ns_) {
        if (grace_ns_ != 0) {
            close_ns_ = now_ns + grace_ns_;
        }
        return begin(now_ns);
    }
    if (close_ns_ && now_ns >= *close_ns_) {
        return Action::kClose;
    }
    if (refuse_ns_ && now_ns >= *refuse_ns_) {
        return on_answered();
    }
    return Action::kNothing;
}

std::optional<int64_t> GrpcFarewell::next_look_ns() const {
    std::optional<int64_t> next;
    for (const std::optional<int64_t>& due_ns : {old_ns_, refuse_ns_, close_ns_}) {
        if (due_ns && (!next || *due_ns < *next)) {
            next = due_ns;
        }
    }
    return next;
}

}  // namespace tritonpy
