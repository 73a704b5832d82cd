// What every message between the server and a worker begins with: its body's length and its kind.
//
// Threads: compatible; pure functions over bytes.
// Limits: limits::kMaxWorkerMessage bytes of body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace tritonpy {

enum class WorkerMessageKind : uint16_t {
    kExecute = 1,
    kExecuted = 2,
    kResponse = 3,
    kInfer = 4,
    kCancel = 5,
    kAnswer = 6,
    kRead = 7,
};

inline constexpr size_t kWorkerHeaderSize = 8;

struct WorkerMessageHeader {
    size_t body_size = 0;
    WorkerMessageKind kind = WorkerMessageKind::kExecute;
};

// internal when the body would be too large or the kind is none. REQUIRES: kWorkerHeaderSize bytes.
Result<WorkerMessageHeader> decode_worker_header(std::span<const std::byte> header);

}  // namespace tritonpy
