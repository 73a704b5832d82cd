// Every bound of the core in one place, with how they relate.
//
// A queue, pool, header, body, count or nesting depth without a line here is a bug: what a client
// can grow must end somewhere. Sizes are in bytes unless the name says otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tritonpy::limits {

// Requests waiting for one model when its config gives no `max_queue_size`. Triton's default is no
// bound at all; this one is about a second of work for a fast model, and never the first to break.
inline constexpr uint32_t kDefaultQueueSize = 16384;
// The largest `max_queue_size` that a ring is built for; a larger one is served as this.
inline constexpr uint32_t kMaxQueueSize = 1u << 20;

// Rank of a tensor, as in ONNX Runtime's own checks on graphs.
inline constexpr size_t kMaxRank = 32;
// Inputs of one request and outputs asked for.
inline constexpr size_t kMaxTensorsPerRequest = 4096;
// Custom parameters on a request or on one of its tensors.
inline constexpr size_t kMaxParameters = 1024;
// Nesting of a JSON body (Triton's own limit).
inline constexpr size_t kMaxJsonDepth = 100;
// Values of a JSON body outside tensor data: far above what kMaxTensorsPerRequest inputs need.
inline constexpr size_t kMaxJsonValues = size_t{1} << 20;
// Bytes of a JSON text, so that 32-bit offsets are enough.
inline constexpr size_t kMaxJsonText = 2147483647;
// Elements of an output that the classification extension will rank (Triton's own limit).
inline constexpr int64_t kMaxClassificationElements = 1'000'000;
// One gRPC message, both ways (Triton's own limit).
inline constexpr size_t kMaxGrpcMessage = 2147483647;

// Pool blocks: the smallest size class, and the largest that is kept for reuse.
inline constexpr size_t kMinBlock = 256;
inline constexpr size_t kMaxPooledBlock = size_t{4} << 20;
// Bytes that one pool keeps for reuse, over all size classes.
inline constexpr size_t kMaxPooledBytes = size_t{64} << 20;

// Instances of one model version over all its groups.
inline constexpr size_t kMaxInstances = 1024;

static_assert(kDefaultQueueSize <= kMaxQueueSize);
static_assert((kDefaultQueueSize & (kDefaultQueueSize - 1)) == 0, "rings are powers of two");
static_assert((kMaxQueueSize & (kMaxQueueSize - 1)) == 0, "rings are powers of two");
static_assert(kMinBlock <= kMaxPooledBlock && kMaxPooledBlock <= kMaxPooledBytes);

}  // namespace tritonpy::limits
