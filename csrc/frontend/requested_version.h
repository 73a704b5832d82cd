// The version that a client names: a number, nothing at all, or a label of the model's rollout.
//
// Without a rollout a word is what it is in Triton: over gRPC no number, over HTTP no path.
//
// Threads: compatible; functions only.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "server/inference_server.h"
#include "wire/v2_protobuf.h"
#include "wire/v2_route.h"

namespace tritonpy {

// -1 for "". invalid_arg, with Triton's texts, for what is neither a number nor could be a label of
// this model; with the labels that there are for one that its rollout does not know.
Result<int64_t> requested_version(const InferenceServer& server, std::string_view model,
                                  std::string_view text);

// Gives a decoded request the version that its label stands for, where it has one. Errors as
// requested_version.
Status resolve_label(const InferenceServer& server, DecodedGrpcInfer& decoded);

// route_http; control also where a label is named of a model that has none.
V2Route route_request(const InferenceServer& server, std::string_view method,
                      std::string_view target);

}  // namespace tritonpy
