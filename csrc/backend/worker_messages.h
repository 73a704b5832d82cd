// The messages between the server and a worker: bytes to values and back, nothing else.
//
// A message is a header (message_header.h) and a body of little-endian numbers and of texts with
// their length before them. Tensor bytes are not in messages but in blocks of shared memory, which
// messages name by their place. Two streams carry messages: on the first the server says EXECUTE
// and the worker EXECUTED in lock-step; on the second go late responses, and what the model asks of
// other models (INFER, CANCEL) with the ANSWERs to it. What an answer is charged with comes back in
// READ when the model has taken it: so the server knows how much lies there unread.
//
// What a worker sends is never believed: every length, index, count and rank is checked here,
// places in shared memory where they are looked up (worker_session.h).
//
// Threads: compatible; pure functions over bytes.
// Limits: limits::kMaxWorkerMessage bytes; limits::kMaxTensorsPerRequest tensors of
// limits::kMaxRank dimensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/message_bytes.h"
#include "base/result.h"
#include "infer/parameter.h"
#include "infer/request.h"
#include "infer/response.h"
#include "tensor/data_type.h"
#include "tensor/shape.h"
#include "tensor/tensor_spec.h"

namespace tritonpy {

// ---- what the server sends

// Places in a block of shared memory for tensors one after the other, each aligned to 64 bytes.
class BlockLayout {
  public:
    // Where a tensor of `size` bytes goes; the block then ends behind it.
    uint64_t place(size_t size) {
        uint64_t offset = (size_ + 63) / 64 * 64;
        size_ = offset + size;
        return offset;
    }
    uint64_t size() const { return size_; }

  private:
    uint64_t size_ = 0;
};

// What EXECUTE says about a request besides the request itself.
struct OpenRequestKey {
    static constexpr uint32_t kNotCancellable = 0xFFFFFFFF;
    uint64_t key = 0;
    uint32_t cancel_index = 0;
};

// A block of shared memory; all zero: none.
struct BlockPlace {
    uint64_t offset = 0;
    uint64_t arena_size = 0;
};

// Bytes that the inputs of all requests take in one block, and the copy into it. Both place
// them as encode_execute says it. REQUIRES of the latter: `block` has that many bytes.
uint64_t inputs_size(std::span<const std::unique_ptr<InferenceRequest>> requests);
void copy_inputs(std::span<const std::unique_ptr<InferenceRequest>> requests, std::byte* block);

// Replaces `out` with EXECUTE. REQUIRES: the requests passed the request check of the model with
// these inputs and outputs; one key for each.
void encode_execute(std::span<const std::unique_ptr<InferenceRequest>> requests,
                    std::span<const OpenRequestKey> keys, const std::vector<TensorSpec>& inputs,
                    const std::vector<TensorSpec>& outputs, BlockPlace block, Bytes& out);

// Bytes of the outputs, and the copy, as for inputs.
uint64_t outputs_size(const InferenceResponse& response);
void copy_outputs(const InferenceResponse& response, std::byte* block);
// What one answer to a call says besides the response itself.
struct AnswerKey {
    uint64_t call = 0;
    uint64_t charge = 0;
};

// Appends ANSWER to `out`.
void encode_answer(AnswerKey key, const InferenceResponse& response, BlockPlace block, Bytes& out);

// ---- what the worker sends

// A tensor that lies in the block of its message at `offset`; or, named back, in what this side has
// lent, at `offset` of the file.
struct WorkerTensor {
    std::string name;
    DataType data_type = DataType::kInvalid;
    Shape shape;
    bool is_named_back = false;
    uint64_t offset = 0;
    uint64_t size = 0;
};

struct WorkerResponse {
    Status error;  // OK: a response with outputs
    std::vector<Parameter> parameters;
    uint64_t block = 0;  // 0: none
    std::vector<WorkerTensor> outputs;
};

struct WorkerAnswer {
    enum class Kind : uint8_t { kFinal = 0, kOpen = 1, kRescheduled = 2 };
    Kind kind = Kind::kFinal;
    WorkerResponse response;  // kFinal only
};

struct ExecutedMessage {
    Status failure;                     // not OK: of every request that is not answered otherwise
    std::vector<WorkerAnswer> answers;  // else one for each request, in order
    uint64_t arena_size = 0;
};

struct ResponseMessage {
    uint64_t key = 0;
    bool final = false;
    bool reschedules = false;  // the request is to run again; what was said before stands
    uint64_t arena_size = 0;
    std::optional<WorkerResponse> response;
};

struct InferMessage {
    uint64_t call = 0;
    bool decoupled_allowed = false;
    std::unique_ptr<InferenceRequest> request;  // without its inputs
    std::string version_label;  // named instead of a number; then that is -1
    uint64_t block = 0;
    uint64_t arena_size = 0;
    std::vector<WorkerTensor> inputs;
};

// The model has taken answers to a call that were charged with so much together.
struct ReadMessage {
    uint64_t call = 0;
    uint64_t charge = 0;
};

// Each reads a whole body; internal, saying which message and what part of it, when it is none.
// `outputs` are those of the model's configuration, which messages name by index.
Result<ExecutedMessage> decode_executed(std::span<const std::byte> body,
                                        const std::vector<TensorSpec>& outputs);
Result<ResponseMessage> decode_response(std::span<const std::byte> body,
                                        const std::vector<TensorSpec>& outputs);
Result<InferMessage> decode_infer(std::span<const std::byte> body);
Result<uint64_t> decode_cancel(std::span<const std::byte> body);
Result<ReadMessage> decode_read(std::span<const std::byte> body);

}  // namespace tritonpy
