// V2 inference over HTTP: JSON with the binary tensor extension, both directions.
//
// Decoding borrows: binary tensors point into the body. JSON tensors are written to pool blocks.
// The body comes from the network: every length, shape product and nesting depth is checked before
// memory is reserved or a byte is read.
//
// Threads: compatible; pure functions.
// Limits: limits::kMaxJsonDepth, kMaxRank, kMaxTensorsPerRequest, kMaxParameters, and the caller's
// max_input_size for what a JSON tensor may grow to.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "infer/model_identity.h"
#include "infer/request.h"
#include "infer/response.h"
#include "memory/block_pool.h"
#include "wire/encoded_body.h"

namespace tritonpy {

// Decodes the (uncompressed) body of POST .../infer for `model`. `json_length` is the value of
// Inference-Header-Content-Length when the header was there; 0 means a raw binary request. Sets
// everything of the request but trace, sink, tag and cancellation; model_name and model_version are
// left for the caller. A data type that has no meaning becomes kInvalid, for the request check,
// which knows the expected one, to refuse; sizes of binary data are left to it too.
// Errors carry Triton's texts and codes (HTTP/REST, binary data and schedule policy extensions).
Result<std::unique_ptr<InferenceRequest>> decode_infer_json(const BufferRef& body,
                                                            std::optional<int64_t> json_length,
                                                            const ModelIdentity& model,
                                                            size_t max_input_size,
                                                            BlockPool& pool);

// The number in the header Inference-Header-Content-Length. invalid_arg, with Triton's texts, for
// what is no integer or does not fit 32 bits.
Result<int64_t> parse_json_length(std::string_view header);

// Encodes a final, successful response, with classification and binary outputs as its request
// asked. REQUIRES: response.status.ok(), response.request, response.model. The body borrows the
// outputs; on failure it is as before. invalid_arg for an output that has no JSON form: FP16, BF16,
// and BYTES that are not UTF-8.
Status encode_infer_json(const InferenceResponse& response, EncodedBody& body);

// {"error":"<text>"}: the body of every HTTP error. Bytes that are not UTF-8 are replaced.
std::string encode_error_json(std::string_view text);

}  // namespace tritonpy
