#include "backend/message_header.h"

#include <string>

#include "base/limits.h"

namespace tritonpy {

Result<WorkerMessageHeader> decode_worker_header(std::span<const std::byte> header) {
    MessageReader in(header);
    size_t size = in.number<uint32_t>();
    auto kind = in.number<uint16_t>();
    if (size > limits::kMaxWorkerMessage || kind == 0 ||
        kind > static_cast<uint16_t>(WorkerMessageKind::kRead)) {
        return internal_error("malformed kind " + std::to_string(kind) +
                              " message of a worker: " + std::to_string(size) + " bytes");
    }
    return WorkerMessageHeader{size, static_cast<WorkerMessageKind>(kind)};
}

}  // namespace tritonpy
