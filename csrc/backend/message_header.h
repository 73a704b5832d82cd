// What every message between the server and a worker begins with: its body's length and its kind.
//
// Threads: compatible; values and functions over bytes.
// Limits: limits::kMaxWorkerMessage bytes of body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backend/message_bytes.h"
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

// Appends a header to `out`, and what its writer is told; finish fills in the length.
class Envelope {
  public:
    Envelope(Bytes& out, WorkerMessageKind kind) : writer(out), start_(out.size()) {
        writer.number(uint32_t{0});
        writer.number(static_cast<uint16_t>(kind));
        writer.number(uint16_t{0});
    }
    void finish() {
        writer.overwrite(start_,
                         static_cast<uint32_t>(writer.size() - start_ - kWorkerHeaderSize));
    }

    MessageWriter writer;

  private:
    const size_t start_;
};

}  // namespace tritonpy
