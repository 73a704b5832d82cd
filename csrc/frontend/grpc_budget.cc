#include "frontend/grpc_budget.h"

#include <algorithm>

#include "base/check.h"
#include "base/limits.h"

namespace tritonpy {

void GrpcBudget::return_credit(int32_t stream_id, size_t stream_bytes, size_t connection_bytes) {
    if (session_ == nullptr) {
        return;
    }
    if (work() >= limits::kMaxHeldPerConnection) {
        owed_ += connection_bytes;
        connection_bytes = 0;
    }
    session_->consume(stream_id, stream_bytes, connection_bytes);
}

bool GrpcBudget::try_add_unsent(size_t bytes) {
    return unsent_.try_resize(unsent_.size() + bytes);
}

void GrpcBudget::settle_unsent(size_t bytes) {
    if (bytes < unsent_.size()) {
        TRITONPY_CHECK(unsent_.try_resize(bytes));
        return_owed();
    }
}

void GrpcBudget::detach() {
    session_ = nullptr;
    connection_ = nullptr;
    settle_unsent(0);
}

void GrpcBudget::shrank(size_t bytes) {
    charged_ -= bytes;
    return_owed();
}

void GrpcBudget::return_owed() {
    if (owed_ != 0 && session_ != nullptr && work() < limits::kMaxHeldPerConnection) {
        session_->consume(0, 0, std::exchange(owed_, 0));
        connection_->request_flush();
    }
}

bool GrpcCharge::try_resize(size_t bytes) {
    size_t before = share_.size();
    if (!share_.try_resize(bytes)) {
        return false;
    }
    if (bytes > before) {
        budget_->grew(bytes - before);
    } else if (bytes < before) {
        budget_->shrank(before - bytes);
    }
    return true;
}

void GrpcCharge::reset() {
    if (size() != 0) {
        TRITONPY_CHECK(try_resize(0));
    }
}

}  // namespace tritonpy
