// V2 inference over gRPC: ModelInferRequest and ModelInferResponse, read and written directly.
//
// A direct reader of the wire format: raw inputs are borrowed from the message, typed contents are
// written to pool blocks. Unknown fields are skipped as protobuf demands. The message comes from
// the network: lengths, shape products and counts are checked before use.
//
// Threads: compatible; pure functions.
// Limits: kMaxGrpcMessage, kMaxRank, kMaxTensorsPerRequest, kMaxParameters.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "infer/request.h"
#include "infer/response.h"
#include "memory/block_pool.h"
#include "wire/encoded_body.h"

namespace tritonpy {

// What the gRPC front end needs beyond the request itself.
struct DecodedGrpcInfer {
    std::unique_ptr<InferenceRequest> request;  // with model_name and model_version set
    std::string version_label;                  // named instead of a number; then that is -1
    bool enable_empty_final_response = false;   // parameter triton_enable_empty_final_response
};

// Decodes one serialised ModelInferRequest. Errors carry Triton's texts; bytes that are no such
// message are invalid_arg. A data type that has no meaning becomes kInvalid, for the request check
// to refuse; sizes that do not fit their shape are left to it too.
Result<DecodedGrpcInfer> decode_infer_protobuf(const BufferRef& message, BlockPool& pool);

// The id of a serialised ModelInferRequest, for an error about one that could not be decoded; ""
// when it has none or cannot be read to its end.
std::string infer_protobuf_id(const BufferRef& message);

// Encodes a final, successful response as ModelInferResponse: every output in raw_output_contents,
// classification as its request asked. REQUIRES: response.status.ok(), response.request.
// internal when the message would exceed limits::kMaxGrpcMessage. The body borrows the outputs (the
// request may go); on failure it is as before.
Status encode_infer_protobuf(const InferenceResponse& response, EncodedBody& body);

// The same inside ModelStreamInferResponse, with parameter triton_final_response. The response may
// have failed, and may be one before the final, which carries no request: hence the request's id.
Status encode_stream_infer_protobuf(const InferenceResponse& response, std::string_view request_id,
                                    EncodedBody& body);

// A ModelStreamInferResponse for a request that no model answered: its id and why.
std::string encode_stream_error_protobuf(std::string_view text, std::string_view request_id);

}  // namespace tritonpy
