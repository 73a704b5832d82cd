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
// The name of a header that becomes a parameter: what a regular expression has to read.
inline constexpr size_t kMaxForwardedName = 256;
// A label that a rollout gives to a version of a model.
inline constexpr size_t kMaxVersionLabel = 64;
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
inline constexpr size_t kMaxPooledBlock = size_t{32} << 20;
// Bytes that one pool keeps for reuse, over all size classes.
inline constexpr size_t kMaxPooledBytes = size_t{128} << 20;

// --- the native front end -----------------------------------------------------------------------

// Request line and headers of one HTTP/1.1 request, or the header list of one HTTP/2 request.
inline constexpr size_t kMaxRequestHead = size_t{64} << 10;
inline constexpr size_t kMaxRequestHeaders = 256;
// Non-empty chunks of one chunked body (Triton's own limit), and bytes of its trailers.
inline constexpr size_t kMaxBodyChunks = 65536;
inline constexpr size_t kMaxTrailers = kMaxRequestHead;
// Bytes of one chunk's extensions, which nobody reads: those that sign a chunk need a hundred.
inline constexpr size_t kMaxChunkExtension = size_t{1} << 10;
// Bytes taken from a socket in one read, and in one turn before other connections get theirs.
inline constexpr size_t kReadSize = size_t{64} << 10;
inline constexpr size_t kMaxReadPerTurn = size_t{1} << 20;
// Bytes written to a socket in one turn, before other connections get theirs.
inline constexpr size_t kMaxWrittenPerTurn = size_t{4} << 20;
// Sockets that one turn of a loop serves.
inline constexpr size_t kMaxEventsPerTurn = 256;
// Request bodies up to this are copied out of the read buffer; larger ones are read in place.
inline constexpr size_t kMaxCopiedBody = size_t{16} << 10;
// Response pieces below this are copied into the bytes around them; larger ones are borrowed.
inline constexpr size_t kMinBorrowedPiece = size_t{4} << 10;
// Pieces of one writev.
inline constexpr size_t kMaxIovecs = 64;
// Room for copied bytes that a connection keeps when all are written: most responses fit.
inline constexpr size_t kMaxKeptOutput = size_t{4} << 10;
// A connection that has this much unwritten makes no more until it was written.
inline constexpr size_t kMaxUnwritten = size_t{1} << 20;
// Bytes that one connection may hold (being received, in the core, not yet sent) before it gives
// its client no more credit, and bytes that all connections of a front end may hold.
inline constexpr size_t kMaxHeldPerConnection = size_t{64} << 20;
inline constexpr size_t kMaxHeld = size_t{8} << 30;

// HTTP/2: receive windows (room for a few 1 MB tensors on their way), streams of one connection,
// and calls of one connection that the core still has, cancelled ones included.
inline constexpr int32_t kStreamWindow = 16 << 20;
inline constexpr int32_t kConnectionWindow = 32 << 20;
inline constexpr uint32_t kMaxConcurrentStreams = 1024;
inline constexpr size_t kMaxCallsPerConnection = 2 * kMaxConcurrentStreams;
// Bytes of one DATA frame, both ways: large tensors cost fewer frames, and nobody waits long.
inline constexpr size_t kMaxDataFrame = size_t{256} << 10;
// SETTINGS and PING acknowledgements that wait because their client does not read, entries of one
// SETTINGS frame, and CONTINUATION frames of one header block.
inline constexpr size_t kMaxUnsentAcks = 1000;
inline constexpr size_t kMaxSettingsEntries = 32;
inline constexpr size_t kMaxContinuations = 8;
// Streams that a client may reset: a burst, then so many a second.
inline constexpr int64_t kStreamResetBurst = 1000;
inline constexpr int64_t kStreamResetsPerSecond = 33;
// Requests of one ModelStreamInfer that are in the core or wait to be written.
inline constexpr size_t kStreamRequestsInFlight = 1024;
// What a gRPC message counts as at least in what its connection holds: about what an empty request
// costs on its way through the core.
inline constexpr size_t kMinMessageCharge = 1024;
// Messages of one gRPC call that the control plane has and did not answer.
inline constexpr size_t kControlMessagesInFlight = 64;

// A request that comes slower than this is no client's but an attack; so is a client that takes its
// last answer slower, over each kClosingWindowNs, when the connection is to be closed.
inline constexpr size_t kMinRequestBytesPerSecond = 1024;
inline constexpr int64_t kClosingWindowNs = 10'000'000'000;
// How long a connection that has said its last throws away what its client still sends, so that the
// client is not reset before it has read the answer; again as long as the client takes that in.
inline constexpr int64_t kLingerNs = 2'000'000'000;

// Requests that an io thread submits in one turn before it wakes the instances in between, and the
// sockets up to which a turn looks for more.
inline constexpr size_t kMaxUnwoken = 32;
// Finished calls that an io thread keeps for reuse.
inline constexpr size_t kMaxFreeCalls = 4096;
// Calls that the control plane has at once.
inline constexpr size_t kMaxControlCalls = 4096;
// Event loops of one front end: at most, and when it is left to us.
inline constexpr size_t kMaxIoThreads = 64;
inline constexpr size_t kDefaultIoThreads = 4;
// Connections that a listener accepts in one turn, before others get theirs, and how long it leaves
// them in the backlog when there is no room for more.
inline constexpr size_t kMaxAcceptsPerTurn = 64;
inline constexpr int64_t kAcceptPauseNs = 20'000'000;
// Descriptors that connections leave to the rest of the process, where it has enough.
inline constexpr size_t kKeptDescriptors = 256;

// --- workers: models in processes of their own ---------------------------------------------------

// Bytes of memory shared with one worker, each way, and of its idle large blocks that keep pages.
inline constexpr size_t kMaxSharedArena = size_t{64} << 30;
inline constexpr size_t kMaxIdleArena = size_t{64} << 20;
// One message of a worker, without the tensor bytes, which lie in shared memory.
inline constexpr size_t kMaxWorkerMessage = size_t{64} << 20;
// Tensor bytes that a thread which must not block copies for a worker.
inline constexpr size_t kMaxGuestInputs = size_t{64} << 10;
// Requests that one worker has taken and not answered, and inferences that it asked for itself.
inline constexpr size_t kMaxOpenRequests = 65536;
inline constexpr size_t kMaxWorkerCalls = 4096;
// How often a worker's open requests are looked at for clients that have gone, and the worker for
// an execution that takes too long.
inline constexpr int64_t kWorkerTickNs = 50'000'000;
// A worker that died is started again after this, doubled with each death up to the longest; one
// that lived long enough starts afresh.
inline constexpr int64_t kFirstRestartDelayNs = 100'000'000;
inline constexpr int64_t kLongestRestartDelayNs = 30'000'000'000;
inline constexpr int64_t kWorkerProvenAfterNs = 10'000'000'000;
// How long an unload waits for requests that a model took and does not answer.
inline constexpr int64_t kWorkerFarewellNs = 30'000'000'000;

// Slots that one instance has for sequences, at most, and how often sequences that wait for one are
// looked at for clients that have gone.
inline constexpr size_t kMaxSlotsPerInstance = 16384;
inline constexpr int64_t kBacklogSweepNs = 50'000'000;

// Instances of one model version over all its groups.
inline constexpr size_t kMaxInstances = 1024;
// Instances that a model with sequences has had, those that have gone included; then it is loaded
// anew for others.
inline constexpr size_t kMaxSequenceLanes = 2048;
static_assert(kMaxSequenceLanes >= 2 * kMaxInstances);
// What open sequences get to end by themselves where the model, or their instance, is to go.
inline constexpr int64_t kSequenceFarewellNs = 30'000'000'000;

static_assert(kDefaultQueueSize <= kMaxQueueSize);
static_assert((kDefaultQueueSize & (kDefaultQueueSize - 1)) == 0, "rings are powers of two");
static_assert((kMaxQueueSize & (kMaxQueueSize - 1)) == 0, "rings are powers of two");
static_assert(kMaxCopiedBody <= kReadSize && kReadSize <= kMaxReadPerTurn);
static_assert(kMinBorrowedPiece <= kMaxUnwritten && kMaxUnwritten <= kMaxWrittenPerTurn);
static_assert(kStreamWindow <= kConnectionWindow);
static_assert(kMaxDataFrame >= (1 << 14) && kMaxDataFrame < (1 << 24), "what HTTP/2 allows");
static_assert(kMaxDataFrame <= kMaxUnwritten);
static_assert(static_cast<size_t>(kConnectionWindow) <= kMaxHeldPerConnection);
static_assert(kDefaultIoThreads <= kMaxIoThreads);
static_assert(kMaxGrpcMessage < kMaxHeld, "one message of the largest size always finds room");
static_assert(kFirstRestartDelayNs <= kLongestRestartDelayNs);
static_assert(kMinBlock <= kMaxPooledBlock && kMaxPooledBlock <= kMaxPooledBytes);

}  // namespace tritonpy::limits
