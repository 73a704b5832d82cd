// POST .../infer: from a whole HTTP request to a call in the core, and from its response to bytes.
//
// What is wrong is found in the order in which Triton finds it: the version, the coding of the
// body, the length of its JSON, the model, the body, and then all that the core checks.
//
// Threads: confined(io).
#pragma once

#include <memory>

#include "base/result.h"
#include "frontend/http_answer.h"
#include "frontend/http_request_body.h"
#include "frontend/infer_calls.h"
#include "frontend/io_context.h"
#include "infer/response.h"
#include "wire/content_coding.h"
#include "wire/http1_head.h"
#include "wire/out_queue.h"
#include "wire/v2_route.h"

namespace tritonpy {

// What the head alone shows to be wrong, so that a client that waits for a word to go on need not
// send its body.
Status check_http_inference(const IoContext& context, const Http1Head& head, const V2Route& route);

// Decodes the request and hands it to the core. The body is taken; a small one's share stays with
// the caller. Errors as the decoder's and InferCalls::submit's.
Result<InferCall*> submit_http_inference(IoContext& context, const Http1Head& head,
                                         const V2Route& route, HttpBody& body,
                                         ResponseReceiver& receiver);

// Appends the answer, in the coding where that can be: a final response, or why there is none. The
// response is freed at once, or as soon as the last of its bytes was written.
void append_inference_answer(OutQueue& out, std::unique_ptr<InferenceResponse> response,
                             ContentCoding coding, const AnswerTerms& terms, HeldBytes& held);

}  // namespace tritonpy
